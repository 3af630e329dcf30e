//! Pictures in rows (`instances`) or in a column (`inputs`).

use std::borrow::Cow;
use std::fmt;

use glimpse_classifier::Options;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::Format;
use crate::extract::base64::{self, Text};
use crate::extract::body;
use crate::extract::bounded::Bounded;
use crate::extract::page::page;
use crate::extract::strict_object::StrictObject;
use crate::extract::uint::UInt;
use crate::problem::Problem;

/// What a request asks for.
pub(crate) struct Classify<'a> {
    pub(super) format: Format,
    pub(crate) pictures: Vec<Vec<u8>>,
    /// What each row calls its picture.
    pub(super) keys: Vec<Option<&'a RawValue>>,
    pub(crate) options: Options,
}

/// Parse a body; one picture that is not base64 fails the request.
pub(crate) fn parse(body: &[u8], max_batch: usize) -> Result<Classify<'_>, Problem> {
    let body: Body<'_> = body::json(body)?;
    let options = Options { page: body.page()?, ..Options::default() };
    let (format, sent) = body.pictures(max_batch)?;
    let pictures = sent.iter().map(|picture| base64::picture(&picture.text));
    let pictures = pictures.collect::<Result<_, _>>()?;
    let keys = sent.into_iter().map(|picture| picture.key).collect();
    Ok(Classify { format, pictures, keys, options })
}

/// The body of a prediction.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with instances or inputs")]
#[schema(as = TensorFlowRequest)]
pub(super) struct Body<'a> {
    /// The rows.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Row>>)]
    instances: Option<Bounded<StrictObject<Row<'a>>>>,
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Base64>>)]
    inputs: Option<Column<'a>>,
    /// There is one signature; whatever a client calls it, it is meant.
    #[serde(rename = "signature_name")]
    #[schema(value_type = Option<String>)]
    _signature_name: Option<Cow<'a, str>>,
    /// As Vertex AI writes options.
    #[schema(value_type = Option<Parameters>)]
    parameters: Option<StrictObject<Parameters>>,
}

/// Options for all pictures; others than these are not looked at.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object")]
#[schema(as = TensorFlowParameters)]
struct Parameters {
    /// The page of a TIFF, from 0; the first one unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 65_534)]
    page: Option<UInt>,
}

/// `{"b64": …}` or, by the input's name, `{"image": {"b64": …}}`.
#[derive(Deserialize, ToSchema)]
#[schema(as = TensorFlowRow)]
#[serde(deny_unknown_fields, expecting = r#"{"b64": …}, {"image": {"b64": …}} or {"content": …}"#)]
struct Row<'a> {
    #[serde(borrow)]
    b64: Option<Text<'a>>,
    #[serde(borrow, alias = "image_bytes")]
    #[schema(value_type = Option<Base64>)]
    image: Option<StrictObject<Base64<'a>>>,
    /// As Vertex AI calls it.
    #[serde(borrow)]
    content: Option<Text<'a>>,
    /// Of `content`; the format is detected from the bytes.
    #[serde(rename = "mimeType")]
    #[schema(ignore)]
    _mime_type: Option<IgnoredAny>,
    /// Comes back beside the prediction.
    #[serde(borrow)]
    #[schema(value_type = Option<Object>)]
    key: Option<&'a RawValue>,
}

/// A picture's base64, and what its row calls it.
struct Picture<'a> {
    text: Cow<'a, str>,
    key: Option<&'a RawValue>,
}

/// Bytes in JSON, as TensorFlow writes them.
#[derive(Deserialize, ToSchema)]
#[schema(as = TensorFlowBytes)]
#[serde(deny_unknown_fields, expecting = r#"{"b64": …}"#)]
struct Base64<'a> {
    #[serde(borrow)]
    b64: Text<'a>,
}

/// `[{"b64": …}, …]` or, by the input's name, `{"image": [{"b64": …}, …]}`.
struct Column<'a>(Bounded<StrictObject<Base64<'a>>>);

impl<'a> Body<'a> {
    /// The page of a TIFF.
    fn page(&self) -> Result<u32, Problem> {
        let parameters = self.parameters.as_ref().map(|StrictObject(given)| given);
        page(parameters.and_then(|given| given.page).map(|number| number.0))
    }

    /// One picture at least and `limit` at most.
    fn pictures(self, limit: usize) -> Result<(Format, Vec<Picture<'a>>), Problem> {
        match (self.instances, self.inputs) {
            (Some(rows), None) => {
                let texts = rows.batch(limit)?.into_iter().map(|StrictObject(row)| row.picture());
                Ok((Format::Rows, texts.collect::<Result<_, _>>()?))
            }
            (None, Some(Column(pictures))) => {
                let texts = pictures
                    .batch(limit)?
                    .into_iter()
                    .map(|StrictObject(picture)| Picture { text: picture.b64.0, key: None });
                Ok((Format::Columns, texts.collect()))
            }
            _ => Err(invalid("send instances, a list of rows, or inputs, a list as the column")),
        }
    }
}

