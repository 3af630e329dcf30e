//! TensorFlow Serving's REST API: `POST /v1/models/{name}:predict`, row format.
//!
//! <https://www.tensorflow.org/tfx/serving/api_rest>

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use glimpse_classifier::{Options, Ranked};
use serde::{Deserialize, Serialize};

use crate::base64_text;
use crate::inference;
use crate::payload::{self, Payload};
use crate::problem::Problem;
use crate::segment::Segment;
use crate::state::ApiState;

#[derive(Deserialize)]
#[serde(expecting = "an object with instances")]
struct Request<'a> {
    #[serde(borrow)]
    instances: Vec<Instance<'a>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with b64")]
struct Instance<'a> {
    #[serde(borrow)]
    b64: Cow<'a, str>,
}

#[derive(Serialize)]
pub(crate) struct Response {
    predictions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    top: Ranked,
    predictions: Vec<Ranked>,
}

/// One prediction an instance, in order; one bad instance fails the request, as it does there.
pub(crate) async fn predict(
    State(state): State<ApiState>,
    Segment(call): Segment,
    Payload(body): Payload,
) -> Result<Json<Response>, Problem> {
    let name = call.strip_suffix(":predict").ok_or(Problem::NotFound)?;
    if inference::classifier(&state).await?.manifest().name != name {
        return Err(Problem::NotFound);
    }
    let request: Request<'_> = payload::json(&body)?;
    let (count, limit) = (request.instances.len(), state.config.max_batch);
    if count == 0 {
        return Err(Problem::MissingImage);
    }
    if count > limit {
        return Err(Problem::BatchTooLarge { count, limit });
    }
    let pictures = request.instances.iter().map(|instance| base64_text::picture(&instance.b64));
    let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
    let outcomes = inference::many(&state, pictures, Options::default()).await?;
    let row = |outcome: inference::Outcome| {
        outcome.map(|p| Row { top: p.top, predictions: p.predictions })
    };
    let predictions = outcomes.into_iter().map(row).collect::<Result<_, _>>()?;
    Ok(Json(Response { predictions }))
}
