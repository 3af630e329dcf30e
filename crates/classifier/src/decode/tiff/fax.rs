//! Bilevel rows of CCITT T.4 (Group 3, one- and two-dimensional) and T.6 (Group 4).
//!
//! Crate `fax` has the code tables; its own Group 3 decoder knows one-dimensional rows alone.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, Read};

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};

/// How rows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Modified Huffman rows that begin at a multiple of this many bits.
    Aligned(usize),
    /// Rows behind an end-of-line code; two-dimensional ones where a bit behind it says so.
    Group3 { two_dimensional: bool },
    /// Two-dimensional rows without separators.
    Group4,
}

/// Rows packed to bits, black as 1, each beginning at a byte.
pub(super) struct Rows<'a> {
    bits: Bits<'a>,
    scheme: Scheme,
    width: usize,
    /// Where the colour changes in the row above, and in this one.
    reference: Vec<usize>,
    current: Vec<usize>,
    ended: bool,
    row: Vec<u8>,
    taken: usize,
}

struct Invalid;

impl<'a> Rows<'a> {
    pub(super) fn new(data: Cow<'a, [u8]>, scheme: Scheme, width: usize) -> Self {
        let (reference, current) = (Vec::new(), Vec::new());
        let bits = Bits { data, at: 0 };
        Self { bits, scheme, width, reference, current, ended: false, row: Vec::new(), taken: 0 }
    }

    fn next_row(&mut self) -> Result<(), Invalid> {
        self.current.clear();
        // Encoders leave out white rows at the end.
        if !self.ended {
            match self.scheme {
                Scheme::Aligned(bits) => {
                    self.one_dimensional()?;
                    self.bits.at = self.bits.at.next_multiple_of(bits);
                }
                Scheme::Group3 { two_dimensional } => {
                    let separated = self.end_of_line(two_dimensional);
                    if self.ended {
                    } else if two_dimensional && separated && self.bits.take(1) == 0 {
                        self.two_dimensional()?;
                    } else {
                        self.one_dimensional()?;
                    }
                }
                Scheme::Group4 => self.two_dimensional()?,
            }
        }
        self.pack();
        std::mem::swap(&mut self.reference, &mut self.current);
        Ok(())
    }

    /// Skip fill bits and an end-of-line code. Several codes in a row end the picture.
    fn end_of_line(&mut self, two_dimensional: bool) -> bool {
        let mut codes = 0;
        // No run's code begins with nine zeros.
        while self.bits.peek(9) == Some(0) {
            while self.bits.peek(1) == Some(0) {
                self.bits.at += 1;
            }
            if self.bits.peek(1).is_none() {
                self.ended = true;
                return false;
            }
            self.bits.at += 1;
            codes += 1;
            if codes > 1 {
                self.ended = true;
                return true;
            }
            // The codes of a two-dimensional end have a bit each behind them.
            if two_dimensional && self.bits.peek(10) == Some(1 << 9) {
                self.bits.at += 1;
            }
        }
        codes > 0
    }

    fn one_dimensional(&mut self) -> Result<(), Invalid> {
        let (mut at, mut colour) = (0, Color::White);
        while at < self.width {
            at += self.run(colour)?;
            self.change(at)?;
            colour = !colour;
        }
        Ok(())
    }

    fn two_dimensional(&mut self) -> Result<(), Invalid> {
        // Before the first pixel, so that a change at the first one counts.
        let (mut at, mut colour): (Option<usize>, _) = (None, Color::White);
        let mut next = 0;
        while at.unwrap_or(0) < self.width {
            let is_right = |change: usize| at.is_none_or(|at| change > at);
            while next > 0 && is_right(self.reference[next - 1]) {
                next -= 1;
            }
            while self.reference.get(next).is_some_and(|change| !is_right(*change)) {
                next += 1;
            }
            // Even ones change from white to black.
            let opposite = next + usize::from((next % 2 == 1) != (colour == Color::Black));
            let change = |index: usize| self.reference.get(index).copied().unwrap_or(self.width);
            let (b1, b2) = (change(opposite), change(opposite + 1));
            let from = at.unwrap_or(0);
            match mode::decode(&mut self.bits).ok_or(Invalid)? {
                Mode::Pass => at = Some(b2),
                Mode::Vertical(delta) => {
                    let to = b1.checked_add_signed(delta.into()).ok_or(Invalid)?;
                    if to < from {
                        return Err(Invalid);
                    }
                    self.change(to)?;
                    colour = !colour;
                    at = Some(to);
                }
                Mode::Horizontal => {
                    let middle = from + self.run(colour)?;
                    let to = middle + self.run(!colour)?;
                    self.change(middle)?;
                    self.change(to)?;
                    at = Some(to);
                }
                Mode::EOF if at.is_none() => {
                    self.ended = true;
                    return Ok(());
                }
                Mode::EOF | Mode::Extension => return Err(Invalid),
            }
        }
        Ok(())
    }

