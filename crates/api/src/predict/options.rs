//! The options of a prediction, from JSON or from the query.

use glimpse_classifier::Options;
use utoipa::{IntoParams, ToSchema};

use super::explain::{Explained, MAX_LABELS, Named};
use crate::extract::page::page;
use crate::problem::Problem;

/// Maximum for `top_k`.
const MAX_TOP_K: u64 = 1000;

/// Options as given, not validated yet.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) page: Option<u64>,
    pub(super) top_k: Option<u64>,
    pub(super) min_score: Option<f64>,
    pub(super) abstain_below: Option<f64>,
    pub(super) explain: Option<Explained>,
    pub(super) embedding: Option<bool>,
    pub(super) ood: Option<bool>,
}

/// The options in the query, for the `OpenAPI` document; [`Query::parse`] reads them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct QueryParameters {
    /// The page of a TIFF, from 0
    #[param(minimum = 0, maximum = 65_534, default = 0)]
    page: Option<u32>,
    /// How many predictions
    #[param(minimum = 1, maximum = 1000, default = 5)]
    top_k: Option<u32>,
    /// Leave out predictions with a lower score
    #[param(minimum = 0, maximum = 1, default = 0)]
    min_score: Option<f64>,
    /// Where the best score is lower, `label` is null
    #[param(minimum = 0, maximum = 1, default = 0)]
    abstain_below: Option<f64>,
    /// Where the model looked
    #[param(inline)]
    explain: Option<ExplainParameter>,
    /// A label or class index to explain, of the `top_k` best; may be repeated
    #[param(max_items = 10)]
    explain_label: Option<Vec<String>>,
    /// Give the pooled features
    #[param(default = false)]
    embedding: Option<bool>,
    /// Give the energy, an out-of-distribution score
    #[param(default = false)]
    ood: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code)]
enum ExplainParameter {
    True,
    False,
    Map,
    Png,
}

impl Query {
    /// Parse `top_k=3&min_score=0.1&explain=png&explain_label=cat`.
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        Self::from_pairs(form_urlencoded::parse(query.as_bytes()), "the query")
    }

    /// From names and values in `place`.
    pub(super) fn from_pairs<T: AsRef<str>>(
        pairs: impl Iterator<Item = (T, T)>,
        place: &str,
    ) -> Result<Self, Problem> {
        let mut options = Self::default();
        let (mut explain, mut labels) = (None, Vec::new());
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            let unusable = |expected: &str| {
                Problem::InvalidParameter(format!("{name} in {place}: expected {expected}"))
            };
            let switch = || value.parse().map_err(|_| unusable("true or false"));
            // Checked even where the body overrides it.
            let share = || {
                let number: f64 = value.parse().map_err(|_| unusable("a number from 0 to 1"))?;
                share(name, Some(number)).map(|_| number)
            };
            let number = || value.parse().map_err(|_| unusable("a whole number"));
            match name {
                "page" => {
                    let number = number()?;
                    page(Some(number))?;
                    options.page = Some(number);
                }
                "top_k" => {
                    let number = number()?;
                    top_k(number)?;
                    options.top_k = Some(number);
                }
                "min_score" => options.min_score = Some(share()?),
                "abstain_below" => options.abstain_below = Some(share()?),
                "embedding" => options.embedding = Some(switch()?),
                "ood" => options.ood = Some(switch()?),
                "explain" => explain = Some(value.to_owned()),
                // One over the limit is enough to be refused.
                "explain_label" if labels.len() <= MAX_LABELS => labels.push(Named::parse(value)),
                // Gateways and clients add parameters of their own; those are not ours to refuse.
                _ => {}
            }
        }
        options.explain = Explained::parse(explain.as_deref(), labels, place)?;
        Ok(options)
    }

    /// These options, or `other`'s where there is none.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            page: self.page.or(other.page),
            top_k: self.top_k.or(other.top_k),
            min_score: self.min_score.or(other.min_score),
            abstain_below: self.abstain_below.or(other.abstain_below),
            explain: self.explain.or(other.explain),
            embedding: self.embedding.or(other.embedding),
            ood: self.ood.or(other.ood),
        }
    }

    /// Options in range, with defaults for what was not given.
    pub(super) fn validate(self) -> Result<Options, Problem> {
        let default = Options::default();
        Ok(Options {
            page: page(self.page)?,
            top_k: self.top_k.map_or(Ok(default.top_k), top_k)?,
            min_score: share("min_score", self.min_score)?,
            abstain_below: share("abstain_below", self.abstain_below)?,
            explain: self.explain.map_or(Ok(None), Explained::validate)?,
            embedding: self.embedding.unwrap_or_default(),
            energy: self.ood.unwrap_or_default(),
        })
    }
}

fn top_k(given: u64) -> Result<usize, Problem> {
    if (1..=MAX_TOP_K).contains(&given) {
        return Ok(usize::try_from(given).unwrap_or(usize::MAX));
    }
    let message = format!("top_k is {given}; expected 1 to {MAX_TOP_K}");
    Err(Problem::InvalidParameter(message))
}

/// 0 where nothing was given.
fn share(name: &str, given: Option<f64>) -> Result<f32, Problem> {
    let given = given.unwrap_or_default();
    if (0.0..=1.0).contains(&given) {
        #[allow(clippy::cast_possible_truncation)] // 0…1 fits; precision is not the caller's.
        return Ok(given as f32);
    }
    Err(Problem::InvalidParameter(format!("{name} is {given}; expected 0 to 1")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpse_classifier::{Class, Explain};

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let many_labels = "explain_label=1&".repeat(11);
        for query in [
            "page=-1",
            "page=first",
            "page=1.0",
            "page=",
            "page=65535",
            "top_k=0",
            "top_k=1001",
            "top_k=-1",
            "min_score=NaN",
            "min_score=1.1",
            "abstain_below=NaN",
            "abstain_below=-0.5",
            "abstain_below=2",
            "explain=yes",
            "explain=",
            "embedding=1",
            "ood=maybe",
            &many_labels,
        ] {
            let error = Query::parse(query).and_then(Query::validate).unwrap_err();
            let name = query.split(['=', '_']).next().unwrap();
            assert!(error.to_string().starts_with(name), "{query}: {error}");
        }
    }

    #[test]
    fn the_body_wins_over_the_query() {
        let body = Query { top_k: Some(2), ood: Some(false), ..Query::default() };
        let options = body.or(Query::parse("top_k=9&min_score=0.5&ood=true&stage=x").unwrap());
        let expected = Options { top_k: 2, min_score: 0.5, ..Options::default() };
        assert_eq!(options.validate().unwrap(), expected);
    }

    #[test]
    fn labels_in_the_query_are_explained() {
        let options = |query: &str| Query::parse(query).and_then(Query::validate).unwrap();
        let classes = vec![Class::Label("tabby, tabby cat".into()), Class::Index(7)];
        let query = "explain_label=tabby%2C+tabby+cat&explain_label=7";
        let map = Explain { classes: classes.clone(), overlay: false };
        assert_eq!(options(query).explain, Some(map));
        let png = Explain { classes, overlay: true };
        assert_eq!(options(&format!("explain=png&{query}")).explain, Some(png));
        assert_eq!(options(&format!("explain=false&{query}")).explain, None);
    }
}
