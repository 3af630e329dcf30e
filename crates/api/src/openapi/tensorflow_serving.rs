//! TensorFlow Serving's paths.

use serde_json::{Map, Value, json};

use super::parts::{
    OF_MODEL, OF_NAMED, PIXEL, json_answer, name, or_error, paths as object, schema, version,
};

pub(super) fn paths() -> Map<String, Value> {
    object(json!({
        "/v1/models/{name}:predict": predict("tensorflowServingPredict", &[name()]),
        "/v1/models/{name}": status("tensorflowServingStatus", &[name()]),
        "/v1/models/{name}/metadata": metadata("tensorflowServingMetadata", &[name()]),
        "/v1/models/{name}/versions/{version}:predict":
            predict("tensorflowServingVersionPredict", &[name(), version()]),
        "/v1/models/{name}/versions/{version}":
            status("tensorflowServingVersionStatus", &[name(), version()]),
        "/v1/models/{name}/versions/{version}/metadata":
            metadata("tensorflowServingVersionMetadata", &[name(), version()])
    }))
}

/// What the derived schemas cannot say.
pub(super) fn refine(schemas: &mut Value) {
    let picture = schema("TensorFlowBytes");
    let column = json!({ "type": "array", "minItems": 1, "items": picture });
    let named = |name: &str| {
        json!({ "type": "object", "additionalProperties": false, "required": [name],
                "properties": { name: column } })
    };
    let request = &mut schemas["TensorFlowRequest"];
    request["oneOf"] = json!([
        { "required": ["instances"], "properties": { "instances": { "type": "array" } } },
        { "required": ["inputs"], "properties": { "inputs": { "type": ["array", "object"] } } }
    ]);
    request["properties"]["instances"]["minItems"] = json!(1);
    request["properties"]["inputs"] = json!({
        "description": "The column",
        "oneOf": [column, named("image"), named("image_bytes"), { "type": "null" }]
    });
    schemas["TensorFlowRow"] = json!({
        "description": "One picture, by itself or by the input's name",
        "oneOf": [
            picture,
            { "type": "object", "additionalProperties": false, "required": ["image"],
              "properties": { "image": picture } },
            { "type": "object", "additionalProperties": false, "required": ["image_bytes"],
              "properties": { "image_bytes": picture } }
        ]
    });
}

fn predict(id: &str, parameters: &[Value]) -> Value {
    json!({ "post": {
        "operationId": id,
        "tags": ["TensorFlow Serving"],
        "summary": "Classify pictures in row or column format",
        "parameters": parameters,
        "requestBody": { "required": true, "content": { "application/json": {
            "schema": schema("TensorFlowRequest"),
            "examples": {
                "rows": { "value": { "instances": [{ "b64": PIXEL }] } },
                "named": { "value": { "instances": [{ "image": { "b64": PIXEL } }] } },
                "column": { "value": { "inputs": { "image": [{ "b64": PIXEL }] } } }
            }
        } } },
        "responses": or_error(json_answer("One prediction a picture", "TensorFlowAnswer"), &OF_NAMED)
    } })
}

fn status(id: &str, parameters: &[Value]) -> Value {
    json!({ "get": {
        "operationId": id,
        "tags": ["TensorFlow Serving"],
        "summary": "The model's status, loading it where it is not loaded yet",
        "parameters": parameters,
        "responses": or_error(json_answer("Available", "TensorFlowStatus"), &OF_MODEL)
    } })
}

fn metadata(id: &str, parameters: &[Value]) -> Value {
    json!({ "get": {
        "operationId": id,
        "tags": ["TensorFlow Serving"],
        "summary": "The model's signature",
        "parameters": parameters,
        "responses": or_error(json_answer("The signature", "TensorFlowMetadata"), &OF_MODEL)
    } })
}
