//! Decoding within the budget, for the verbs that work on files.

use glimpse_budget::{Admission, Client, Share, Work};
use glimpse_classifier::{Classifier, ClassifyError, Prepared, Request};

/// The budget of a process whose model is loaded.
pub fn admission(memory_budget: Option<u64>) -> Admission {
    Admission::new(Share::now(memory_budget).pictures)
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
