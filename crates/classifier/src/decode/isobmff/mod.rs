//! Boxes of the ISO base media file format (ISO/IEC 14496-12), read from memory.
//!
//! Nothing here knows a codec. Every length is checked against the bytes that are there, and no count from a
//! file is trusted for an allocation.

mod items;
mod track;

pub(super) use items::{Item, Items};
pub(super) use track::{Sample, first_sample};

/// A four-character code: the type of a box, an item or a brand.
pub(super) type Code = [u8; 4];

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It contradicts itself or ends early.
    Corrupt,
    /// It uses this feature, which is not implemented.
    Unsupported(&'static str),
}

/// One box: its type, and its content without the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contained<'a> {
    pub(super) code: Code,
    pub(super) content: Reader<'a>,
}

/// The boxes that stand one after the other in some bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boxes<'a>(Reader<'a>);

impl<'a> Boxes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// The content of the first box of this type.
    pub(super) fn find(mut self, code: Code) -> Result<Option<Reader<'a>>, Fault> {
        self.find_map(|contained| match contained {
            Ok(contained) => (contained.code == code).then_some(Ok(contained.content)),
            Err(fault) => Some(Err(fault)),
        })
        .transpose()
    }

    /// The content of the first box of this type, which must be there.
    pub(super) fn need(self, code: Code) -> Result<Reader<'a>, Fault> {
        self.find(code)?.ok_or(Fault::Corrupt)
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Contained<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rest().is_empty() {
            return None;
        }
        let contained = read_box(&mut self.0);
        if contained.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(contained)
    }
}

fn read_box<'a>(reader: &mut Reader<'a>) -> Result<Contained<'a>, Fault> {
    let available = reader.rest().len();
    let size = reader.u32()?;
    let code = reader.code()?;
    let size = match size {
        0 => available,
        1 => usize::try_from(reader.u64()?).map_err(|_| Fault::Corrupt)?,
        size => usize::try_from(size).map_err(|_| Fault::Corrupt)?,
    };
    if &code == b"uuid" {
        reader.take(16)?;
    }
    let header = available - reader.rest().len();
    let content = reader.take(size.checked_sub(header).ok_or(Fault::Corrupt)?)?;
    Ok(Contained { code, content: Reader::new(content) })
}

/// Big-endian numbers from the front of some bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The boxes in what was not read yet.
    pub(super) fn boxes(&self) -> Boxes<'a> {
        Boxes(*self)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Fault::Corrupt)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Fault::Corrupt)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn code(&mut self) -> Result<Code, Fault> {
        self.array()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, Fault> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A number of 0 to 8 bytes.
    fn number(&mut self, bytes: u8) -> Result<u64, Fault> {
        let read = self.take(usize::from(bytes))?;
        Ok(read.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number of two bytes, or of four in newer versions of a box.
    fn short_or_long(&mut self, long: bool) -> Result<u32, Fault> {
        if long { self.u32() } else { self.u16().map(u32::from) }
    }

    /// The version and the flags that a full box begins with.
    pub(super) fn version_and_flags(&mut self) -> Result<(u8, u32), Fault> {
        let [version, flags @ ..] = self.array::<4>()?;
        let [first, second, third] = flags;
        Ok((version, u32::from_be_bytes([0, first, second, third])))
    }

    /// Text that ends with a zero byte.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or(Fault::Corrupt)?;
        let text = self.take(length)?;
        self.take(1)?;
        Ok(text)
    }
}

/// The brands that a file's `ftyp` box lists, the major one first; none where there is no such box.
pub(super) fn brands(encoded: &[u8]) -> impl Iterator<Item = Code> {
    let mut brands = match Boxes::new(encoded).next() {
        Some(Ok(Contained { code, content })) if &code == b"ftyp" => content,
        _ => Reader::new(&[]),
    };
    let major = brands.code().ok();
    // The minor version stands between them.
    let compatible = brands.u32().is_ok();
    major.into_iter().chain(std::iter::from_fn(
        move || {
            if compatible { brands.code().ok() } else { None }
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_every_form_of_size_are_read() {
        let mut bytes = b"\0\0\0\x0Aabcdxy".to_vec();
        bytes.extend(b"\0\0\0\x01long\0\0\0\0\0\0\0\x11z");
        bytes.extend(b"\0\0\0\x00restall");
        let read: Vec<_> = Boxes::new(&bytes)
            .map(|contained| contained.map(|found| (found.code, found.content.rest())))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(read, [(*b"abcd", &b"xy"[..]), (*b"long", b"z"), (*b"rest", b"all")]);
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for bytes in [
            &b"\0\0\0\x07abcd"[..],
            b"\0\0\0\x09abcd",
            b"\0\0\0\x01abcd\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x0f",
            b"\0\0\0\x14uuidtoo short",
            b"\0\0",
        ] {
            let mut boxes = Boxes::new(bytes);
            assert!(matches!(boxes.next(), Some(Err(Fault::Corrupt))), "{bytes:?}");
            assert!(boxes.next().is_none());
        }
    }

    #[test]
    fn brands_are_the_major_one_and_the_compatible_ones() {
        let file = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic\0\0\0\x08free";
        assert_eq!(brands(file).collect::<Vec<_>>(), [*b"mif1", *b"mif1", *b"heic"]);
        assert_eq!(brands(b"\0\0\0\x08free").count(), 0);
    }
}
