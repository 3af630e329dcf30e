//! An explanation in an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

/// A label's class activation map `[height, width]`, row-major, over the model's input: the centre
/// crop of the picture.
#[derive(Serialize, ToSchema)]
pub(super) struct Explanation {
    label: String,
    index: usize,
    width: usize,
    height: usize,
    /// 0…1: `(exact − minimum) / (maximum − minimum)`; 0 everywhere where the map is flat.
    values: Vec<f32>,
    /// The lowest exact value.
    minimum: f32,
    /// The highest exact value. The mean of `minimum + value × (maximum − minimum)` is `logit`, but
    /// for the rounding of a quantized model.
    maximum: f32,
    /// The label's logit, before the temperature.
    logit: f32,
    /// A `data:` URL of a PNG: the picture as the model saw it, with the map laid over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
}

impl From<glimpse_classifier::Explanation> for Explanation {
    fn from(given: glimpse_classifier::Explanation) -> Self {
        let glimpse_classifier::Explanation { label, index, logit, map, overlay } = given;
        Self {
            label,
            index,
            width: map.width(),
            height: map.height(),
            values: map.scaled(),
            minimum: map.minimum(),
            maximum: map.maximum(),
            logit,
            overlay: overlay.map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png))),
        }
    }
}
