//! The `OpenAPI` 3.1 document, made from the handlers and the types that they read and write.
//!
//! No request reaches this module: the server answers with the committed `docs/openapi.json`, which
//! a test compares with [`document`] and `make openapi` renews.

mod errors;
mod pixel;

use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::problem::{Details, ErrorMessage};
use crate::protocol::{open_inference, sagemaker, tensorflow_serving};
use crate::{pages, predict, service, uploads};

pub(crate) use errors::{
    DescriptionErrors, DescriptionProblems, ModelErrors, NamedErrors, PictureProblems,
    ResultProblems, UnauthorizedError, UnauthorizedProblem, UnavailableProblem, UnknownErrors,
    UploadProblems,
};
pub(crate) use pixel::PIXEL;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Glimpse",
        description = "Image classification: a picture in, labels out.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "classify", description = "Labels of pictures"),
        (name = "service", description = "Health, the model, this document"),
        (name = "TensorFlow Serving", description = "Its REST API"),
        (name = "Open Inference Protocol", description = "Version 2, over REST"),
        (name = "SageMaker", description = "The paths that it calls in a container")
    ),
    paths(
        predict::predict,
        uploads::ticket::upload,
        uploads::results::result,
        service::healthz,
        service::describe,
        pages::docs::openapi,
        pages::docs::docs,
        pages::page::index,
        sagemaker::ping,
        sagemaker::invocations,
        tensorflow_serving::status,
        tensorflow_serving::version_status,
        tensorflow_serving::metadata,
        tensorflow_serving::version_metadata,
        tensorflow_serving::predict,
        tensorflow_serving::version_predict,
        open_inference::server,
        open_inference::live,
        open_inference::ready,
        open_inference::metadata,
        open_inference::version_metadata,
        open_inference::model_ready,
        open_inference::version_ready,
        open_inference::infer,
        open_inference::version_infer,
        open_inference::extensions::config,
        open_inference::extensions::version_config,
        open_inference::extensions::stats,
        open_inference::extensions::version_stats,
        open_inference::extensions::all_stats,
        open_inference::extensions::index
    ),
    components(schemas(Details, ErrorMessage))
)]
struct Document;

/// The document, its members in a fixed order.
#[must_use]
pub fn document() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let schemas = &mut document["components"]["schemas"];
    predict::constrain_schemas(schemas);
    uploads::ticket::constrain_schemas(schemas);
    tensorflow_serving::constrain_schemas(schemas);
    open_inference::constrain_schemas(schemas);
    schemas["Problem"]["properties"]["code"]["enum"] = json!(errors::codes());
    document
}
