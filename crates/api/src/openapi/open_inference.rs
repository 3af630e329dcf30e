//! The Open Inference Protocol's paths.

use serde_json::{Map, Value, json};

use crate::protocol::open_inference::Output;

use super::parts::{
    OF_MODEL, OF_NAMED, PIXEL, json_answer, name, or_error, paths as object, schema, version,
};

pub(super) fn paths() -> Map<String, Value> {
    object(json!({
        "/v2": get("serverMetadata", "The server", &[],
            &or_error(json_answer("The server", "ServerMetadata"), &[401])),
        "/v2/health/live": get("live", "The process answers", &[],
            &json!({ "200": flag("Alive", "live") })),
        "/v2/health/ready": get("ready", "Whether the model is loaded; asking starts the load", &[],
            &json!({ "200": flag("Loaded", "ready"), "503": later(flag("Not yet", "ready")) })),
        "/v2/models/{name}": metadata("modelMetadata", &[name()]),
        "/v2/models/{name}/ready": ready("modelReady", &[name()]),
        "/v2/models/{name}/infer": infer("infer", &[name()]),
        "/v2/models/{name}/versions/{version}": metadata("versionMetadata", &[name(), version()]),
        "/v2/models/{name}/versions/{version}/ready": ready("versionReady", &[name(), version()]),
        "/v2/models/{name}/versions/{version}/infer": infer("versionInfer", &[name(), version()])
    }))
}

/// What the derived schemas cannot say.
pub(super) fn refine(schemas: &mut Value) {
    let data = |description: &str, items: Value| json!({ "type": "array", "minItems": 1, "description": description, "items": items });
    let tensor = |datatype: &str, dimensions: usize, data: Value| {
        json!({
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": { "const": "image" },
                "datatype": { "const": datatype },
                "parameters": schema("InferenceInputParameters"),
                "shape": { "type": "array", "minItems": dimensions, "maxItems": dimensions,
                           "items": { "type": "integer", "minimum": 1 } },
                "data": data
            }
        })
    };
    schemas["InferenceInput"] = json!({
        "description": "The tensor `image`. In a request with binary tensors, `parameters.binary_data_size` stands for `data`",
        "oneOf": [
            tensor("BYTES", 1, data("Encoded pictures", schema("Base64Picture"))),
            tensor("UINT8", 4, data("RGB at the model's input size, `[N, H, W, 3]`, flat or nested", json!({})))
        ]
    });
    let names = Output::ALL.map(Output::name);
    schemas["InferenceRequestedOutput"]["properties"]["name"]["enum"] = json!(names);
    let request = &mut schemas["InferenceRequest"]["properties"];
    request["inputs"]["minItems"] = json!(1);
    request["inputs"]["maxItems"] = json!(1);
    request["outputs"]["maxItems"] = json!(3);
}

fn get(id: &str, summary: &str, parameters: &[Value], responses: &Value) -> Value {
    json!({ "get": {
        "operationId": id,
        "tags": ["Open Inference Protocol"],
        "summary": summary,
        "parameters": parameters,
        "responses": responses
    } })
}

fn metadata(id: &str, parameters: &[Value]) -> Value {
    let ok = json_answer("Inputs and outputs", "ModelMetadata");
    get(id, "What the model takes and gives", parameters, &or_error(ok, &OF_MODEL))
}

fn ready(id: &str, parameters: &[Value]) -> Value {
    let mut responses = or_error(json_answer("Loaded", "ModelReady"), &[401, 404]);
    responses["503"] = later(json_answer("Not yet", "ModelReady"));
    get(id, "Whether the model is loaded; asking starts the load", parameters, &responses)
}

fn infer(id: &str, parameters: &[Value]) -> Value {
    let mut parameters = parameters.to_vec();
    parameters.push(json!({
        "name": "Inference-Header-Content-Length", "in": "header",
        "description": "Bytes of JSON in a body with binary tensors; 0 where the body is one picture",
        "schema": { "type": "integer", "minimum": 0 }
    }));
    let octets = |description: &str| json!({ "schema": { "type": "string", "format": "binary", "description": description } });
    let mut ok =
        json_answer("The outputs label, index and score, each [N, top_k]", "InferenceAnswer");
    ok["content"]["application/octet-stream"] = octets("JSON, and binary outputs behind it");
    ok["headers"] = json!({ "Inference-Header-Content-Length": {
        "description": "Bytes of JSON, where outputs are binary",
        "schema": { "type": "integer", "minimum": 1 }
    } });
    json!({ "post": {
        "operationId": id,
        "tags": ["Open Inference Protocol"],
        "summary": "Classify pictures or pixels",
        "parameters": parameters,
        "requestBody": { "required": true, "content": {
            "application/json": {
                "schema": schema("InferenceRequest"),
                "examples": { "one": { "value": {
                    "inputs": [{ "name": "image", "shape": [1], "datatype": "BYTES", "data": [PIXEL] }],
                    "parameters": { "top_k": 3 }
                } } }
            },
            "application/octet-stream": octets("JSON, and binary tensors behind it")
        } },
        "responses": or_error(ok, &OF_NAMED)
    } })
}

/// An object with one truth value.
fn flag(description: &str, name: &str) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": {
            "type": "object", "required": [name], "properties": { name: { "type": "boolean" } }
        } } }
    })
}

fn later(mut response: Value) -> Value {
    response["headers"] = json!({ "Retry-After": {
        "description": "Seconds after which to ask again",
        "schema": { "type": "integer", "minimum": 1 }
    } });
    response
}
