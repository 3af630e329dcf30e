//! What an `OpenAPI` document says, as lines: one for each path, parameter, field, value and example.

use std::collections::BTreeSet;

use serde_json::Value;

/// The facts of `document`, however its schemas are arranged.
pub fn facts(document: &Value) -> BTreeSet<String> {
    let mut facts = Facts { document, lines: BTreeSet::new() };
    for (path, operations) in members(&document["paths"]) {
        for (method, operation) in members(operations) {
            facts.operation(&format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    facts.lines
}

struct Facts<'a> {
    document: &'a Value,
    lines: BTreeSet<String>,
}

impl<'a> Facts<'a> {
    fn operation(&mut self, at: &str, operation: &'a Value) {
        self.add(format!("{at} id {}", text(&operation["operationId"])));
        self.add(format!("{at} tag {}", text(&operation["tags"][0])));
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (place, name) = (text(&parameter["in"]), text(&parameter["name"]));
            self.schema(&format!("{at} {place} {name}"), &parameter["schema"], 0);
        }
        self.content(&format!("{at} body"), &operation["requestBody"]["content"]);
        for (status, response) in members(&operation["responses"]) {
            let at = format!("{at} {status}");
            for code in text(&response["description"]).split('`').skip(1).step_by(2) {
                self.add(format!("{at} code {code}"));
            }
            for (name, _) in members(&response["headers"]) {
                self.add(format!("{at} header {name}"));
            }
            // The body of an error is the same everywhere: its fields are listed once.
            if status.as_str() < "400" {
                self.content(&at, &response["content"]);
                continue;
            }
            for (media_type, content) in members(&response["content"]) {
                self.add(format!("{at} {media_type}"));
                self.schema(&format!("error {media_type}"), &content["schema"], 0);
            }
        }
    }

    fn content(&mut self, at: &str, content: &'a Value) {
        for (media_type, content) in members(content) {
            let at = format!("{at} {media_type}");
            self.schema(&at, &content["schema"], 0);
            if let Some(example) = content.get("example") {
                self.add(format!("{at} example {example}"));
            }
            for (name, example) in members(&content["examples"]) {
                self.add(format!("{at} example {name} {}", example["value"]));
            }
        }
    }

    /// Fields by their paths, and the values that a field is limited to.
    fn schema(&mut self, at: &str, schema: &'a Value, depth: usize) {
        self.add(at.to_owned());
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        if let Some(pointer) = reference {
            assert!(depth < 20, "{at}: a schema that holds itself");
            return match self.document.pointer(pointer) {
                Some(schema) => self.schema(at, schema, depth + 1),
                None => panic!("{at}: {pointer} is not in the document"),
            };
        }
        let values = schema["enum"].as_array().map_or(&[][..], Vec::as_slice);
        for value in values.iter().chain(schema.get("const")) {
            self.add(format!("{at} = {value}"));
        }
        for (name, field) in members(&schema["properties"]) {
            self.schema(&format!("{at}.{name}"), field, depth + 1);
        }
        for (keyword, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
            if schema[keyword].is_object() {
                self.schema(&format!("{at}{suffix}"), &schema[keyword], depth + 1);
            }
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            for choice in schema[keyword].as_array().into_iter().flatten() {
                self.schema(at, choice, depth + 1);
            }
        }
    }

    fn add(&mut self, line: String) {
        self.lines.insert(line);
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
