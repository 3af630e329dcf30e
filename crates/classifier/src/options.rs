//! What a caller may choose.

/// How one classification is ranked, and what it gives besides labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The page of a TIFF, from 0; files of other formats have page 0 alone.
    pub page: u32,
    /// How many predictions to give, best first.
    pub top_k: usize,
    /// Predictions with a lower score are left out.
    pub min_score: f32,
    /// With a best score lower than this, no label is given: [`crate::Prediction::abstained`].
    pub abstain_below: f32,
    /// Labels to explain; the model must have class maps ([`crate::Classifier::explains`]).
    pub explain: Option<Explain>,
    /// Whether to give the pooled features; the model must have them
    /// ([`crate::Classifier::embedding_dimension`]).
    pub embedding: bool,
    /// Whether to give the energy score ([`crate::energy`], [`crate::joint_energy`]).
    pub energy: bool,
}

impl Default for Options {
    /// The five best labels of the first page, however unlikely, and nothing else.
    fn default() -> Self {
        Self {
            page: 0,
            top_k: 5,
            min_score: 0.0,
            abstain_below: 0.0,
            explain: None,
            embedding: false,
            energy: false,
        }
    }
}

/// Which labels to explain, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explain {
    /// Classes among the `top_k` best of the picture; empty for the best one.
    pub classes: Vec<Class>,
    /// Whether to lay each map over the picture as well.
    pub overlay: bool,
}

/// One class, named in either way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Line number in `labels.txt`, from 0.
    Index(usize),
    /// As in `labels.txt`; where two classes share it, the better one.
    Label(String),
}
