//! `POST /predict`: JSON or the bytes of a picture.

mod answer;
mod explain;
mod explanation;
mod form;
mod options;
mod request;

use axum::Json;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use glimpse_classifier::{Explain, InputSpec, Options};
use glimpse_telemetry::measure;
use http::{HeaderMap, header};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::extract::body::Payload;
use crate::inference;
use crate::openapi::{PIXEL, PictureProblems};
use crate::problem::Problem;
use crate::s3_object;
use crate::state::ApiState;

pub(crate) use answer::Answered;
use answer::{Answer, Batch};
pub(crate) use form::{FileForm, TextForm};
use options::Query;
pub(crate) use options::QueryParameters;
pub(crate) use request::{Body, Pictures, constrain_schemas};

const URL_ENCODED: &str = "application/x-www-form-urlencoded";
/// Besides `image/*`, what clients call the bytes of a picture: nothing, S3's and SageMaker's types,
/// and curl's default for any body.
const BYTES: [&str; 5] =
    ["", "application/octet-stream", "binary/octet-stream", "application/x-image", URL_ENCODED];

/// Overlay pictures in one answer, and the bytes that they may take of the 6 MB that an answer has
/// on Lambda.
const MAX_OVERLAYS: usize = 16;
const MAX_OVERLAY_BYTES: usize = 5_000_000;

/// A picture's file
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, content_media_type = "image/*")]
pub(crate) struct PictureBytes(#[allow(dead_code)] Vec<u8>);

/// Describes [`Answered`].
pub(crate) const ANSWERED: &str = "The prediction; of a batch, one result or error per picture";

/// Classify one picture, or a batch
///
/// Options may stand in the body or in the query; the body's win. The content type says which form
/// the body has.
#[utoipa::path(
    post,
    path = "/predict",
    operation_id = "predict",
    tag = "classify",
    params(QueryParameters),
    request_body(content(
        (Body<'static> = "application/json", examples(
            ("one" = (summary = "One picture", value = json!({ "image_data": PIXEL, "top_k": 3 }))),
            ("batch" = (summary = "A batch", value = json!({ "images": [PIXEL, PIXEL] })))
        )),
        (inline(PictureBytes) = "image/*"),
        (inline(PictureBytes) = "application/octet-stream"),
        (FileForm = "multipart/form-data"),
        (TextForm = "application/x-www-form-urlencoded")
    )),
    responses((status = 200, description = ANSWERED, body = inline(Answered)), PictureProblems)
)]
pub(crate) async fn predict(
    State(state): State<ApiState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Payload(body, caller): Payload,
) -> Result<Json<Answered>, Problem> {
    let limit = state.config.max_batch;
    let (pictures, options) = read(query.as_deref(), &headers, body, limit).await?;
    match pictures {
        Pictures::One(picture) => one(&state, picture, options, &caller).await,
        Pictures::Object(location) => {
            let (picture, caller) = s3_object::fetch(&state, &location, &caller).await?;
            one(&state, picture, options, &caller).await
        }
        Pictures::Batch(batch) => many(&state, batch, options, &caller).await,
    }
}

/// Pictures and options of a request, in whichever form its content type says.
pub(crate) async fn read(
    query: Option<&str>,
    headers: &HeaderMap,
    body: Bytes,
    max_batch: usize,
) -> Result<(Pictures, Options), Problem> {
    let query = Query::parse(query.unwrap_or_default())?;
    let (pictures, options) = match media_type(headers).as_str() {
        json if is_json(json) => request::parse(&body, max_batch)?,
        "multipart/form-data" => form::multipart(content_type(headers), body, max_batch).await?,
        URL_ENCODED if form::is_text(&body) => form::url_encoded(&body, max_batch)?,
        bytes if bytes.starts_with("image/") || BYTES.contains(&bytes) => {
            if body.is_empty() {
                return Err(Problem::MissingImage);
            }
            (Pictures::One(body.into()), Query::default())
        }
        other => return Err(Problem::UnsupportedMediaType(other.chars().take(100).collect())),
    };
    Ok((pictures, options.or(query).validate()?))
}

async fn one(
    state: &ApiState,
    picture: Vec<u8>,
    options: Options,
    caller: &Caller,
) -> Result<Json<Answered>, Problem> {
    let model = inference::classifier(state).await?;
    check_overlays(1, &options, &model.manifest().input)?;
    let prediction = inference::one(state, &model, picture, options, caller).await?;
    Ok(Json(Answered::One(Box::new(Answer::new(prediction, model.manifest())))))
}

async fn many(
    state: &ApiState,
    batch: Vec<Result<Vec<u8>, Problem>>,
    options: Options,
    caller: &Caller,
) -> Result<Json<Answered>, Problem> {
    let model = inference::classifier(state).await?;
    check_overlays(batch.len(), &options, &model.manifest().input)?;
    let mut refused = Vec::new();
    let mut pictures = Vec::new();
    for picture in batch {
        refused.push(picture.map(|picture| pictures.push(picture)).err());
    }
    let mut classified =
        inference::many(state, &model, pictures, options, caller).await?.into_iter();
    let results = refused.into_iter().filter_map(|refused| match refused {
        Some(problem) => Some(Err(problem)),
        None => classified.next(),
    });
    // The answer as a whole succeeds, so `observe` does not count these errors.
    let results = results.inspect(|result| {
        if let Err(problem) = result {
            measure::error(problem.code());
        }
    });
    Ok(Json(Answered::Many(Batch::new(results, model.manifest()))))
}

fn check_overlays(pictures: usize, options: &Options, input: &InputSpec) -> Result<(), Problem> {
    let each = |explain: &Explain| if explain.overlay { explain.classes.len().max(1) } else { 0 };
    let overlays = pictures * options.explain.as_ref().map_or(0, each);
    let limit = most_overlays(input);
    if overlays <= limit {
        return Ok(());
    }
    let message = format!("explain: {overlays} overlays in one answer; the limit is {limit}");
    Err(Problem::InvalidParameter(message))
}

/// One is always given. An overlay takes no more than its pixels, and base64 a third more.
fn most_overlays(input: &InputSpec) -> usize {
    let bytes = input.bytes() * 4 / 3;
    (MAX_OVERLAY_BYTES / bytes.max(1)).clamp(1, MAX_OVERLAYS)
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unknown"));
    value.unwrap_or_default()
}

/// The content type in lower case, without parameters.
fn media_type(headers: &HeaderMap) -> String {
    let essence = content_type(headers).split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    let structured = media_type.starts_with("application/") && media_type.ends_with("+json");
    media_type == "application/json" || structured
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_inputs_have_fewer_overlays_in_an_answer() {
        let of = |side: u32| most_overlays(&InputSpec::centre_of(side, side, side));
        assert_eq!([64, 224, 279, 448, 1118, 4096].map(of), [16, 16, 16, 6, 1, 1]);
    }
}
