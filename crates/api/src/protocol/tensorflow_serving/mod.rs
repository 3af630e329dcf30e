//! TensorFlow Serving's REST API: prediction in row and column format, status and metadata.
//!
//! <https://www.tensorflow.org/tfx/serving/api_rest>. The one signature has an input `image`,
//! encoded pictures as `{"b64": …}`, and for each picture the outputs `label`, `index` and `score`.

mod answer;
mod request;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use glimpse_classifier::Options;
use tower::ServiceExt as _;

use super::model;
use crate::base64_text;
use crate::inference;
use crate::other_method;
use crate::payload::{self, Payload};
use crate::problem::Problem;
use crate::segment::Segment;
use crate::state::ApiState;

use answer::Format;
pub(crate) use answer::{Metadata, Predicted, Status};
pub(crate) use request::Request;

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/models/{call}", any(status_or_predict))
        .route("/v1/models/{name}/versions/{call}", any(version_status_or_predict))
        .route("/v1/models/{name}/metadata", get(metadata))
        .route("/v1/models/{name}/versions/{version}/metadata", get(version_metadata))
}

/// `{name}` and `{name}:predict` are one segment to axum, but two resources with methods of their own.
async fn status_or_predict(
    State(state): State<ApiState>,
    Segment(call): Segment,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let (name, verb) = split(&call);
    by_verb(state, Asked { name: name.to_owned(), version: None }, verb, request).await
}

async fn version_status_or_predict(
    State(state): State<ApiState>,
    Segment((name, call)): Segment<(String, String)>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let (version, verb) = split(&call);
    by_verb(state, Asked { name, version: Some(version.to_owned()) }, verb, request).await
}

/// The model that a path names.
#[derive(Clone)]
struct Asked {
    name: String,
    version: Option<String>,
}

fn split(call: &str) -> (&str, Option<&str>) {
    call.split_once(':').map_or((call, None), |(name, verb)| (name, Some(verb)))
}

async fn by_verb(
    state: ApiState,
    asked: Asked,
    verb: Option<&str>,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let methods = match verb {
        None => get(async move |State(state): State<ApiState>| status(&state, &asked).await),
        Some("predict") => {
            post(async move |State(state): State<ApiState>, Payload(body): Payload| {
                predict(&state, &asked, &body).await
            })
        }
        Some(_) => return Err(Problem::NotFound),
    };
    let answered = methods.fallback(other_method).with_state(state).oneshot(request).await;
    Ok(answered.unwrap_or_else(|never| match never {}))
}

async fn status(state: &ApiState, asked: &Asked) -> Result<Json<Status>, Problem> {
    let model = model::named(state, &asked.name, asked.version.as_deref()).await?;
    Ok(Json(Status::available(&model.manifest().version)))
}

async fn metadata(
    State(state): State<ApiState>,
    Segment(name): Segment,
) -> Result<Json<Metadata>, Problem> {
    let model = model::named(&state, &name, None).await?;
    Ok(Json(Metadata::of(model.manifest())))
}

async fn version_metadata(
    State(state): State<ApiState>,
    Segment((name, version)): Segment<(String, String)>,
) -> Result<Json<Metadata>, Problem> {
    let model = model::named(&state, &name, Some(&version)).await?;
    Ok(Json(Metadata::of(model.manifest())))
}

/// One prediction a picture, in order; one bad picture fails the request, as it does there.
async fn predict(state: &ApiState, asked: &Asked, body: &[u8]) -> Result<Response, Problem> {
    let model = model::named(state, &asked.name, asked.version.as_deref()).await?;
    let request: Request<'_> = payload::json(body)?;
    let (format, texts) = request.pictures(state.config.max_batch)?;
    let pictures = texts.iter().map(|text| base64_text::picture(text));
    let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
    let outcomes = inference::many(state, &model, pictures, Options::default()).await?;
    let predictions = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Json(match format {
        Format::Rows => Predicted::rows(predictions),
        Format::Columns => Predicted::columns(predictions),
    })
    .into_response())
}
