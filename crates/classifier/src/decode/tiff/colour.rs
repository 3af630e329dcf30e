//! Rows of 8-bit samples to RGB: TIFF 6.0, sections 4 to 6, 16, 18 and 21.

use super::compression::Compression;
use super::samples::{Kind, Samples};
use super::{broken, tag, unsupported};
use crate::decode::ifd::Directory;
use crate::decode::rgb::over_white;
use crate::error::ClassifyError;

/// What the samples of a pixel mean.
pub(super) enum Colour {
    /// `inverted`: 0 is white.
    Grey {
        inverted: bool,
    },
    Rgb,
    /// A colour for each index.
    Palette(Vec<[u8; 3]>),
    Cmyk,
    Ycbcr(Box<Ycbcr>),
}

/// What the sample behind the colours means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alpha {
    Opaque,
    /// Colours are multiplied by it already.
    Associated,
    Unassociated,
}

impl Colour {
    /// Samples of a pixel, without alpha.
    pub(super) fn channels(&self) -> usize {
        match self {
            Self::Grey { .. } | Self::Palette(_) => 1,
            Self::Rgb | Self::Ycbcr(_) => 3,
            Self::Cmyk => 4,
        }
    }

    /// Write a row of pixels of `samples` samples each as RGB.
    pub(super) fn write_row(&self, row: &[u8], samples: usize, alpha: Alpha, out: &mut [u8]) {
        for (to, from) in out.chunks_exact_mut(3).zip(row.chunks_exact(samples)) {
            let colour = self.rgb(from);
            let opacity = from.get(self.channels()).copied().unwrap_or(u8::MAX);
            to.copy_from_slice(&match alpha {
                Alpha::Opaque => colour,
                Alpha::Unassociated => colour.map(|channel| over_white(channel, opacity)),
                Alpha::Associated => {
                    colour.map(|channel| channel.saturating_add(u8::MAX - opacity))
                }
            });
        }
    }

    fn rgb(&self, from: &[u8]) -> [u8; 3] {
        match self {
            Self::Grey { inverted: false } => [from[0]; 3],
            Self::Grey { inverted: true } => [u8::MAX - from[0]; 3],
            Self::Rgb => [from[0], from[1], from[2]],
            Self::Palette(colours) => shade(colours, u64::from(from[0])),
            Self::Cmyk => {
                let light = u8::MAX - from[3];
                [0, 1, 2].map(|ink| light - over_black(from[ink], light))
            }
            Self::Ycbcr(tables) => tables.rgb(from[0], from[1], from[2]),
        }
    }
}

/// The colour of an index; black beyond the palette.
pub(super) fn shade(colours: &[[u8; 3]], index: u64) -> [u8; 3] {
    let colour = usize::try_from(index).ok().and_then(|index| colours.get(index));
    colour.copied().unwrap_or([0; 3])
}

/// `channel × part / 255`, rounded to nearest.
fn over_black(channel: u8, part: u8) -> u8 {
    u8::try_from((u32::from(channel) * u32::from(part) + 127) / 255).unwrap_or(u8::MAX)
}

/// A `ColorMap`: all reds, then greens, then blues, of 16 bits; some writers mean 8.
pub(super) fn palette(map: &[u64]) -> Vec<[u8; 3]> {
    let size = map.len() / 3;
    let narrow = map.iter().all(|value| *value < 256);
    let channel =
        |value: u64| u8::try_from(if narrow { value } else { value >> 8 }).unwrap_or(u8::MAX);
    (0..size).map(|at| [0, 1, 2].map(|colour| channel(map[colour * size + at]))).collect()
}

/// What the samples mean: the file's word, or what libtiff takes where it says nothing.
pub(super) fn read(
    directory: &Directory<'_>,
    samples: Samples,
    compression: Compression,
    channels: usize,
) -> Result<Colour, ClassifyError> {
    if compression == Compression::OldJpeg {
        // Some writers state RGB; the samples are YCbCr all the same.
        return match channels {
            1 => Ok(Colour::Grey { inverted: false }),
            3 => Ok(Colour::Ycbcr(Box::new(Ycbcr::new(directory)))),
            _ => Err(unsupported("this number of samples in old-style JPEG")),
        };
    }
    let stated = match directory.contains(tag::PHOTOMETRIC_INTERPRETATION) {
        true => directory.number(tag::PHOTOMETRIC_INTERPRETATION),
        false => match channels {
            1 if matches!(compression, Compression::Fax(_)) => Some(0),
            1 => Some(1),
            3 => Some(2),
            4 if directory.contains(tag::INK_SET) => Some(5),
            _ => return Err(unsupported("a picture without a stated colour space")),
        },
    };
    Ok(match stated {
        Some(0) => Colour::Grey { inverted: true },
        Some(1) => Colour::Grey { inverted: false },
        Some(2) => Colour::Rgb,
        Some(3) if samples.bits > 16 || samples.kind != Kind::Unsigned => {
            return Err(unsupported("a palette of more than 65,536 colours"));
        }
        Some(3) => {
            let map = directory.numbers(tag::COLOR_MAP).ok_or(broken())?;
            Colour::Palette(palette(&map))
        }
        Some(4) => return Err(unsupported("a transparency mask as picture")),
        Some(5) if directory.number(tag::INK_SET).unwrap_or(1) != 1 => {
            return Err(unsupported("inks other than CMYK"));
        }
        Some(5) => Colour::Cmyk,
        Some(6) => Colour::Ycbcr(Box::new(Ycbcr::new(directory))),
        Some(8..=10) => return Err(unsupported("the colour space CIE L*a*b*")),
        Some(32803 | 34892) => return Err(unsupported("raw camera data")),
        Some(32844 | 32845) => return Err(unsupported("the colour space LogLuv")),
        _ => return Err(unsupported("an unknown colour space")),
    })
}

