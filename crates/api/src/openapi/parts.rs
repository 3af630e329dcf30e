//! What many operations share: bodies, parameters and problems.

use serde_json::{Map, Value, json};

/// A picture of one pixel, for examples.
pub(super) const PIXEL: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg",
    "gg=="
);

/// Every status of a problem, and its codes.
pub(super) const PROBLEMS: [(u16, &[&str]); 10] = [
    (
        400,
        &[
            "invalid_json",
            "missing_image",
            "invalid_base64",
            "invalid_parameter",
            "incomplete_body",
        ],
    ),
    (401, &["unauthorized"]),
    (404, &["not_found"]),
    (405, &["method_not_allowed"]),
    (408, &["slow_body"]),
    (413, &["payload_too_large", "image_too_large", "batch_too_large"]),
    (415, &["unsupported_media_type", "unsupported_image_format"]),
    (422, &["corrupt_image"]),
    (500, &["internal"]),
    (503, &["model_unavailable", "object_unavailable", "overloaded", "timed_out"]),
];

/// What a request with pictures can come to besides 200.
pub(super) const OF_PICTURES: [u16; 8] = [400, 401, 408, 413, 415, 422, 500, 503];
/// The same, where a model is named.
pub(super) const OF_NAMED: [u16; 9] = [400, 401, 404, 408, 413, 415, 422, 500, 503];
/// What a request for a model's description can come to besides 200.
pub(super) const OF_MODEL: [u16; 4] = [401, 404, 500, 503];

pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A response with a JSON body of the schema `name`.
pub(super) fn json_answer(description: &str, name: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema(name) } }
    })
}

/// Responses: `ok` as 200, and problem details (RFC 9457) for each of `statuses`.
pub(super) fn or_problem(ok: Value, statuses: &[u16]) -> Value {
    responses(ok, statuses, "application/problem+json", "Problem")
}

/// Responses: `ok` as 200, and `{"error": …}` for each of `statuses`.
pub(super) fn or_error(ok: Value, statuses: &[u16]) -> Value {
    responses(ok, statuses, "application/json", "Error")
}

fn responses(ok: Value, statuses: &[u16], media_type: &str, name: &str) -> Value {
    let mut all = Map::new();
    all.insert("200".to_owned(), ok);
    for (status, codes) in PROBLEMS.iter().filter(|(status, _)| statuses.contains(status)) {
        let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let mut response = json!({
            "description": codes.join(", "),
            "content": { media_type: { "schema": schema(name) } }
        });
        if *status == 503 {
            response["headers"] = json!({ "Retry-After": {
                "description": "Seconds after which to try again",
                "schema": { "type": "integer", "minimum": 1 }
            } });
        }
        all.insert(status.to_string(), response);
    }
    Value::Object(all)
}

/// A variable segment of a path.
pub(super) fn segment(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": description,
            "schema": { "type": "string" } })
}

pub(super) fn name() -> Value {
    segment("name", "The model's name, as `GET /model` gives it")
}

pub(super) fn version() -> Value {
    segment("version", "The model's version, as `GET /model` gives it")
}

/// An object's members as paths.
pub(super) fn paths(all: Value) -> Map<String, Value> {
    match all {
        Value::Object(paths) => paths,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glimpse_classifier::ClassifyError;

    use super::*;
    use crate::problem::Problem;

    /// One of each status and code; a new one fails to be found here.
    #[test]
    fn every_problem_is_listed_under_its_status() {
        let text = String::new;
        let problems = [
            Problem::InvalidJson(text()),
            Problem::MissingImage,
            Problem::InvalidBase64(text()),
            Problem::InvalidParameter(text()),
            Problem::IncompleteBody,
            Problem::PayloadTooLarge { limit: 1 },
            Problem::ObjectTooLarge { limit: 1 },
            Problem::from(ClassifyError::TooMuchMemory { limit: 1 }),
            Problem::BatchTooLarge { count: 2, limit: 1 },
            Problem::UnsupportedMediaType(text()),
            Problem::UnsupportedEncoding(text()),
            Problem::from(ClassifyError::UnsupportedFormat),
            Problem::from(ClassifyError::Corrupt { format: "PNG" }),
            Problem::NotFound,
            Problem::NoUploads,
            Problem::UnknownModel { name: text(), version: text() },
            Problem::MethodNotAllowed,
            Problem::ModelUnavailable,
            Problem::ObjectUnavailable,
            Problem::Unauthorized,
            Problem::SlowBody { limit: Duration::ZERO },
            Problem::Overloaded,
            Problem::TimedOut { limit: Duration::ZERO },
            Problem::Internal,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for problem in problems {
            let details = serde_json::to_value(problem.details()).unwrap();
            let (status, code) =
                (details["status"].as_u64().unwrap(), details["code"].as_str().unwrap().to_owned());
            let listed = PROBLEMS.iter().find(|(listed, _)| u64::from(*listed) == status);
            assert!(listed.is_some_and(|(_, codes)| codes.contains(&&*code)), "{status} {code}");
            seen.insert(code);
        }
        assert_eq!(seen.len(), PROBLEMS.iter().map(|(_, codes)| codes.len()).sum::<usize>());
    }
}