impl<'a> Row<'a> {
    fn picture(self) -> Result<Picture<'a>, Problem> {
        let Self { b64, image, content, key, .. } = self;
        let text = match (b64, image, content) {
            (Some(text), None, None) | (None, None, Some(text)) => text.0,
            (None, Some(StrictObject(picture)), None) => picture.b64.0,
            _ => {
                let forms =
                    r#"each instance is {"b64": …}, {"image": {"b64": …}} or {"content": …}"#;
                return Err(invalid(forms));
            }
        };
        let is_key = |key: &RawValue| !key.get().starts_with(['{', '[', 't', 'f']);
        if key.is_some_and(|key| !is_key(key)) {
            return Err(invalid("the key of an instance is a string or a number"));
        }
        Ok(Picture { text, key })
    }
}

fn invalid(message: &str) -> Problem {
    Problem::InvalidParameter(message.to_owned())
}

impl<'de: 'a, 'a> Deserialize<'de> for Column<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = Column<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(r#"[{"b64": …}] or {"image": [{"b64": …}]}"#)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Column<'de>, A::Error> {
        Bounded::deserialize(SeqAccessDeserializer::new(list)).map(Column)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Column<'de>, A::Error> {
        let only = "inputs has one member, image";
        match map.next_key::<Text<'de>>()? {
            Some(Text(name)) if matches!(&*name, "image" | "image_bytes") => {}
            _ => return Err(A::Error::custom(only)),
        }
        let column = map.next_value().map(Column)?;
        match map.next_key::<Text<'de>>()? {
            None => Ok(column),
            Some(_) => Err(A::Error::custom(only)),
        }
    }
}

/// What the derived schemas cannot say: rows and columns exclude each other, and each has two forms.
pub(crate) fn constrain_schemas(schemas: &mut Value) {
    let picture = json!({ "$ref": "#/components/schemas/TensorFlowBytes" });
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
    let row = |name: &str, value: Value| {
        let key = json!({ "type": ["string", "number", "null"], "description": "Comes back beside the prediction" });
        json!({ "type": "object", "additionalProperties": false, "required": [name],
                "properties": { name: value, "key": key } })
    };
    schemas["TensorFlowAnswerRow"]["allOf"][2]["properties"]["key"]["type"] =
        json!(["string", "number", "null"]);
    let text = json!({ "$ref": "#/components/schemas/Base64Picture" });
    schemas["TensorFlowRow"] = json!({
        "description": "One picture: by itself, by the input's name, or as Vertex AI writes it",
        "oneOf": [row("b64", text.clone()), row("image", picture.clone()), row("image_bytes", picture), row("content", text)]
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(json: &str) -> Result<Vec<String>, Problem> {
        let body: Body<'_> = body::json(json.as_bytes())?;
        Ok(body.pictures(2)?.1.into_iter().map(|picture| picture.text.into_owned()).collect())
    }

    #[test]
    fn rows_and_columns_hold_the_same_pictures() {
        for json in [
            r#"{"instances": [{"b64": "A"}, {"b64": "B"}]}"#,
            r#"{"instances": [{"image": {"b64": "A"}}, {"image_bytes": {"b64": "B"}}]}"#,
            r#"{"signature_name": "serving_default", "inputs": [{"b64": "A"}, {"b64": "B"}]}"#,
            r#"{"inputs": {"image": [{"b64": "A"}, {"b64": "B"}]}, "inputs_": 1}"#,
            r#"{"instances": [{"content": "A", "mimeType": "image/png"}, {"b64": "B", "key": 7}]}"#,
        ] {
            assert_eq!(pictures(json).unwrap(), ["A", "B"], "{json}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for json in [
            "{}",
            r#"{"instances": [{"b64": "A"}], "inputs": [{"b64": "A"}]}"#,
            r#"{"instances": [{}]}"#,
            r#"{"instances": [{"b64": "A", "image": {"b64": "A"}}]}"#,
            r#"{"instances": [{"picture": {"b64": "A"}}]}"#,
            r#"{"instances": {"b64": "A"}}"#,
            r#"{"instances": [{"b64": "A", "key": {"a": 1}}]}"#,
            r#"{"instances": [{"b64": "A", "content": "A"}]}"#,
            r#"{"inputs": "A"}"#,
            r#"{"inputs": {}}"#,
            r#"{"inputs": {"image": [{"b64": "A"}], "mask": []}}"#,
            r#"{"inputs": {"mask": [{"b64": "A"}]}}"#,
            r#"{"inputs": {"image": {"b64": "A"}}}"#,
            r#"{"inputs": [["A"]]}"#,
            r#"{"instances": [{"b64": "A"}], "parameters": {"page": -1}}"#,
            r#"{"instances": [{"b64": "A"}], "parameters": {"page": "1"}}"#,
            r#"{"instances": [{"b64": "A"}], "parameters": [1]}"#,
            r#"{"instances": [["A"]]}"#,
            r#"{"instances": [{"image": ["A"]}]}"#,
        ] {
            assert!(matches!(pictures(json), Err(Problem::InvalidParameter(_))), "{json}");
        }
        let many = r#"{"instances": [{"b64": ""}, {"b64": ""}, {"b64": ""}]}"#;
        assert!(matches!(pictures(many), Err(Problem::BatchTooLarge { count: 3, limit: 2 })));
    }
}
