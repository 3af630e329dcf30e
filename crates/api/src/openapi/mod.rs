//! The `OpenAPI` 3.1 document, made from the types that the code reads and writes.
//!
//! No request reaches this module: the server answers with the committed `docs/openapi.json`, which
//! a test compares with [`document`] and `make openapi` renews.

mod open_inference;
mod parts;
mod predict;
mod service;
mod tensorflow_serving;
mod uploads;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::model::{Description, Health};
use crate::predict::{Answer, Batch, Body};
use crate::problem::{Details, ErrorMessage};
use crate::protocol::{open_inference as v2, tensorflow_serving as v1};
use crate::results::Pending;
use crate::uploads::{Announcement, Ticket};

/// The document, its members in a fixed order.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for part in [
        predict::paths(),
        uploads::paths(),
        service::paths(),
        tensorflow_serving::paths(),
        open_inference::paths(),
    ] {
        paths.extend(part);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Glimpse",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Image classification: a picture in, labels out.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "tags": [
            { "name": "classify", "description": "Labels of pictures" },
            { "name": "service", "description": "Health, the model, this document" },
            { "name": "TensorFlow Serving", "description": "Its REST API" },
            { "name": "Open Inference Protocol", "description": "Version 2, over REST" },
            { "name": "SageMaker", "description": "What it asks of a container" }
        ],
        "paths": paths,
        "components": { "schemas": schemas() }
    })
}

fn schemas() -> Value {
    let mut all = Vec::new();
    add::<Body<'_>>(&mut all);
    add::<Answer>(&mut all);
    add::<Batch>(&mut all);
    add::<Details>(&mut all);
    add::<ErrorMessage>(&mut all);
    add::<Announcement>(&mut all);
    add::<Ticket>(&mut all);
    add::<Pending>(&mut all);
    add::<Health>(&mut all);
    add::<Description>(&mut all);
    add::<v1::Request<'_>>(&mut all);
    add::<v1::Predicted>(&mut all);
    add::<v1::Status>(&mut all);
    add::<v1::Metadata>(&mut all);
    add::<v2::Request<'_>>(&mut all);
    add::<v2::Inferred<'_>>(&mut all);
    add::<v2::ServerMetadata>(&mut all);
    add::<v2::ModelMetadata>(&mut all);
    add::<v2::ModelReady>(&mut all);
    let all: BTreeMap<String, RefOr<Schema>> = all.into_iter().collect();
    let mut all = serde_json::to_value(all).unwrap_or_default();
    predict::refine(&mut all);
    uploads::refine(&mut all);
    tensorflow_serving::refine(&mut all);
    open_inference::refine(&mut all);
    all
}

/// The schema of `T`, and of all that it refers to.
fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}
