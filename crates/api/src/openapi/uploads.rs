//! Uploads past the limits of a request, and their results.

use serde_json::{Map, Value, json};

use super::parts::{json_answer, or_problem, paths as object, schema, segment};

pub(super) fn paths() -> Map<String, Value> {
    let mut upload = or_problem(json!(null), &[400, 401, 404, 408, 413, 415, 500, 503]);
    upload["201"] =
        json_answer("Where to put the picture, and where its result will be", "UploadTicket");
    drop_ok(&mut upload);
    let result = json!({
        "description": "The result, as it was written beside the uploads",
        "content": { "application/json": { "schema": { "type": "object" } } }
    });
    let mut result = or_problem(result, &[401, 404, 500, 503]);
    result["202"] = json_answer("Not there yet", "ResultPending");
    object(json!({
        "/uploads": { "post": {
            "operationId": "upload",
            "tags": ["classify"],
            "summary": "Ask for an address to upload one picture to; 404 where the service takes no uploads",
            "requestBody": { "required": true, "content": { "application/json": {
                "schema": schema("UploadRequest"),
                "example": { "content_type": "image/jpeg", "content_length": 2_500_000 }
            } } },
            "responses": upload
        } },
        "/results/{id}": { "get": {
            "operationId": "result",
            "tags": ["classify"],
            "summary": "What an upload was classified as",
            "parameters": [segment("id", "As `POST /uploads` gave it")],
            "responses": result
        } }
    }))
}

/// What the derived schemas cannot say.
pub(super) fn refine(schemas: &mut Value) {
    let request = &mut schemas["UploadRequest"]["properties"];
    request["content_type"]["enum"] = json!(crate::uploads::CONTENT_TYPES);
    request["content_length"]["minimum"] = json!(1);
}

fn drop_ok(responses: &mut Value) {
    if let Some(responses) = responses.as_object_mut() {
        responses.remove("200");
    }
}
