//! TIFF's image file directories, of which EXIF is one. Format: TIFF 6.0, section 2; BigTIFF.
//!
//! Crate `tiff` refuses a file whose first directory it cannot decode, so that neither the reason nor
//! another page can be read from it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

/// More values than a tag that describes pixels has: three for each colour of the largest palette.
const MAX_VALUES: usize = 3 << 16;

/// Directories are counted up to here.
const MAX_CHAIN: usize = 65_535;

/// A file's bytes, and how its numbers are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiff<'a> {
    bytes: &'a [u8],
    pub(super) little_endian: bool,
    big: bool,
}

/// The entries of one directory, by tag.
pub(super) struct Directory<'a> {
    file: Tiff<'a>,
    entries: BTreeMap<u16, Entry<'a>>,
    /// Tags whose values are not in the file.
    missing: BTreeSet<u16>,
    complete: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    kind: u16,
    values: &'a [u8],
}

/// Bytes of one value, by the type's number.
fn size_of(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => return None,
    })
}

impl<'a> Tiff<'a> {
    /// The file, and the offset of its first directory.
    pub(super) fn open(bytes: &'a [u8]) -> Option<(Self, u64)> {
        let little_endian = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let classic = Self { bytes, little_endian, big: false };
        match classic.number(2, 2)? {
            42 => Some((classic, classic.number(4, 4)?)),
            43 if classic.number(4, 2)? == 8 => {
                Some((Self { big: true, ..classic }, classic.number(8, 8)?))
            }
            _ => None,
        }
    }

    /// The directory at an offset. Entries that reach beyond the file are left out.
    pub(super) fn directory(&self, offset: u64) -> Option<Directory<'a>> {
        let (count, first, end) = self.extent(offset)?;
        let (word, entry_size) = (self.word(), self.entry_size());
        let available = self.bytes.len().saturating_sub(first) / entry_size;
        let (mut entries, mut missing) = (BTreeMap::new(), BTreeSet::new());
        for index in 0..count.min(available) {
            let at = first + index * entry_size;
            let tag = u16::try_from(self.number(at, 2)?).ok()?;
            match self.entry(at, word) {
                Some(entry) => drop(entries.insert(tag, entry)),
                None => drop(missing.insert(tag)),
            }
        }
        let complete = end <= self.bytes.len();
        Some(Directory { file: *self, entries, missing, complete })
    }

    /// The offsets of the directories from `first` on, up to the first one that cannot be read.
    ///
    /// Only their lengths are read: directories may lie over each other.
    pub(super) fn chain(&self, first: u64) -> Vec<u64> {
        let (mut chain, mut seen, mut next) = (Vec::new(), HashSet::new(), Some(first));
        while let Some(offset) = next.filter(|offset| *offset != 0 && chain.len() < MAX_CHAIN) {
            let Some((_, _, end)) = self.extent(offset) else { break };
            if !seen.insert(offset) {
                break;
            }
            chain.push(offset);
            next = self.number(end, self.word());
        }
        chain
    }

    /// Bytes of an offset, and of a count of values.
    fn word(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// How many entries the directory at an offset says that it has, where they begin, and where they end.
    fn extent(&self, offset: u64) -> Option<(usize, usize, usize)> {
        let at = usize::try_from(offset).ok()?;
        let count_size = if self.big { 8 } else { 2 };
        let count = usize::try_from(self.number(at, count_size)?).ok()?;
        let first = at.checked_add(count_size)?;
        let end = count.checked_mul(self.entry_size())?.checked_add(first)?;
        Some((count, first, end))
    }

    fn entry_size(&self) -> usize {
        4 + 2 * self.word()
    }

    fn entry(&self, at: usize, word: usize) -> Option<Entry<'a>> {
        let kind = u16::try_from(self.number(at + 2, 2)?).ok()?;
        let count = usize::try_from(self.number(at + 4, word)?).ok()?;
        let length = count.checked_mul(size_of(kind)?)?;
        let inline = at + 4 + word;
        let start = if length <= word {
            inline
        } else {
            usize::try_from(self.number(inline, word)?).ok()?
        };
        let values = self.bytes.get(start..start.checked_add(length)?)?;
        Some(Entry { kind, values })
    }

    /// The unsigned number of `size` bytes at `at`.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        Some(unsigned(bytes, self.little_endian))
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The part of `offset..offset + length` that lies inside the file.
    pub(super) fn slice(&self, offset: u64, length: u64) -> &'a [u8] {
        let inside = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.bytes.len());
        &self.bytes[inside(offset)..inside(offset.saturating_add(length))]
    }
}

