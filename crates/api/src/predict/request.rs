//! The JSON forms of `POST /predict`.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::explain::Explained;
use super::options::Query;
use crate::extract::base64::{self, Text};
use crate::extract::body;
use crate::extract::bounded::Bounded;
use crate::extract::strict_object::StrictObject;
use crate::extract::uint::UInt;
use crate::problem::Problem;
use crate::s3_object::Location;

/// The body; base64 stays borrowed from it until it is decoded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
#[schema(as = PredictRequest)]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    image_data: Option<Text<'a>>,
    /// The same as `image_data`.
    #[serde(borrow)]
    image: Option<Text<'a>>,
    /// A batch.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Text>>, min_items = 1)]
    images: Option<Bounded<Text<'a>>>,
    /// An object of a bucket that the service may read.
    #[schema(value_type = Option<Location>)]
    s3: Option<StrictObject<Location>>,
    /// The page of a TIFF, from 0; the first one unless given.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 65_534)]
    page: Option<UInt>,
    /// How many predictions; 5 unless given.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1000)]
    top_k: Option<UInt>,
    /// Predictions with a lower score are left out.
    #[schema(minimum = 0, maximum = 1)]
    min_score: Option<f64>,
    /// Where the best score is lower, `label` is null.
    #[schema(minimum = 0, maximum = 1)]
    abstain_below: Option<f64>,
    #[schema(value_type = Option<Object>)]
    explain: Option<Explained>,
    /// Give the pooled features; refused by a bundle that does not have them.
    embedding: Option<bool>,
    /// Give the energy, an out-of-distribution score.
    ood: Option<bool>,
}

/// What is to be classified.
pub(crate) enum Pictures {
    One(Vec<u8>),
    Batch(Vec<Result<Vec<u8>, Problem>>),
    Object(Location),
}

/// Pictures and options of a JSON body.
pub(super) fn parse(body: &[u8], max_batch: usize) -> Result<(Pictures, Query), Problem> {
    let body: Body<'_> = body::json(body)?;
    let options = Query {
        page: body.page.map(|number| number.0),
        top_k: body.top_k.map(|number| number.0),
        min_score: body.min_score,
        abstain_below: body.abstain_below,
        explain: body.explain,
        embedding: body.embedding,
        ood: body.ood,
    };
    let pictures = match (body.image_data, body.image, body.images, body.s3) {
        (Some(text), None, None, None) | (None, Some(text), None, None) => {
            Pictures::One(base64::picture(&text.0)?)
        }
        (None, None, Some(images), None) => batch(&images.batch(max_batch)?),
        (None, None, None, Some(StrictObject(location))) => Pictures::Object(location),
        (None, None, None, None) => return Err(Problem::MissingImage),
        _ => {
            let message = "image_data, image, images and s3 exclude each other; send one of them";
            return Err(Problem::InvalidParameter(message.to_owned()));
        }
    };
    Ok((pictures, options))
}

fn batch(images: &[Text<'_>]) -> Pictures {
    Pictures::Batch(images.iter().map(|text| base64::picture(&text.0)).collect())
}

/// What the derived schemas cannot say: the forms of a request exclude each other; `explain` has many.
pub(crate) fn constrain_schemas(schemas: &mut Value) {
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
}
