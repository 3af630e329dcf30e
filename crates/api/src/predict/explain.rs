//! The option `explain`: which labels, and as numbers or as a picture.

use std::fmt;

use glimpse_classifier::{Class, Explain};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::extract::bounded::Bounded;
use crate::problem::Problem;

/// More labels than this in one request are a mistake, not a wish.
pub(super) const MAX_LABELS: usize = 10;

/// `true`, `false`, `"map"`, `"png"`, or an object; `true` means `"map"`.
#[derive(Debug)]
pub(super) enum Explained {
    Switch(bool),
    Format(Format),
    Chosen(Chosen),
}

/// How an explanation is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The class activation map's values.
    #[default]
    Map,
    /// The values, and an overlay picture.
    Png,
}

/// Labels by name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// 1 to 10 of the `top_k` best; absent, the best one.
    #[serde(default, deserialize_with = "few")]
    pub(super) labels: Option<Vec<Named>>,
    /// `"map"` unless given.
    #[serde(default)]
    pub(super) format: Format,
}

/// A class's index, or its label.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "explain: a label is a string or a class index")]
pub(super) enum Named {
    Index(usize),
    Label(String),
}

impl Explained {
    /// From a query or a form, where labels are parameters of their own.
    pub(super) fn parse(
        value: Option<&str>,
        labels: Vec<Named>,
        place: &str,
    ) -> Result<Option<Self>, Problem> {
        let format = match value {
            Some("false") => return Ok(Some(Self::Switch(false))),
            Some("true" | "map") => Format::Map,
            Some("png") => Format::Png,
            None if labels.is_empty() => return Ok(None),
            None => Format::Map,
            Some(_) => {
                let message = format!("explain in {place}: expected true, false, map or png");
                return Err(Problem::InvalidParameter(message));
            }
        };
        let labels = (!labels.is_empty()).then_some(labels);
        Ok(Some(Self::Chosen(Chosen { labels, format })))
    }

    /// What the classifier is asked for, if anything.
    pub(super) fn validate(self) -> Result<Option<Explain>, Problem> {
        let Chosen { labels, format } = match self {
            Self::Switch(false) => return Ok(None),
            Self::Switch(true) => Chosen::default(),
            Self::Format(format) => Chosen { labels: None, format },
            Self::Chosen(chosen) => chosen,
        };
        if labels.as_ref().is_some_and(|labels| !(1..=MAX_LABELS).contains(&labels.len())) {
            return Err(Problem::InvalidParameter(wrong_number()));
        }
        let labels = labels.unwrap_or_default();
        let classes = labels.into_iter().map(Class::from).collect();
        Ok(Some(Explain { classes, overlay: format == Format::Png }))
    }
}

fn wrong_number() -> String {
    format!("explain: expected 1 to {MAX_LABELS} labels")
}

/// A long list is refused without being kept.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Named>>, D::Error> {
    let Some(labels) = Option::<Bounded<Named>>::deserialize(deserializer)? else {
        return Ok(None);
    };
    labels.at_most(MAX_LABELS).map(Some).ok_or_else(|| D::Error::custom(wrong_number()))
}

impl Named {
    /// From the query: digits are an index.
    pub(super) fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Label(text.to_owned()), Self::Index)
    }
}

impl From<Named> for Class {
    fn from(named: Named) -> Self {
        match named {
            Named::Index(index) => Self::Index(index),
            Named::Label(label) => Self::Label(label),
        }
    }
}

/// By hand: a derived one would take a list for an object, and keep all of it before it is refused.
impl<'de> Deserialize<'de> for Explained {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Explained;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(r#"explain to be true, false, "map", "png" or an object"#)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Explained, E> {
        Ok(Explained::Switch(on))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Explained, E> {
        match text {
            "map" => Ok(Explained::Format(Format::Map)),
            "png" => Ok(Explained::Format(Format::Png)),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Explained, A::Error> {
        Chosen::deserialize(MapAccessDeserializer::new(object)).map(Explained::Chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Option<Explain>, String> {
        let explained: Explained = serde_json::from_str(json).map_err(|error| error.to_string())?;
        explained.validate().map_err(|problem| problem.to_string())
    }

    fn wanted(classes: Vec<Class>, overlay: bool) -> Option<Explain> {
        Some(Explain { classes, overlay })
    }

    #[test]
    fn every_documented_form_is_read() {
        let (cat, third) = (Class::Label("cat".into()), Class::Index(3));
        let forms = [
            ("false", None),
            ("true", wanted(Vec::new(), false)),
            (r#""map""#, wanted(Vec::new(), false)),
            (r#""png""#, wanted(Vec::new(), true)),
            ("{}", wanted(Vec::new(), false)),
            (r#"{"format": "png"}"#, wanted(Vec::new(), true)),
            (r#"{"labels": ["cat", 3]}"#, wanted(vec![cat, third.clone()], false)),
            (r#"{"labels": [3], "format": "png"}"#, wanted(vec![third], true)),
        ];
        for (json, expected) in forms {
            assert_eq!(parse(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let eleven = format!(r#"{{"labels": {:?}}}"#, [0; 11]);
        for json in [
            "1",
            r#""jpeg""#,
            "[]",
            r#"[["cat"], "png"]"#,
            r#"{"labels": []}"#,
            r#"{"labels": [-1]}"#,
            r#"{"labels": [1.5]}"#,
            r#"{"labels": [null]}"#,
            &eleven,
        ] {
            let error = parse(json).unwrap_err();
            assert!(error.contains("explain"), "{json}: {error}");
        }
        for json in [r#"{"label": "cat"}"#, r#"{"format": "jpeg"}"#, r#"{"labels": "cat"}"#] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}