fn unsigned(bytes: &[u8], little_endian: bool) -> u64 {
    let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if little_endian { bytes.iter().rev().fold(0, shift) } else { bytes.iter().fold(0, shift) }
}

impl<'a> Directory<'a> {
    /// Whether all entries, and the values of these tags, are in the file.
    pub(super) fn is_complete(&self, tags: RangeInclusive<u16>) -> bool {
        self.complete && self.missing.range(tags).next().is_none()
    }

    pub(super) fn contains(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// Whether a tag's values are words, signed or not, and not single bytes or fractions.
    pub(super) fn has_words(&self, tag: u16) -> bool {
        self.entries.get(&tag).is_some_and(|entry| matches!(entry.kind, 3 | 4 | 8 | 9))
    }

    /// How many values a tag has.
    pub(super) fn count(&self, tag: u16) -> usize {
        self.entries
            .get(&tag)
            .map_or(0, |entry| entry.values.len() / size_of(entry.kind).unwrap_or(1))
    }

    /// A tag's values as they are in the file.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.entries.get(&tag).map(|entry| entry.values)
    }

    /// A tag's values, where they are whole numbers that are not negative, and not too many.
    pub(super) fn numbers(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entries.get(&tag).filter(|_| self.count(tag) <= MAX_VALUES)?;
        let size = size_of(entry.kind)?;
        let whole = |bytes: &[u8]| {
            let number = unsigned(bytes, self.file.little_endian);
            let negative = number >> (8 * size - 1) != 0;
            match entry.kind {
                1 | 3 | 4 | 7 | 13 | 16 | 18 => Some(number),
                6 | 8 | 9 | 17 if !negative => Some(number),
                _ => None,
            }
        };
        entry.values.chunks_exact(size).map(whole).collect()
    }

    /// A tag's first value.
    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag)?.first().copied()
    }

    /// A tag's values as fractions.
    pub(super) fn fractions(&self, tag: u16) -> Option<Vec<f64>> {
        let entry = self.entries.get(&tag).filter(|_| self.count(tag) <= MAX_VALUES)?;
        let little_endian = self.file.little_endian;
        let word = |bytes: &[u8]| u32::try_from(unsigned(bytes, little_endian)).unwrap_or(0);
        let signed = |bytes: &[u8]| f64::from(word(bytes).cast_signed());
        let plain = |bytes: &[u8]| f64::from(word(bytes));
        let ratio = |of: &dyn Fn(&[u8]) -> f64, bytes: &[u8]| of(&bytes[..4]) / of(&bytes[4..]);
        let values = entry.values.chunks_exact(size_of(entry.kind)?);
        Some(match entry.kind {
            5 => values.map(|bytes| ratio(&plain, bytes)).collect(),
            10 => values.map(|bytes| ratio(&signed, bytes)).collect(),
            11 => values.map(|bytes| f64::from(f32::from_bits(word(bytes)))).collect(),
            12 => values.map(|bytes| f64::from_bits(unsigned(bytes, little_endian))).collect(),
            1 | 3 | 4 => values.map(plain).collect(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_and_both_sizes_are_read() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let large = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
                      \x12\x01\x03\0\x01\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        for bytes in [&little[..], big, large] {
            let (file, first) = Tiff::open(bytes).unwrap();
            let directory = file.directory(first).unwrap();
            assert_eq!((directory.number(0x112), file.chain(first)), (Some(6), vec![first]));
        }
    }

    #[test]
    fn entries_beyond_the_file_are_left_out() {
        let far = b"II*\0\x08\0\0\0\x01\0\x11\x01\x04\0\xff\0\0\0\x06\0\0\0\0\0\0\0";
        let (file, first) = Tiff::open(far).unwrap();
        assert!(!file.directory(first).unwrap().contains(0x111));
        let many = b"II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let (file, first) = Tiff::open(many).unwrap();
        assert_eq!(file.directory(first).unwrap().number(0x112), Some(6));
        assert!(Tiff::open(b"II*\0").is_none() && Tiff::open(b"II,\0\0\0\0\0").is_none());
    }
}
