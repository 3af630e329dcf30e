//! What a graph's input expects, and how a picture gets there: geometry as data.

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::BundleError;

/// Input sides beyond this are a mistake in the file, not a model.
pub(super) const MAX_SIDE: u32 = 4096;

/// The shape of the graph's input `image`, uint8 `[N, height, width, 3]`, and how to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InputSpec {
    /// Pixels.
    pub height: u32,
    /// Pixels.
    pub width: u32,
    /// Always 3, RGB; what a network of grey pictures needs is inside its graph.
    #[serde(default = "rgb")]
    pub channels: u32,
    /// How a picture is resized.
    pub resize: Resize,
    /// What is kept of the resized picture.
    #[serde(default)]
    pub crop: Crop,
}

/// How a picture is resized before it is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resize {
    /// What happens to the ratio of the sides.
    pub mode: ResizeMode,
    /// The size that `mode` resizes to.
    pub size: Size,
    /// The resampling filter.
    #[serde(default)]
    pub filter: Filter,
    /// Whether the filter widens when a picture shrinks, as Pillow's do. Without it, pixels are
    /// interpolated as `torch` and `tensorflow` do by default.
    #[serde(default = "yes")]
    pub antialias: bool,
    /// RGB levels beside a picture that `letterbox` has fitted; black where absent.
    #[serde(default, deserialize_with = "levels", skip_serializing_if = "Option::is_none")]
    pub fill: Option<[u8; 3]>,
}

/// What happens to the ratio of the sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// The shorter side becomes `size`, the ratio stays: torchvision's `Resize(size)`.
    ShorterSide,
    /// Both sides become `size`, whatever they were: torchvision's `Resize((size, size))`.
    Squash,
    /// The whole picture is fitted into `size` and what is left is filled: Pillow's `ImageOps.pad`.
    Letterbox,
}

/// One number for a square or for the shorter side, else `[height, width]`; pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Size {
    /// The side of a square, or the shorter side.
    Side(u32),
    /// Height and width.
    Sides([u32; 2]),
}

impl Size {
    /// Height and width.
    #[must_use]
    pub fn sides(self) -> [u32; 2] {
        match self {
            Self::Side(side) => [side, side],
            Self::Sides(sides) => sides,
        }
    }
}

/// The resampling filter, by Pillow's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Linear in both directions.
    #[default]
    Bilinear,
    /// Keys' cubic with a = −0.5, and with a = −0.75 without antialiasing, as `torch` has it.
    Bicubic,
    /// Windowed sinc over three pixels on each side; only with antialiasing.
    Lanczos,
    /// The nearest pixel; never antialiased.
    Nearest,
}

/// What is kept of the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// Its centre at the input size: torchvision's `CenterCrop`, which rounds halves to even.
    #[default]
    Center,
    /// The same, but that half a pixel is rounded down, as Hugging Face's processors do.
    CenterFloor,
    /// All of it; `resize` gives the input size.
    None,
}

fn rgb() -> u32 {
    3
}

fn yes() -> bool {
    true
}

/// Three levels, or an error that names the field.
fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 3]>, D::Error> {
    let given: serde_json::Value = Deserialize::deserialize(deserializer)?;
    let wrong = |_| serde::de::Error::custom("input.resize.fill must be three levels of 0 to 255");
    serde_json::from_value(given).map_err(wrong)
}

impl InputSpec {
    /// torchvision's evaluation transform: the shorter side resized to `size` with antialiased
    /// bilinear, the centre cropped.
    #[must_use]
    pub const fn centre_of(height: u32, width: u32, size: u32) -> Self {
        let resize = Resize {
            mode: ResizeMode::ShorterSide,
            size: Size::Side(size),
            filter: Filter::Bilinear,
            antialias: true,
            fill: None,
        };
        Self { height, width, channels: 3, resize, crop: Crop::Center }
    }

    /// Bytes of one picture at the input size.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.height as usize * self.width as usize * 3
    }

    /// Refuse what contradicts itself, by the name of the field.
    pub(super) fn validate(&self) -> Result<(), BundleError> {
        let Self { height, width, channels, resize, crop } = *self;
        let refuse =
            |field, found: String, reason| Err(BundleError::Input { field, found, reason });
        let [tall, wide] = resize.size.sides();
        let possible = |side| (1..=MAX_SIDE).contains(&side);
        if !possible(height) || !possible(width) {
            return refuse("height and width", format!("{height}, {width}"), "1 to 4096 pixels");
        }
        if !possible(tall) || !possible(wide) {
            return refuse("resize.size", format!("{tall}, {wide}"), "1 to 4096 pixels");
        }
        if channels != 3 {
            return refuse("channels", channels.to_string(), "3: the graph takes RGB");
        }
        let shorter_side = resize.mode == ResizeMode::ShorterSide;
        if shorter_side && matches!(resize.size, Size::Sides(_)) {
            let reason = "one number in the mode shorter-side";
            return refuse("resize.size", format!("{tall}, {wide}"), reason);
        }
        if shorter_side && crop == Crop::None {
            let reason = "center in the mode shorter-side, which keeps the ratio of the sides";
            return refuse("crop", "none".to_owned(), reason);
        }
        if crop == Crop::None && (tall, wide) != (height, width) {
            let reason = "the input's height and width where crop is none";
            return refuse("resize.size", format!("{tall}, {wide}"), reason);
        }
        let covered =
            if shorter_side { tall >= height.max(width) } else { tall >= height && wide >= width };
        if !covered {
            let reason = "at least the input's sides, which are cropped from it";
            return refuse("resize.size", format!("{tall}, {wide}"), reason);
        }
        if resize.fill.is_some() && resize.mode != ResizeMode::Letterbox {
            let reason = "no entry but in the mode letterbox, the only one that fills";
            return refuse("resize.fill", format!("{:?}", resize.fill.unwrap_or_default()), reason);
        }
        if resize.filter == Filter::Lanczos && !resize.antialias {
            let reason = "true with the filter lanczos, which has no other form";
            return refuse("resize.antialias", "false".to_owned(), reason);
        }
        Ok(())
    }
}
