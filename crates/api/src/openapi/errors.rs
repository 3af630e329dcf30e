//! The errors that an operation can answer with, by status.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::{Details, ErrorMessage};

/// Every status of a problem, and its codes.
const PROBLEMS: [(u16, &[&str]); 11] = [
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
    (421, &["unknown_host"]),
    (422, &["corrupt_image"]),
    (500, &["internal"]),
    (503, &["model_unavailable", "object_unavailable", "overloaded", "timed_out"]),
];

/// All codes, in the order of their statuses.
pub(super) fn codes() -> Vec<&'static str> {
    PROBLEMS.iter().flat_map(|(_, codes)| *codes).copied().collect()
}

/// How a protocol writes an error.
pub(crate) trait Form {
    /// Its body.
    type Body: ToSchema;
    /// Its content type.
    const MEDIA_TYPE: &'static str;
}

/// RFC 9457.
pub(crate) struct AsDetails;

impl Form for AsDetails {
    type Body = Details;
    const MEDIA_TYPE: &'static str = "application/problem+json";
}

/// `{"error": "…"}`.
pub(crate) struct AsMessage;

impl Form for AsMessage {
    type Body = ErrorMessage;
    const MEDIA_TYPE: &'static str = "application/json";
}

/// Errors in the form `F` with the statuses whose bits are set: bit n for `PROBLEMS[n]`.
pub(crate) struct Errors<F, const STATUSES: u16>(PhantomData<F>);

/// The bits of `statuses`.
const fn bits(statuses: &[u16]) -> u16 {
    let (mut bits, mut row) = (0, 0);
    while row < PROBLEMS.len() {
        let mut at = 0;
        while at < statuses.len() {
            if statuses[at] == PROBLEMS[row].0 {
                bits |= 1 << row;
            }
            at += 1;
        }
        row += 1;
    }
    bits
}

/// Of a request with pictures.
pub(crate) type PictureProblems =
    Errors<AsDetails, { bits(&[400, 401, 408, 413, 415, 421, 422, 500, 503]) }>;
/// Of a request for an upload.
pub(crate) type UploadProblems =
    Errors<AsDetails, { bits(&[400, 401, 404, 408, 413, 415, 421, 500, 503]) }>;
/// Of a request for a result.
pub(crate) type ResultProblems = Errors<AsDetails, { bits(&[401, 404, 421, 500, 503]) }>;
/// Of a request for the model's description.
pub(crate) type DescriptionProblems = Errors<AsDetails, { bits(&[401, 421, 500, 503]) }>;
/// For a server that requires a token.
pub(crate) type UnauthorizedProblem = Errors<AsDetails, { bits(&[401, 421]) }>;
/// Until the model is loaded.
pub(crate) type UnavailableProblem = Errors<AsDetails, { bits(&[503]) }>;
/// Of a request with pictures that names a model.
pub(crate) type NamedErrors =
    Errors<AsMessage, { bits(&[400, 401, 404, 408, 413, 415, 421, 422, 500, 503]) }>;
/// Of a request for the description of a model that it names.
pub(crate) type ModelErrors = Errors<AsMessage, { bits(&[401, 404, 421, 500, 503]) }>;
/// Of a request for the description of the model that there is.
pub(crate) type DescriptionErrors = Errors<AsMessage, { bits(&[401, 421, 500, 503]) }>;
/// Of a request that names a model and does not need it.
pub(crate) type UnknownErrors = Errors<AsMessage, { bits(&[401, 404, 421]) }>;
/// For a server that requires a token.
pub(crate) type UnauthorizedError = Errors<AsMessage, { bits(&[401, 421]) }>;

impl<F: Form, const STATUSES: u16> IntoResponses for Errors<F, STATUSES> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let rows = PROBLEMS.iter().enumerate().filter(|(row, _)| STATUSES & (1 << row) != 0);
        rows.map(|(_, (status, codes))| (status.to_string(), response::<F>(*status, codes).into()))
            .collect()
    }
}

fn response<F: Form>(status: u16, codes: &[&str]) -> Response {
    let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
    let schema = Ref::from_schema_name(F::Body::name());
    let response = ResponseBuilder::new()
        .description(codes.join(", "))
        .content(F::MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build());
    if status != 503 {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let header = HeaderBuilder::new()
        .schema(seconds)
        .description(Some("Seconds after which to try again"))
        .build();
    response.header("Retry-After", header).build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use glimpse_classifier::ClassifyError;

    use super::*;
    use crate::problem::{Details, Problem};

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
            Problem::UploadTooLarge { limit: 1 },
            Problem::AnswerTooLarge { limit: 1 },
            Problem::from(ClassifyError::TooMuchMemory { limit: 1 }),
            Problem::BatchTooLarge { count: 2, limit: 1 },
            Problem::TooMuchTime { limit: Duration::ZERO },
            Problem::UnsupportedMediaType(text()),
            Problem::UnsupportedEncoding(text()),
            Problem::InvalidEncoding,
            Problem::from(ClassifyError::UnsupportedFormat),
            Problem::from(ClassifyError::Corrupt { format: "PNG" }),
            Problem::NotFound,
            Problem::NoUploads,
            Problem::UnknownModel { name: text(), version: text() },
            Problem::MethodNotAllowed,
            Problem::ModelUnavailable,
            Problem::ObjectUnavailable,
            Problem::Unauthorized,
            Problem::UnknownHost,
            Problem::SlowBody { limit: Duration::ZERO },
            Problem::Overloaded,
            Problem::TimedOut { limit: Duration::ZERO },
            Problem::Internal,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for problem in problems {
            let details = serde_json::to_value(Details::of(&problem)).unwrap();
            let (status, code) =
                (details["status"].as_u64().unwrap(), details["code"].as_str().unwrap().to_owned());
            let listed = PROBLEMS.iter().find(|(listed, _)| u64::from(*listed) == status);
            assert!(listed.is_some_and(|(_, codes)| codes.contains(&&*code)), "{status} {code}");
            seen.insert(code);
        }
        assert_eq!(seen.len(), PROBLEMS.iter().map(|(_, codes)| codes.len()).sum::<usize>());
    }
}