    /// Pixels up to the next change of colour.
    fn run(&mut self, colour: Color) -> Result<usize, Invalid> {
        let mut pixels = 0;
        loop {
            let part = match colour {
                Color::White => white::decode(&mut self.bits),
                Color::Black => black::decode(&mut self.bits),
            };
            let part = usize::from(part.ok_or(Invalid)?);
            pixels += part;
            if part < 64 {
                return Ok(pixels);
            }
            if pixels > self.width {
                return Err(Invalid);
            }
        }
    }

    fn change(&mut self, at: usize) -> Result<(), Invalid> {
        if at > self.width || self.current.len() > self.width + 2 {
            return Err(Invalid);
        }
        self.current.push(at);
        Ok(())
    }

    fn pack(&mut self) {
        self.row.clear();
        self.row.resize(self.width.div_ceil(8), 0);
        for black in self.current.chunks(2) {
            let end = black.get(1).copied().unwrap_or(self.width);
            for pixel in black[0]..end {
                self.row[pixel / 8] |= 0x80 >> (pixel % 8);
            }
        }
        self.taken = 0;
    }
}

impl Read for Rows<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.row.len() {
            self.next_row().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        }
        let read = (&self.row[self.taken..]).read(to)?;
        self.taken += read;
        Ok(read)
    }
}

/// Bits from the most significant on; zeros behind the end, so that a last short code is found.
struct Bits<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, bits: u8) -> u16 {
        let value = self.peek(bits).unwrap_or(0);
        self.at += usize::from(bits);
        value
    }
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let first = self.at / 8;
        if first >= self.data.len() {
            return None;
        }
        let byte = |index: usize| u32::from(self.data.get(first + index).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shifted = window >> (24 - self.at % 8 - usize::from(bits));
        u16::try_from(shifted & ((1 << bits) - 1)).ok()
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        u8::try_from(self.at.next_multiple_of(8) - self.at).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight pixels: white 3, black 2, white 3 are the codes 1000, 11, 1000.
    fn rows(data: &[u8], scheme: Scheme, count: usize) -> io::Result<Vec<u8>> {
        let mut rows = vec![0; count];
        Rows::new(Cow::Borrowed(data), scheme, 8).read_exact(&mut rows)?;
        Ok(rows)
    }

    #[test]
    fn rows_begin_at_bytes() {
        let row = [0b1000_1110, 0b0000_0000];
        let data = [row, row].concat();
        assert_eq!(rows(&data, Scheme::Aligned(8), 2).unwrap(), [0b0001_1000; 2]);
    }

    #[test]
    fn rows_stand_behind_ends_of_lines() {
        // Fill to a byte, then the code and a row; six codes in a row end the picture.
        let line = [0b0000_0000, 0b0000_0001, 0b1000_1110, 0b0000_0000];
        let data = [&line[..3], &[0], &line[..3], &[0, 0b0001_0000, 0b0000_0001, 0]].concat();
        let found = rows(&data, Scheme::Group3 { two_dimensional: false }, 3).unwrap();
        assert_eq!(found, [0b0001_1000, 0b0001_1000, 0]);
    }

    #[test]
    fn a_row_may_begin_like_the_end_of_two_dimensional_rows() {
        // White 3 and black 64 are the codes 1000 and 0000001111; then black 0.
        let data = [0, 0b0001_1000, 0b0000_0011, 0b1100_0011, 0b0111_0000];
        let mut rows = [0; 9];
        let scheme = Scheme::Group3 { two_dimensional: false };
        Rows::new(Cow::Borrowed(&data), scheme, 67).read_exact(&mut rows).unwrap();
        assert_eq!(rows, [0x1f, 255, 255, 255, 255, 255, 255, 255, 0b1110_0000]);
    }

    #[test]
    fn a_group_4_row_repeats_the_one_above() {
        // Horizontal 001, white 3, black 2, then vertical 0 to the end; then three vertical 0.
        let data = [0b0011_0001, 0b1111_1000];
        assert_eq!(rows(&data, Scheme::Group4, 2).unwrap(), [0b0001_1000; 2]);
        assert!(rows(&[0b0000_0011], Scheme::Group4, 1).is_err());
    }
}
