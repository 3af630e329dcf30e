//! The metrics: their names, units and what adds to them, in one place.
//!
//! Durations are in milliseconds, as the names say.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::millis::ms;

/// Requests or invocations that started a process: one per process.
pub const COLD_START: &str = "ColdStart";
/// From the start of a load until the model was ready.
pub const MODEL_LOAD_MS: &str = "ModelLoadMs";
/// Loads that failed, of a changed model too.
pub const MODEL_LOAD_FAILURES: &str = "ModelLoadFailures";
/// From encoded bytes to RGB.
pub const DECODE_MS: &str = "DecodeMs";
/// From RGB to the model's input.
pub const PREPROCESS_MS: &str = "PreprocessMs";
/// Running the session; in a batch, the picture's share.
pub const INFER_MS: &str = "InferMs";
/// A whole request or invocation.
pub const REQUEST_MS: &str = "RequestMs";
/// Pictures that got a label.
pub const PREDICTIONS: &str = "Predictions";
/// Pictures that were decoded at reduced scale and again at full scale, because their label was close.
pub const DECODED_AGAIN: &str = "DecodedAgain";
/// Pictures whose close label the CPU provider decided where another provider runs the model.
pub const DECIDED_BY_CPU: &str = "DecidedByCpu";
/// Requests and pictures that got an error instead, by [`CODE`].
pub const ERRORS: &str = "Errors";
/// The label of [`ERRORS`]: the error's stable code.
pub const CODE: &str = "Code";

static AFTER_PREDICTION: OnceLock<fn()> = OnceLock::new();

/// Call `recorded` after each prediction from now on: for a recorder that holds a limited number of
/// values. The first call wins.
pub(crate) fn after_prediction(recorded: fn()) {
    let _ = AFTER_PREDICTION.set(recorded);
}

/// Describe the units and meanings to the recorder that is installed.
pub fn describe() {
    describe_counter!(COLD_START, Unit::Count, "Requests that started a process");
    describe_histogram!(MODEL_LOAD_MS, Unit::Milliseconds, "From the start of a load to ready");
    describe_counter!(MODEL_LOAD_FAILURES, Unit::Count, "Loads of the model that failed");
    describe_histogram!(DECODE_MS, Unit::Milliseconds, "From encoded bytes to RGB");
    describe_histogram!(PREPROCESS_MS, Unit::Milliseconds, "From RGB to the model's input");
    describe_histogram!(INFER_MS, Unit::Milliseconds, "Running the session");
    describe_histogram!(REQUEST_MS, Unit::Milliseconds, "A whole request");
    describe_counter!(PREDICTIONS, Unit::Count, "Pictures that got a label");
    describe_counter!(DECODED_AGAIN, Unit::Count, "Pictures that were decoded at both scales");
    describe_counter!(DECIDED_BY_CPU, Unit::Count, "Pictures that the CPU provider decided");
    describe_counter!(ERRORS, Unit::Count, "Requests and pictures that got an error, by code");
}

/// The process was started for this request.
pub fn cold_start() {
    counter!(COLD_START).increment(1);
}

/// The model was loaded.
pub fn model_loaded(took: Duration) {
    histogram!(MODEL_LOAD_MS).record(ms(took));
}

/// The model could not be loaded.
pub fn model_load_failed() {
    counter!(MODEL_LOAD_FAILURES).increment(1);
}

/// A picture got a label.
pub fn prediction(decode: Duration, preprocess: Duration, infer: Duration) {
    histogram!(DECODE_MS).record(ms(decode));
    histogram!(PREPROCESS_MS).record(ms(preprocess));
    histogram!(INFER_MS).record(ms(infer));
    counter!(PREDICTIONS).increment(1);
    if let Some(recorded) = AFTER_PREDICTION.get() {
        recorded();
    }
}

/// A picture that got a label was decoded at both scales.
pub fn decoded_again() {
    counter!(DECODED_AGAIN).increment(1);
}

/// The CPU provider decided a picture's label where another provider runs the model.
pub fn decided_by_cpu() {
    counter!(DECIDED_BY_CPU).increment(1);
}

/// A request or a picture got an error.
pub fn error(code: &'static str) {
    counter!(ERRORS, CODE => code).increment(1);
}

/// A request or an invocation ended.
pub fn request(took: Duration) {
    histogram!(REQUEST_MS).record(ms(took));
}
