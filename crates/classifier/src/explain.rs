//! Explains labels by class activation maps.
//!
//! The map is exact for a linear layer behind global average pooling: the layer is applied to every
//! position of the last feature map instead of to their mean (Zhou et al., "Learning Deep Features
//! for Discriminative Localization", CVPR 2016). With the bias added at every position, the map's
//! mean is the logit.

use crate::activation_map::ClassActivationMap;
use crate::error::ClassifyError;
use crate::head::Head;
use crate::options::{Class, Explain};
use crate::outputs::Row;
use crate::overlay::{self, OverlayBase};
use crate::rank::Ranked;

/// A label and its class activation map.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Human-readable, from `labels.txt`.
    pub label: String,
    /// Class index.
    pub index: usize,
    /// The class's logit as the model gave it, before the bundle's temperature.
    pub logit: f32,
    /// What each position of the picture adds to the logit.
    pub map: ClassActivationMap,
    /// A PNG file of the input size: the picture as the model sees it, blended with the map. Present
    /// when [`Explain::overlay`] asked for it.
    pub overlay: Option<Vec<u8>>,
}

/// The explanations of one picture, as they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Explanations {
    /// Of the best label: the classes were not named.
    Best(Explanation),
    /// Of each class that was named, in that order.
    Named(Vec<Explanation>),
}

impl Explanations {
    /// All of them, one at least.
    #[must_use]
    pub fn as_slice(&self) -> &[Explanation] {
        match self {
            Self::Best(best) => std::slice::from_ref(best),
            Self::Named(named) => named,
        }
    }
}

/// Explain the wanted classes; `ranked` are the picture's best, one at least.
///
/// `row` must hold class activation maps, or features for the `head`.
pub(crate) fn explain(
    row: &Row<'_>,
    ranked: &[Ranked],
    wanted: &Explain,
    base: &OverlayBase<'_>,
    head: Option<&Head>,
) -> Result<Explanations, ClassifyError> {
    let one = |ranked: &Ranked| {
        let (width, raw) = row.activation_map(ranked.index, head)?;
        let map = ClassActivationMap::new(width, raw);
        let overlay = wanted.overlay.then(|| overlay::png(base, &map)).transpose()?;
        let (label, index) = (ranked.label.clone(), ranked.index);
        Ok(Explanation { label, index, logit: row.logits[index], map, overlay })
    };
    if wanted.classes.is_empty() {
        return one(&ranked[0]).map(Explanations::Best);
    }
    let named = wanted.classes.iter().map(|class| one(find(class, ranked)?));
    Ok(Explanations::Named(named.collect::<Result<_, _>>()?))
}

fn find<'a>(class: &Class, ranked: &'a [Ranked]) -> Result<&'a Ranked, ClassifyError> {
    let is_it = |ranked: &&Ranked| match class {
        Class::Index(index) => ranked.index == *index,
        Class::Label(label) => ranked.label == *label,
    };
    ranked.iter().find(is_it).ok_or_else(|| ClassifyError::NotAmongTheBest {
        class: match class {
            Class::Index(index) => index.to_string(),
            Class::Label(label) => format!("{:?}", label.chars().take(60).collect::<String>()),
        },
        top_k: ranked.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::InputSpec;
    use crate::outputs::MapRow;

    const INPUT: InputSpec = InputSpec::centre_of(4, 4, 4);

    fn ranked(label: &str, index: usize) -> Ranked {
        Ranked { label: label.to_owned(), index, score: 0.5 }
    }

    fn explained(classes: Vec<Class>, overlay: bool) -> Result<Explanations, ClassifyError> {
        // Three classes over two rows of three positions.
        let maps: Vec<f32> = (0..18_u8).map(f32::from).collect();
        let row = Row {
            logits: &[2.5, 8.5, 14.5],
            class_maps: Some(MapRow { values: &maps, width: 3, positions: 6 }),
            features: None,
            embedding: None,
        };
        let best = [ranked("c", 2), ranked("b", 1)];
        let base = OverlayBase { pixels: &[127; 48], input: &INPUT, cells: None };
        explain(&row, &best, &Explain { classes, overlay }, &base, None)
    }

    #[test]
    fn the_best_label_is_explained_unless_others_are_named() {
        let Explanations::Best(best) = explained(Vec::new(), false).unwrap() else {
            panic!("no class was named");
        };
        assert_eq!((best.index, best.logit), (2, 14.5));
        assert_eq!(best.map.raw(), [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
        assert_eq!((best.map.width(), best.map.height()), (3, 2));
        assert!(best.overlay.is_none());
        let explained = explained(vec![Class::Label("b".into()), Class::Index(2)], true).unwrap();
        let Explanations::Named(named) = explained else { panic!("classes were named") };
        let indices: Vec<usize> = named.iter().map(|one| one.index).collect();
        assert_eq!(indices, [1, 2]);
        assert!(named.iter().all(|one| one.overlay.is_some()));
    }

    #[test]
    fn a_class_that_is_not_among_the_best_is_named_in_the_error() {
        for (class, name) in [(Class::Index(0), "0"), (Class::Label("a\n".into()), "\"a\\n\"")] {
            let error = explained(vec![class], false).unwrap_err();
            assert!(
                matches!(&error, ClassifyError::NotAmongTheBest { class, top_k: 2 } if class == name),
                "{error:?}"
            );
        }
    }
}
