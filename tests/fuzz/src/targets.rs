//! What is fuzzed, and what must hold for any bytes: no crash, bounded memory, bounded time.

use std::time::{Duration, Instant};

use glimpse_classifier::Format;

use crate::{decoders, events, requests};

/// Longer than any input of a target may take, on a busy machine, with counters.
const MAX_TIME: Duration = Duration::from_secs(5);

pub enum Target {
    Decoder(Format),
    Other(fn(&[u8])),
}

/// Beside the decoders, which are named after their formats.
const OTHERS: [(&str, fn(&[u8])); 10] = [
    ("bundle", decoders::bundle),
    ("predict", requests::predict),
    ("predict-json", requests::predict_json),
    ("multipart", requests::multipart),
    ("form", requests::form),
    ("tensorflow-serving", requests::tensorflow_serving),
    ("open-inference", requests::open_inference),
    ("base64", requests::base64),
    ("s3-event", events::of_s3),
    ("http-event", events::of_http),
];

impl Target {
    pub fn named(name: &str) -> Option<Self> {
        let other = OTHERS.iter().find(|(of, _)| *of == name).map(|(_, read)| Self::Other(*read));
        other.or_else(|| name.parse().ok().map(Self::Decoder))
    }

    pub fn try_on(&self, data: &[u8]) {
        let start = Instant::now();
        match self {
            Self::Decoder(format) => decoders::picture(*format, data),
            Self::Other(read) => read(data),
        }
        let took = start.elapsed();
        assert!(took < MAX_TIME, "{took:?} for {} bytes", data.len());
    }
}
