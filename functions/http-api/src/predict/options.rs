//! The options of a prediction, from JSON or from the query.

use glimpse_classifier::Options;
use serde_json::Value;

use crate::problem::Problem;

/// More predictions than this are a mistake, not a wish.
const MAX_TOP_K: u64 = 1000;

/// Options as given, not validated yet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    pub(super) top_k: Option<u64>,
    pub(super) min_score: Option<f64>,
    pub(super) explain: Option<Value>,
}

impl Query {
    /// Parse `top_k=3&min_score=0.1`.
    pub(super) fn parse(query: &str) -> Result<Self, Problem> {
        let mut options = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let unusable = |expected: &str| {
                Problem::InvalidParameter(format!("{name} in the query: expected {expected}"))
            };
            match &*name {
                "top_k" => {
                    let number = value.parse().map_err(|_| unusable("a whole number"))?;
                    options.top_k = Some(number);
                }
                "min_score" => {
                    let number = value.parse().map_err(|_| unusable("a number from 0 to 1"))?;
                    options.min_score = Some(number);
                }
                "explain" => options.explain = Some(Value::from(value != "false")),
                // Gateways and clients add parameters of their own; those are not ours to refuse.
                _ => {}
            }
        }
        Ok(options)
    }

    /// These options, or `other`'s where there is none.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            top_k: self.top_k.or(other.top_k),
            min_score: self.min_score.or(other.min_score),
            explain: self.explain.or(other.explain),
        }
    }

    /// Options in range, with defaults for what was not given.
    pub(super) fn validate(self) -> Result<Options, Problem> {
        let refuse = |message: String| Err(Problem::InvalidParameter(message));
        let mut options = Options::default();
        if let Some(top_k) = self.top_k {
            if !(1..=MAX_TOP_K).contains(&top_k) {
                return refuse(format!("top_k is {top_k}; expected 1 to {MAX_TOP_K}"));
            }
            options.top_k = usize::try_from(top_k).unwrap_or(usize::MAX);
        }
        if let Some(min_score) = self.min_score {
            if !(0.0..=1.0).contains(&min_score) {
                return refuse(format!("min_score is {min_score}; expected 0 to 1"));
            }
            #[allow(clippy::cast_possible_truncation)] // 0…1 fits; precision is not the caller's.
            let min_score = min_score as f32;
            options.min_score = min_score;
        }
        match self.explain {
            None | Some(Value::Null | Value::Bool(false)) => Ok(options),
            Some(_) => refuse("explain: this bundle holds no class activation map".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for query in
            ["top_k=0", "top_k=1001", "top_k=-1", "min_score=NaN", "min_score=1.1", "explain=true"]
        {
            let error = Query::parse(query).and_then(Query::validate).unwrap_err();
            let name = query.split('=').next().unwrap();
            assert!(error.to_string().starts_with(name), "{query}: {error}");
        }
    }

    #[test]
    fn the_body_wins_over_the_query() {
        let body = Query { top_k: Some(2), ..Query::default() };
        let options = body.or(Query::parse("top_k=9&min_score=0.5&stage=x").unwrap());
        assert_eq!(options.validate().unwrap(), Options { top_k: 2, min_score: 0.5, ..Options::default() });
    }
}
