//! Health, the model's description, and the pages.

use serde_json::{Map, Value, json};

use super::parts::{json_answer, or_problem, paths as object};

pub(super) fn paths() -> Map<String, Value> {
    object(json!({
        "/healthz": { "get": {
            "operationId": "healthz",
            "tags": ["service"],
            "summary": "The process answers",
            "responses": { "200": json_answer("Alive", "Health") }
        } },
        "/ping": { "get": {
            "operationId": "ping",
            "tags": ["SageMaker"],
            "summary": "Whether the model is loaded; asking starts the load",
            "responses": or_problem(json_answer("Ready", "Health"), &[503])
        } },
        "/model": { "get": {
            "operationId": "model",
            "tags": ["service"],
            "summary": "The bundle's description, and what the model can do",
            "responses": or_problem(json_answer("The model", "Model"), &[401, 500, 503])
        } },
        "/openapi.json": page("openapi", "This document", "application/json", "object", &[401]),
        "/docs": page("docs", "This document as a page", "text/html", "string", &[401]),
        "/": page("page", "A web page to try it", "text/html", "string", &[])
    }))
}

fn page(id: &str, summary: &str, media_type: &str, kind: &str, statuses: &[u16]) -> Value {
    json!({ "get": {
        "operationId": id,
        "tags": ["service"],
        "summary": summary,
        "responses": or_problem(json!({
            "description": summary,
            "content": { media_type: { "schema": { "type": kind } } }
        }), statuses)
    } })
}
