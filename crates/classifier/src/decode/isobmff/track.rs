//! The first picture of a sequence: the first sample of a track.

use super::items::top_level;
use super::{Code, Fault, Reader};

/// A coded picture of a track.
pub(in crate::decode) struct Sample<'a> {
    /// The type of its sample entry: its codec.
    pub(in crate::decode) code: Code,
    /// The boxes of its sample entry: the codec's configuration, colour, crop.
    pub(in crate::decode) entry: Reader<'a>,
    /// Width and height that the sample entry gives.
    pub(in crate::decode) size: (u32, u32),
    pub(in crate::decode) data: &'a [u8],
    /// How many pictures the track has.
    pub(in crate::decode) count: u32,
}

/// The first sample of the file's first track of pictures; `None` where there is no such track.
pub(in crate::decode) fn first_sample(file: &[u8]) -> Result<Option<Sample<'_>>, Fault> {
    let Some(movie) = top_level(file, *b"moov") else { return Ok(None) };
    for found in movie.boxes() {
        let found = found?;
        if &found.code != b"trak" {
            continue;
        }
        let media = found.content.boxes().need(*b"mdia")?;
        let mut handler = media.boxes().need(*b"hdlr")?;
        handler.take(8)?;
        if matches!(&handler.code()?, b"pict" | b"vide") {
            let table = media.boxes().need(*b"minf")?.boxes().need(*b"stbl")?;
            return sample(file, table).map(Some);
        }
    }
    Ok(None)
}

fn sample<'a>(file: &'a [u8], table: Reader<'a>) -> Result<Sample<'a>, Fault> {
    let mut entries = table.boxes().need(*b"stsd")?;
    entries.take(8)?; // version, flags, count
    let entry = entries.boxes().next().ok_or(Fault::Corrupt)??;
    let code = entry.code;
    let mut entry = entry.content;
    entry.take(24)?; // reserved, data reference, pre-defined
    let size = (u32::from(entry.u16()?), u32::from(entry.u16()?));
    entry.take(50)?; // resolution, frame count, compressor's name, depth, pre-defined

    let mut sizes = table.boxes().need(*b"stsz")?;
    sizes.version_and_flags()?;
    let (common, count) = (sizes.u32()?, sizes.u32()?);
    let length = if common == 0 { sizes.u32()? } else { common };

    let offset = match table.boxes().find(*b"stco")? {
        Some(mut offsets) => {
            offsets.take(8)?;
            u64::from(offsets.u32()?)
        }
        None => {
            let mut offsets = table.boxes().need(*b"co64")?;
            offsets.take(8)?;
            offsets.u64()?
        }
    };
    let start = usize::try_from(offset).map_err(|_| Fault::Corrupt)?;
    let end = start.checked_add(length as usize).ok_or(Fault::Corrupt)?;
    let data = file.get(start..end).filter(|data| !data.is_empty()).ok_or(Fault::Corrupt)?;
    Ok(Sample { code, entry, size, data, count })
}
