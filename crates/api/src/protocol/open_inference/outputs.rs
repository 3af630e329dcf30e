//! The outputs: which there are, and which a request asks for.

use glimpse_classifier::Task;
use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use crate::extract::bounded::Bounded;
use crate::extract::strict_object::StrictObject;
use crate::problem::Problem;

/// An output, and whether its tensor goes behind the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) output: Output,
    pub(super) binary: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Label,
    Index,
    Score,
    AboveThreshold,
    Pages,
    Frames,
}

impl Output {
    /// Those of a model for this task, with what a request gets that names none first.
    pub(super) fn of(task: Task) -> &'static [Self] {
        use Output::{AboveThreshold, Frames, Index, Label, Pages, Score};
        match task {
            Task::SingleLabel => &[Label, Index, Score, Pages, Frames],
            Task::MultiLabel => &[Label, Index, Score, AboveThreshold, Pages, Frames],
        }
    }

    /// Whether a request gets it that names none.
    fn is_usual(self) -> bool {
        self.width() != 1
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Index => "index",
            Self::Score => "score",
            Self::AboveThreshold => "above_threshold",
            Self::Pages => "pages",
            Self::Frames => "frames",
        }
    }

    pub(super) fn datatype(self) -> &'static str {
        match self {
            Self::Label => "BYTES",
            Self::Index | Self::Pages | Self::Frames => "INT64",
            Self::Score => "FP32",
            Self::AboveThreshold => "BOOL",
        }
    }

    /// Its data type in a model's configuration.
    pub(super) fn config_type(self) -> &'static str {
        match self {
            Self::Label => "TYPE_STRING",
            Self::Index | Self::Pages | Self::Frames => "TYPE_INT64",
            Self::Score => "TYPE_FP32",
            Self::AboveThreshold => "TYPE_BOOL",
        }
    }

    /// Values per picture: one, or -1 for as many as `top_k` says.
    pub(super) fn width(self) -> i64 {
        match self {
            Self::Label | Self::Index | Self::Score | Self::AboveThreshold => -1,
            Self::Pages | Self::Frames => 1,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with name")]
#[schema(as = InferenceRequestedOutput)]
pub(super) struct RequestedOutput {
    /// label, index, score, pages or frames; `above_threshold` of a multi-label model.
    name: String,
    #[schema(value_type = Option<OutputParameters>)]
    parameters: Option<StrictObject<OutputParameters>>,
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(expecting = "an object")]
#[schema(as = InferenceRequestedOutputParameters)]
struct OutputParameters {
    /// Whether this output goes behind the JSON.
    binary_data: Option<bool>,
    #[schema(ignore)]
    classification: Option<IgnoredAny>,
    #[schema(ignore)]
    shared_memory_region: Option<IgnoredAny>,
}

/// The outputs that are asked for, in that order, or the usual ones.
pub(super) fn wanted(
    asked: Option<Bounded<StrictObject<RequestedOutput>>>,
    binary_by_default: bool,
    task: Task,
) -> Result<Vec<Wanted>, Problem> {
    let all = Output::of(task);
    let unknown = || {
        let names: Vec<&str> = all.iter().map(|output| output.name()).collect();
        invalid(&format!("outputs: expected {}, each once at most", names.join(", ")))
    };
    let usual = |output| Wanted { output, binary: binary_by_default };
    let asked = asked.map_or(Some(Vec::new()), |asked| asked.at_most(all.len()));
    let asked = asked.ok_or_else(unknown)?;
    if asked.is_empty() {
        return Ok(all.iter().copied().filter(|output| output.is_usual()).map(usual).collect());
    }
    let mut outputs: Vec<Wanted> = Vec::new();
    for StrictObject(asked) in asked {
        let named = all.iter().copied().find(|output| output.name() == asked.name);
        let output = named.ok_or_else(unknown)?;
        if outputs.iter().any(|wanted| wanted.output == output) {
            return Err(unknown());
        }
        let parameters = asked.parameters.map(|StrictObject(given)| given).unwrap_or_default();
        if parameters.classification.is_some() {
            return Err(invalid(
                "outputs: classification is not offered; the outputs are ranked, and parameters.top_k says how many",
            ));
        }
        if parameters.shared_memory_region.is_some() {
            return Err(invalid(SHARED_MEMORY));
        }
        outputs
            .push(Wanted { output, binary: parameters.binary_data.unwrap_or(binary_by_default) });
    }
    Ok(outputs)
}

pub(super) const SHARED_MEMORY: &str =
    "shared memory is not offered; send the tensor with the request";

pub(super) fn invalid(message: &str) -> Problem {
    Problem::InvalidParameter(message.to_owned())
}
