//! The answer for one picture.

use std::time::Duration;

use crate::decode::{Header, PictureCounts};
use crate::explain::Explanations;
use crate::rank::Ranked;

/// The answer for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The argmax, whatever the options.
    pub top: Ranked,
    /// Whether `top` is under `abstain_below`: then it should not be taken for the label.
    pub abstained: bool,
    /// The `top_k` best, best first, less those under `min_score`.
    pub predictions: Vec<Ranked>,
    /// Of a multi-label model, every label whose score reaches its threshold, best first, possibly
    /// none, whatever the options; `None` where a picture has one label.
    pub labels: Option<Vec<Ranked>>,
    /// Where [`Options::explain`](crate::Options::explain) asked for them.
    pub explanations: Option<Explanations>,
    /// The pooled features, of length 1 (L2), where asked for.
    pub embedding: Option<Vec<f32>>,
    /// [`crate::energy`] of the logits, or [`crate::joint_energy`] of a multi-label model, where
    /// asked for.
    pub energy: Option<f32>,
    /// What the file's header says, with its frames and pages; `None` for pixels without a file.
    pub header: Option<Header>,
    /// Whether the picture was decoded at reduced scale, where its label is too close to another one:
    /// at full scale it may be the other ([`CLOSE`](crate::CLOSE)).
    pub is_close: bool,
    /// Whether it was decoded at both scales; the answer is that of full scale.
    pub decoded_again: bool,
    /// Whether the CPU provider gave this answer where another provider runs the model, because the
    /// label was close ([`CLOSE_BY_PROVIDER`](crate::CLOSE_BY_PROVIDER)).
    pub decided_by_cpu: bool,
    /// Where the time went, in all.
    pub timing: Timing,
}

impl Prediction {
    /// Put the answer at full scale in place of this one, with the time of both; without it, this one
    /// stands.
    pub fn replace_by(&mut self, full: Option<Self>) {
        if let Some(full) = full {
            let timing = self.timing.and(full.timing);
            *self = Self { decoded_again: true, timing, ..full };
        }
    }

    /// How many pictures the file holds, where it holds several.
    #[must_use]
    pub fn counts(&self) -> PictureCounts {
        self.header.as_ref().map(Header::counts).unwrap_or_default()
    }
}

/// Wall-clock time of the stages. In a batch, `infer` is the picture's share of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Bytes to RGB.
    pub decode: Duration,
    /// RGB to the graph's input.
    pub preprocess: Duration,
    /// Running the session.
    pub infer: Duration,
}

impl Timing {
    /// Both together.
    fn and(self, other: Self) -> Self {
        Self {
            decode: self.decode + other.decode,
            preprocess: self.preprocess + other.preprocess,
            infer: self.infer + other.infer,
        }
    }
}
