//! `POST /predict`, and the same for SageMaker.

use serde_json::{Map, Value, json};

use super::parts::{OF_PICTURES, PIXEL, PROBLEMS, or_problem, paths as object, schema};

pub(super) fn paths() -> Map<String, Value> {
    object(json!({
        "/predict": { "post": {
            "operationId": "predict",
            "tags": ["classify"],
            "summary": "Classify one picture, or a batch",
            "description": "Options may stand in the body or in the query; the body's win.",
            "parameters": options(),
            "requestBody": body(&["image/*"]),
            "responses": answers()
        } },
        "/invocations": { "post": {
            "operationId": "invocations",
            "tags": ["SageMaker"],
            "summary": "The same as /predict",
            "parameters": options(),
            "requestBody": body(&["image/*", "application/x-image"]),
            "responses": answers()
        } }
    }))
}

/// What the derived schemas cannot say.
pub(super) fn refine(schemas: &mut Value) {
    let request = &mut schemas["PredictRequest"];
    let forms = ["image_data", "image", "images", "s3"].map(|form| {
        let kind = match form {
            "images" => "array",
            "s3" => "object",
            _ => "string",
        };
        json!({ "required": [form], "properties": { form: { "type": kind } } })
    });
    request["oneOf"] = json!(forms);
    request["description"] = json!("One of image_data, image, images and s3, and options");
    request["properties"]["explain"] = json!({
        "description": "Where the model looked: true or \"map\" for the class activation map of the best label, \"png\" for an overlay picture as well, or an object that names the labels. Refused by a bundle that has no map",
        "oneOf": [
            { "type": "boolean" },
            { "enum": ["map", "png"] },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "labels": {
                        "type": ["array", "null"], "minItems": 1, "maxItems": 10,
                        "description": "Of the top_k best; absent, the best one",
                        "items": { "oneOf": [
                            { "type": "string", "description": "A label" },
                            { "type": "integer", "minimum": 0, "description": "A class index" }
                        ] }
                    },
                    "format": { "enum": ["map", "png"], "default": "map" }
                }
            },
            { "type": "null" }
        ]
    });
    let codes: Vec<&str> = PROBLEMS.iter().flat_map(|(_, codes)| *codes).copied().collect();
    schemas["Problem"]["properties"]["code"]["enum"] = json!(codes);
}

fn options() -> Value {
    let option = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let share = || json!({ "type": "number", "minimum": 0, "maximum": 1, "default": 0 });
    let switch = || json!({ "type": "boolean", "default": false });
    json!([
        option(
            "top_k",
            "How many predictions",
            json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 5 })
        ),
        option("min_score", "Leave out predictions with a lower score", share()),
        option("abstain_below", "Where the best score is lower, `label` is null", share()),
        option(
            "explain",
            "Where the model looked",
            json!({ "enum": ["true", "false", "map", "png"] })
        ),
        option(
            "explain_label",
            "A label or class index to explain, of the top_k best; may be repeated",
            json!({ "type": "array", "maxItems": 10, "items": { "type": "string" } })
        ),
        option("embedding", "Give the pooled features", switch()),
        option("ood", "Give the energy, an out-of-distribution score", switch())
    ])
}

fn body(picture_types: &[&str]) -> Value {
    let mut content = json!({ "application/json": {
        "schema": schema("PredictRequest"),
        "examples": {
            "one": { "summary": "One picture", "value": { "image_data": PIXEL, "top_k": 3 } },
            "batch": { "summary": "A batch", "value": { "images": [PIXEL, PIXEL] } }
        }
    } });
    for media_type in picture_types {
        content[*media_type] = json!({ "schema": {
            "type": "string", "format": "binary", "contentMediaType": "image/*",
            "description": "The bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF"
        } });
    }
    json!({ "required": true, "content": content })
}

fn answers() -> Value {
    let ok = json!({
        "description": "The prediction; of a batch, one result or error a picture",
        "content": { "application/json": {
            "schema": { "oneOf": [schema("Prediction"), schema("Batch")] }
        } }
    });
    or_problem(ok, &OF_PICTURES)
}
