//! Pictures whose label is too close to call at reduced scale.

use std::sync::Arc;

use bytes::Bytes;
use glimpse_classifier::{Classifier, ClassifyError, Options, Prediction, Request};

use super::batching::run_alone;
use super::log_failure;
use crate::caller::Caller;
use crate::state::ApiState;

/// `result`, or where it is close that of the picture at full scale, which waits for its own memory and
/// processor. The first one stands where the budget or the time does not allow another.
pub(super) async fn checked(
    state: &ApiState,
    model: &Arc<Classifier>,
    (picture, options): (Bytes, Options),
    caller: &Caller,
    result: Result<Prediction, ClassifyError>,
) -> Result<Prediction, ClassifyError> {
    let mut result = result?;
    if !result.is_close {
        return Ok(result);
    }
    let asked = (picture, Request::of(&options).at_full_scale(), options);
    let full = caller.in_time(run_alone(state, model, asked, caller)).await.and_then(Result::ok);
    let full = full.and_then(|full| full.inspect_err(log_failure).ok());
    result.replace_by(full);
    Ok(result)
}
