//! The JSON forms of `POST /predict`.

use serde::Deserialize;
use utoipa::ToSchema;

use super::explain::Explained;
use super::options::Query;
use crate::base64_text::{self, Text};
use crate::bounded::Bounded;
use crate::members::Members;
use crate::object::Location;
use crate::payload;
use crate::problem::Problem;
use crate::whole::Whole;

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
    s3: Option<Members<Location>>,
    /// How many predictions; 5 unless given.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1000)]
    top_k: Option<Whole>,
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
        top_k: body.top_k.map(|whole| whole.0),
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
        (None, None, Some(images), None) => batch(&images.batch(max_batch)?),
        (None, None, None, Some(Members(location))) => Pictures::Object(location),
        (None, None, None, None) => return Err(Problem::MissingImage),
        _ => {
            let message = "image_data, image, images and s3 exclude each other; send one of them";
            return Err(Problem::InvalidParameter(message.to_owned()));
        }
    };
    Ok((pictures, options))
}

fn batch(images: &[Text<'_>]) -> Pictures {
    Pictures::Batch(images.iter().map(|text| base64_text::picture(&text.0)).collect())
}
