//! LZW as TIFF 6.0 (section 13) and GIF (appendix F) have it.
//!
//! A clear code is as cheap here as any other code. Crate `weezl` builds its table anew for it, so that a
//! small file of clear codes takes minutes.

use std::io::{self, Read};

/// Codes have at most 12 bits.
const MOST_CODES: usize = 1 << 12;

/// From which bit of a byte on codes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Most,
    Least,
}

/// A string of the table: another one, and a byte behind it.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    before: u16,
    first: u8,
    last: u8,
    length: u16,
}

/// The bytes that codes stand for; the codes are in `data`.
pub(super) struct Lzw<B> {
    data: B,
    order: Order,
    /// Codes grow while there is one left of the old length, as in TIFF.
    early: usize,
    clear: usize,
    bits: u64,
    held: u32,
    width: u32,
    table: Vec<Link>,
    /// The code that the table gives next.
    next: usize,
    previous: Option<usize>,
    /// What of the last string did not fit.
    rest: Vec<u8>,
    taken: usize,
    ended: bool,
    broken: bool,
}

impl<B: Iterator<Item = u8>> Lzw<B> {
    /// As in TIFF; `order` is `Least` in files from before TIFF 5.0, whose codes grow later.
    pub(super) fn tiff(data: B, order: Order) -> Self {
        Self::new(data, order, 8, usize::from(order == Order::Most))
    }

    /// As in GIF, with literals of 1 to 11 bits.
    pub(super) fn gif(data: B, literal_bits: u8) -> Self {
        Self::new(data, Order::Least, literal_bits, 0)
    }

    fn new(data: B, order: Order, literal_bits: u8, early: usize) -> Self {
        let clear = 1 << literal_bits;
        let literal = |byte: usize| {
            // Literals of more than 8 bits name no colour.
            let byte = u8::try_from(byte).unwrap_or(u8::MAX);
            Link { before: 0, first: byte, last: byte, length: 1 }
        };
        let mut table: Vec<Link> = (0..clear).map(literal).collect();
        table.resize(MOST_CODES, Link::default());
        let (width, next) = (u32::from(literal_bits) + 1, clear + 2);
        Self {
            data,
            order,
            early,
            clear,
            bits: 0,
            held: 0,
            width,
            table,
            next,
            previous: None,
            rest: Vec::new(),
            taken: 0,
            ended: false,
            broken: false,
        }
    }

    fn code(&mut self) -> Option<usize> {
        while self.held < self.width {
            let byte = u64::from(self.data.next()?);
            match self.order {
                Order::Most => self.bits = self.bits << 8 | byte,
                Order::Least => self.bits |= byte << self.held,
            }
            self.held += 8;
        }
        self.held -= self.width;
        let mask = (1 << self.width) - 1;
        let code = match self.order {
            Order::Most => self.bits >> self.held & mask,
            Order::Least => {
                let code = self.bits & mask;
                self.bits >>= self.width;
                code
            }
        };
        usize::try_from(code).ok()
    }

    /// The code of the next string; `None` at the end, and where a code is not in the table.
    fn string(&mut self) -> Option<usize> {
        loop {
            let code = self.code()?;
            if code == self.clear {
                self.next = self.clear + 2;
                self.width = self.clear.ilog2() + 1;
                self.previous = None;
            } else if code == self.clear + 1 {
                return None;
            } else {
                self.broken = !self.learn(code);
                self.previous = Some(code);
                return (!self.broken).then_some(code);
            }
        }
    }

    /// Put the string before this one, and this one's first byte, into the table. False for a code that is
    /// not there.
    fn learn(&mut self, code: usize) -> bool {
        let Some(previous) = self.previous else { return code < self.clear };
        if code > self.next || code == MOST_CODES {
            return false;
        }
        if self.next == MOST_CODES {
            return true;
        }
        let before = self.table[previous];
        let last = if code == self.next { before.first } else { self.table[code].first };
        self.table[self.next] = Link {
            before: u16::try_from(previous).unwrap_or(0),
            first: before.first,
            last,
            length: before.length + 1,
        };
        self.next += 1;
        if self.next + self.early == 1 << self.width && self.width < MOST_CODES.ilog2() {
            self.width += 1;
        }
        true
    }

    /// Write a string that is as long as `to`.
    fn write(&self, mut code: usize, to: &mut [u8]) {
        for byte in to.iter_mut().rev() {
            let link = self.table[code];
            *byte = link.last;
            code = usize::from(link.before);
        }
    }
}

impl<B: Iterator<Item = u8>> Read for Lzw<B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut written = (&self.rest[self.taken..]).read(to)?;
        self.taken += written;
        while written < to.len() && !self.ended {
            let Some(code) = self.string() else {
                self.ended = true;
                break;
            };
            let length = usize::from(self.table[code].length);
            if let Some(out) = to.get_mut(written..written + length) {
                self.write(code, out);
                written += length;
            } else {
                let mut rest = std::mem::take(&mut self.rest);
                rest.resize(length, 0);
                self.write(code, &mut rest);
                self.taken = to.len() - written;
                to[written..].copy_from_slice(&rest[..self.taken]);
                (self.rest, written) = (rest, to.len());
            }
        }
        if written == 0 && self.broken && !to.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of 9 bits, most significant bit first.
    fn nine_bits(codes: &[u16]) -> Vec<u8> {
        let mut bits = String::new();
        codes.iter().for_each(|code| bits += &format!("{code:09b}"));
        while !bits.len().is_multiple_of(8) {
            bits.push('0');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    fn unpacked(codes: &[u16], piece: usize) -> io::Result<Vec<u8>> {
        let mut reader = Lzw::tiff(nine_bits(codes).into_iter(), Order::Most);
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&buffer[..read]);
        }
    }

    #[test]
    fn the_specifications_example_is_unpacked_in_pieces_of_any_length() {
        let codes = [256, 7, 258, 8, 8, 258, 6, 6, 257];
        for piece in 1..20 {
            let expected = [7, 7, 7, 8, 8, 7, 7, 6, 6];
            assert_eq!(unpacked(&codes, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn a_code_that_is_not_in_the_table_is_an_error_behind_the_bytes_before_it() {
        for codes in [&[256, 258, 257][..], &[256, 7, 260, 8, 8, 8, 257], &[7, 8, 256, 258]] {
            for piece in [1, 3, 50] {
                assert!(unpacked(codes, piece).is_err(), "{codes:?}");
            }
        }
    }

    #[test]
    fn data_that_ends_early_gives_what_there_is() {
        assert_eq!(unpacked(&[256, 7, 7], 9).unwrap(), [7, 7]);
        assert!(unpacked(&[256], 9).unwrap().is_empty());
    }

    #[test]
    fn long_strings_and_a_full_table_are_those_of_weezl() {
        let mut noise = 1_u32;
        let mut bytes: Vec<u8> = vec![0; 300_000];
        bytes[100_000..].fill_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 30) as u8
        });
        let most = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            .encode(&bytes)
            .unwrap();
        let least = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 2).encode(&bytes).unwrap();
        let mut found = Vec::new();
        Lzw::tiff(most.into_iter(), Order::Most).read_to_end(&mut found).unwrap();
        assert!(found == bytes);
        found.clear();
        Lzw::gif(least.into_iter(), 2).read_to_end(&mut found).unwrap();
        assert!(found == bytes);
    }

    #[test]
    fn clear_codes_cost_no_more_than_others() {
        let mut reader =
            Lzw::gif(std::iter::repeat_n([0, 8, 128].into_iter(), 400_000).flatten(), 11);
        let start = std::time::Instant::now();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    }
}