/// The first extra sample decides; RGB with four samples and no word about the fourth has alpha.
pub(super) fn alpha(directory: &Directory<'_>, colour: &Colour, channels: usize) -> Alpha {
    if channels == colour.channels() || matches!(colour, Colour::Palette(_)) {
        return Alpha::Opaque;
    }
    let first = directory.numbers(tag::EXTRA_SAMPLES).and_then(|kinds| kinds.first().copied());
    match (first, colour) {
        (Some(1), _) => Alpha::Associated,
        (Some(2), _) => Alpha::Unassociated,
        (None | Some(3..), Colour::Rgb) if channels == 4 => Alpha::Unassociated,
        _ => Alpha::Opaque,
    }
}

/// libtiff's integer tables (`TIFFYCbCrToRGBInit`), so that pixels are the same.
pub(super) struct Ycbcr {
    y: [i32; 256],
    cr_to_red: [i32; 256],
    cb_to_blue: [i32; 256],
    cr_to_green: [i32; 256],
    cb_to_green: [i32; 256],
}

const COEFFICIENTS: u16 = 529;
const REFERENCE_BLACK_WHITE: u16 = 532;

impl Ycbcr {
    #[allow(clippy::cast_possible_truncation)] // As libtiff computes; values are clamped before.
    pub(super) fn new(directory: &Directory<'_>) -> Self {
        let numbers = |tag, otherwise: &[f64]| {
            let found = directory.fractions(tag).filter(|found| found.len() == otherwise.len());
            found
                .filter(|found| found.iter().all(|value| value.is_finite()))
                .unwrap_or_else(|| otherwise.to_vec())
                .into_iter()
                .map(|value| value as f32)
                .collect::<Vec<f32>>()
        };
        let luma = numbers(COEFFICIENTS, &[0.299, 0.587, 0.114]);
        let range = numbers(REFERENCE_BLACK_WHITE, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        let fixed = |value: f32| (f64::from(value.clamp(0.0, 2.0)) * 65_536.0 + 0.5) as i32;
        let (red, blue) = (2.0 - 2.0 * luma[0], 2.0 - 2.0 * luma[2]);
        let green =
            |part: f32, whole: f32| if luma[1] == 0.0 { 0.0 } else { part * whole / luma[1] };
        let factors =
            [fixed(red), -fixed(green(luma[0], red)), fixed(blue), -fixed(green(luma[2], blue))];
        let coded = |code: i32, black: f32, white: f32, most: f32| {
            let width = if white - black == 0.0 { 1.0 } else { white - black };
            let value = (code - black as i32) as f32 * most / width;
            value.clamp(-4096.0, 4096.0) as i32
        };
        let table = |value: &dyn Fn(i32) -> i32| {
            let mut table = [0; 256];
            for (code, entry) in (0..256).zip(&mut table) {
                *entry = value(code);
            }
            table
        };
        let cr = |code: i32| coded(code - 128, range[4] - 128.0, range[5] - 128.0, 127.0);
        let cb = |code: i32| coded(code - 128, range[2] - 128.0, range[3] - 128.0, 127.0);
        let half = 1 << 15;
        Self {
            y: table(&|code| coded(code, range[0], range[1], 255.0)),
            cr_to_red: table(&|code| (factors[0] * cr(code) + half) >> 16),
            cb_to_blue: table(&|code| (factors[2] * cb(code) + half) >> 16),
            cr_to_green: table(&|code| factors[1] * cr(code)),
            cb_to_green: table(&|code| factors[3] * cb(code) + half),
        }
    }

    fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let [y, cb, cr] = [y, cb, cr].map(usize::from);
        let light = self.y[y];
        let green = (self.cb_to_green[cb] + self.cr_to_green[cr]) >> 16;
        [self.cr_to_red[cr], green, self.cb_to_blue[cb]]
            .map(|part| u8::try_from((light + part).clamp(0, 255)).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(colour: &Colour, row: &[u8], samples: usize, alpha: Alpha) -> [u8; 3] {
        let mut out = [0; 3];
        colour.write_row(row, samples, alpha, &mut out);
        out
    }

    #[test]
    fn both_kinds_of_alpha_agree() {
        let unassociated = row(&Colour::Rgb, &[200, 100, 0, 128], 4, Alpha::Unassociated);
        let associated = row(&Colour::Rgb, &[100, 50, 0, 128], 4, Alpha::Associated);
        assert_eq!((unassociated, associated), ([227, 177, 127], [227, 177, 127]));
        assert_eq!(row(&Colour::Rgb, &[200, 100, 0, 128], 4, Alpha::Opaque), [200, 100, 0]);
    }

    #[test]
    fn inks_and_palettes_become_rgb() {
        assert_eq!(row(&Colour::Cmyk, &[0, 255, 128, 0], 4, Alpha::Opaque), [255, 0, 127]);
        assert_eq!(row(&Colour::Cmyk, &[0, 0, 0, 255], 4, Alpha::Opaque), [0, 0, 0]);
        let colours = palette(&[0, 0xffff, 0, 0x8000, 0, 0x0101]);
        assert_eq!(colours, [[0, 0, 0], [255, 128, 1]]);
        assert_eq!(palette(&[0, 255, 0, 128, 0, 1])[1], [255, 128, 1]);
        assert_eq!(row(&Colour::Palette(colours), &[7], 1, Alpha::Opaque), [0, 0, 0]);
        assert_eq!(row(&Colour::Grey { inverted: true }, &[255], 1, Alpha::Opaque), [0, 0, 0]);
    }
}
