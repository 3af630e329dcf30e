//! The JSON forms of `POST /predict`.

use std::borrow::Cow;

use serde::Deserialize;

use super::explain::Explained;
use super::options::Query;
use crate::base64_text;
use crate::object::Location;
use crate::payload;
use crate::problem::Problem;

/// The body; base64 stays borrowed from it until it is decoded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Body<'a> {
    #[serde(borrow)]
    image_data: Option<Text<'a>>,
    #[serde(borrow)]
    image: Option<Text<'a>>,
    #[serde(borrow)]
    images: Option<Vec<Text<'a>>>,
    s3: Option<Location>,
    top_k: Option<u64>,
    min_score: Option<f64>,
    abstain_below: Option<f64>,
    explain: Option<Explained>,
    embedding: Option<bool>,
    ood: Option<bool>,
}

/// A string without a copy, unless it has escapes (some encoders write `\/`).
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What is to be classified.
pub(super) enum Pictures {
    One(Vec<u8>),
    Batch(Vec<Result<Vec<u8>, Problem>>),
    Object(Location),
}

/// Pictures and options of a JSON body; `query` has the options that the body lacks.
pub(super) fn parse(
    body: &[u8],
    query: Query,
    max_batch: usize,
) -> Result<(Pictures, Query), Problem> {
    let body: Body<'_> = payload::json(body)?;
    let options = Query {
        top_k: body.top_k,
        min_score: body.min_score,
        abstain_below: body.abstain_below,
        explain: body.explain,
        embedding: body.embedding,
        ood: body.ood,
    };
    let options = options.or(query);
    let pictures = match (body.image_data, body.image, body.images, body.s3) {
        (Some(text), None, None, None) | (None, Some(text), None, None) => {
            Pictures::One(base64_text::picture(&text.0)?)
        }
        (None, None, Some(images), None) => batch(&images, max_batch)?,
        (None, None, None, Some(location)) => Pictures::Object(location),
        (None, None, None, None) => return Err(Problem::MissingImage),
        _ => {
            let message = "image_data, image, images and s3 exclude each other; send one of them";
            return Err(Problem::InvalidParameter(message.to_owned()));
        }
    };
    Ok((pictures, options))
}

fn batch(images: &[Text<'_>], limit: usize) -> Result<Pictures, Problem> {
    let count = images.len();
    if count == 0 {
        return Err(Problem::MissingImage);
    }
    if count > limit {
        return Err(Problem::BatchTooLarge { count, limit });
    }
    Ok(Pictures::Batch(images.iter().map(|text| base64_text::picture(&text.0)).collect()))
}
