//! Reading and decoding within the budget, for the verbs that work on files.

use std::time::Duration;

use glimpse_budget::{Admission, Client, OverBudget, Permit, Share, Work};
use glimpse_classifier::{Classifier, ClassifyError, Prepared, Request};

/// Reading takes no processor.
const READERS: usize = 1 << 16;

/// The budget of a process whose model is loaded.
pub fn admission(memory_budget: Option<u64>) -> Admission {
    Admission::new(Share::now(memory_budget).pictures)
}

/// Memory for the bytes of files that are read side by side; cloning shares it.
#[derive(Clone)]
pub struct Files(Admission);

impl Files {
    /// Of a process whose model is loaded.
    pub fn new(memory_budget: Option<u64>) -> Self {
        Self(Admission::on(READERS, Share::now(memory_budget).bodies))
    }

    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Wait for the memory of a file, on a thread that may block.
    ///
    /// # Errors
    /// When it is larger than all of it.
    pub fn enter_blocking(&self, bytes: u64) -> Result<Permit, OverBudget> {
        self.0.enter_blocking(reading(bytes))
    }

    /// The same for a task.
    ///
    /// # Errors
    /// As [`Files::enter_blocking`].
    pub async fn enter(&self, bytes: u64) -> Result<Permit, OverBudget> {
        self.0.enter(reading(bytes)).await
    }
}

fn reading(bytes: u64) -> Work {
    Work { client: Client::Own, bytes, time: Duration::ZERO, sent_bytes: bytes }
}

/// Decode a picture once there is memory and a processor for it.
///
/// # Errors
/// When the picture is refused or broken, or needs more than the whole budget.
pub fn prepare(
    model: &Classifier,
    admission: &Admission,
    (encoded, request): (&[u8], Request),
) -> Result<Prepared, ClassifyError> {
    let (_, cost) = model.announced(encoded, request)?;
    let sent_bytes = encoded.len() as u64;
    let work = Work { client: Client::Own, bytes: cost.peak_bytes, time: cost.time, sent_bytes };
    let permit = admission.enter_blocking(work);
    let _permit = permit.map_err(|over| ClassifyError::TooMuchMemory { limit: over.budget })?;
    model.prepare_page(encoded, request)
}
