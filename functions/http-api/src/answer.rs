//! Lambda's limit of an answer. Lambda turns a larger one into a 5xx, which would count as a failure
//! of the function and could send a deployment back.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use glimpse_api::Problem;

/// Lambda takes 6 MB (its quota of a synchronous invocation's response), of which 64 KiB are left for
/// status and headers.
const LIMIT: usize = (6 << 20) - (64 << 10);

/// JSON writes a byte as six at most: `\u0000`.
const WORST_ESCAPE: usize = 6;

/// A layer that refuses an answer that Lambda would not take.
pub async fn refuse_too_large(request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = next.run(request).await.into_parts();
    let length = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    if length.is_some_and(|bytes| bytes <= LIMIT / WORST_ESCAPE) {
        return Ok(Response::from_parts(parts, body));
    }
    let too_large = || Problem::AnswerTooLarge { limit: LIMIT };
    let bytes = to_bytes(body, LIMIT).await.map_err(|_| too_large())?;
    if sent_as(&bytes) > LIMIT {
        return Err(too_large());
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The length in the function's answer: base64, or a string of JSON, whichever is longer.
fn sent_as(body: &[u8]) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => WORST_ESCAPE,
        _ => 1,
    };
    body.iter().map(escaped).sum::<usize>().max(body.len().div_ceil(3) * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_at_least_that_of_the_json_string_and_of_base64() {
        for body in ["", "{\"a\": \"b\\c\"}", "\n\u{1}\u{7f}é", "plain"] {
            let string = serde_json::to_string(body).unwrap().len() - 2;
            assert!(sent_as(body.as_bytes()) >= string.max(body.len() * 4 / 3), "{body:?}");
        }
    }
}
