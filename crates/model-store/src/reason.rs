//! What the AWS SDK says of a failure, in one line for people.

use std::error::Error;
use std::iter::successors;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;

/// S3's code and message with the id that AWS's support asks for, or why there was no answer of S3.
pub fn reason<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), message) => {
            let message = message.map(|message| format!(": {message}")).unwrap_or_default();
            let id = error.request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
            format!("{code}{message}{id}")
        }
        _ => causes(error),
    }
}

/// The error and what caused it, each said once.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in successors(Some(error), |error: &&dyn Error| (*error).source()) {
        let text = cause.to_string();
        if said.last().is_none_or(|last| !last.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
