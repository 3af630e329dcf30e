//! What a decoder reports about a file before decoding it, and what it returns.

use image::RgbImage;
use image::metadata::Orientation;
use serde::Serialize;

use super::format::Format;
use crate::options::Options;

/// What a file's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The file's format.
    pub format: Format,
    /// Width of the picture as stored, in pixels, before its orientation is applied.
    pub width: u32,
    /// Height as stored.
    pub height: u32,
    /// How the stored picture is to be turned.
    pub orientation: Orientation,
    /// Frames of an animation or pictures of a sequence, of which the first is decoded; else 1.
    pub frames: u32,
    /// Pages of a TIFF, of which [`Request::page`] is decoded; else 1.
    pub pages: u32,
}

impl Header {
    /// The header of a single upright picture.
    #[must_use]
    pub fn new(format: Format, (width, height): (u32, u32)) -> Self {
        let orientation = Orientation::NoTransforms;
        Self { format, width, height, orientation, frames: 1, pages: 1 }
    }

    /// How many pictures the file holds, where it holds several.
    #[must_use]
    pub fn counts(&self) -> PictureCounts {
        let several = |count: u32| (count > 1).then_some(count);
        PictureCounts { pages: several(self.pages), frames: several(self.frames) }
    }

    /// Width × height.
    #[must_use]
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// How many pictures a file holds. A count of 1 is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureCounts {
    /// Pages of a TIFF, of which the one asked for counts; absent where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 2, nullable = false))]
    pub pages: Option<u32>,
    /// Frames of an animation or a sequence, of which the first counts; absent where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 2, nullable = false))]
    pub frames: Option<u32>,
}

/// Which picture of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// The page of a TIFF, from 0. Files of other formats have page 0 alone.
    pub page: u32,
    /// Whether a large JPEG must not be decoded at reduced scale.
    pub full_scale: bool,
}

impl Request {
    /// What `options` choose.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        Self { page: options.page, full_scale: false }
    }

    /// The same picture with every pixel of the file.
    #[must_use]
    pub fn at_full_scale(self) -> Self {
        Self { full_scale: true, ..self }
    }
}

/// How large a picture is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Every pixel of the file.
    Full,
    /// A decoder that can give fewer pixels for less work may do so, as long as neither side, as
    /// stored, becomes shorter than this.
    AtLeast {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// A decoded picture: RGB as stored, and the header that it had.
///
/// It is turned by `header.orientation` only after it was made small ([`crate::fit`]): turning 12
/// megapixels costs more than classifying them.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Pixels as stored in the file, or fewer where the [`Scale`] allowed it; alpha is already over
    /// white.
    pub pixels: RgbImage,
    /// What the file's header says.
    pub header: Header,
}

impl Picture {
    /// Whether a decoder gave fewer pixels than the file has.
    #[must_use]
    pub fn is_reduced(&self) -> bool {
        self.pixels.dimensions() != (self.header.width, self.header.height)
    }
}
