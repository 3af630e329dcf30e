//! Frame headers in JPEG data, wherever they stand (ITU-T T.81, annex B): what the JPEG decoder of
//! crate `tiff` could be made to allocate.

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct Frame {
    width: u16,
    height: u16,
    components: u8,
    /// Coefficients that its blocks have, and for how many pixels.
    coefficients: (u64, u64),
    progressive: bool,
}

impl Frame {
    /// Whatever could be taken for a frame's header, wherever it stands.
    pub(in crate::decode) fn all(encoded: &[u8]) -> impl Iterator<Item = Self> {
        let markers = encoded.windows(2).enumerate().filter(|(_, pair)| pair[0] == 0xff);
        markers.filter_map(|(at, pair)| Self::read(pair[1], encoded.get(at + 2..)?))
    }

    /// `rest` begins with the length of the segment.
    fn read(marker: u8, rest: &[u8]) -> Option<Self> {
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        let (&[l1, l0, _precision, h1, h0, w1, w0, count], rest) = rest.split_first_chunk()?;
        let number = |high, low| u16::from_be_bytes([high, low]);
        let fits = number(l1, l0) == 8 + 3 * u16::from(count);
        let components = rest.get(..3 * usize::from(count)).filter(|_| is_frame && fits)?;
        // Each has an id, its sampling factors, across and down, and a quantization table.
        let factors = || components.chunks_exact(3).map(|of| (of[1] >> 4, of[1] & 0xf));
        let across = factors().map(|(across, _)| across).max()?;
        let down = factors().map(|(_, down)| down).max()?;
        let all = factors().map(|(across, down)| u64::from(across) * u64::from(down)).sum();
        Some(Self {
            width: number(w1, w0),
            height: number(h1, h0),
            components: count,
            coefficients: (all, (u64::from(across) * u64::from(down)).max(1)),
            progressive: marker == 0xc2,
        })
    }

    pub(in crate::decode) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Decoded as it is, without another colour space.
    pub(in crate::decode) fn decoded_bytes(self) -> u64 {
        self.pixels() * u64::from(self.components)
    }

    /// What its decoder keeps until the last of several scans: each coefficient, in two bytes.
    pub(in crate::decode) fn kept_bytes(self) -> u64 {
        let (coefficients, pixels) = self.coefficients;
        if self.progressive { 2 * self.pixels() * coefficients / pixels } else { 0 }
    }
}
