//! Why a label: its class activation map, exact for a linear layer behind global average pooling.
//!
//! The linear layer is applied to every place of the last feature map instead of to their mean
//! (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016). With the
//! bias at every place, the map's mean is the logit.

use crate::error::ClassifyError;
use crate::options::{Class, Explain};
use crate::outputs::Row;
use crate::overlay::{self, Ground};
use crate::rank::Ranked;

/// A label and where in the picture it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Human-readable, from `labels.txt`.
    pub label: String,
    /// Class index.
    pub index: usize,
    /// The class's logit as the model gave it, before the bundle's temperature.
    pub logit: f32,
    /// What each place of the picture adds to the logit.
    pub map: ClassMap,
    /// A PNG file: the picture as the model saw it, at the input size, with the map laid over it.
    /// Only where [`Explain::overlay`] asked for it.
    pub overlay: Option<Vec<u8>>,
}

/// A class activation map `[height, width]`, row-major, in units of the logit.
///
/// Its mean is the logit, but for the rounding of a quantized model's pooled features. It covers
/// the model's input, the centre crop of the picture; [`Manifest::class_maps`] says where its cells
/// look.
///
/// [`Manifest::class_maps`]: crate::Manifest::class_maps
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMap {
    width: usize,
    raw: Vec<f32>,
}

impl ClassMap {
    /// `raw` holds full rows, at least one, of finite values.
    pub(crate) fn new(width: usize, raw: Vec<f32>) -> Self {
        Self { width, raw }
    }

    /// Places in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.raw.len() / self.width
    }

    /// The exact values.
    #[must_use]
    pub fn raw(&self) -> &[f32] {
        &self.raw
    }

    /// The lowest exact value.
    #[must_use]
    pub fn minimum(&self) -> f32 {
        self.raw.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// The highest exact value.
    #[must_use]
    pub fn maximum(&self) -> f32 {
        self.raw.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The map in 0…1: `(raw − minimum) / (maximum − minimum)`, and 0 everywhere when it is flat.
    #[must_use]
    pub fn scaled(&self) -> Vec<f32> {
        let (minimum, range) = (self.minimum(), self.maximum() - self.minimum());
        let scale = |raw: &f32| if range > 0.0 { (raw - minimum) / range } else { 0.0 };
        self.raw.iter().map(scale).collect()
    }
}

/// Explain the wanted classes, in the order of `wanted`; `ranked` are the picture's best.
///
/// `row` must hold class maps.
pub(crate) fn explain(
    row: &Row<'_>,
    ranked: &[Ranked],
    wanted: &Explain,
    ground: &Ground<'_>,
) -> Result<Vec<Explanation>, ClassifyError> {
    let one = |ranked: &Ranked| {
        let (width, raw) = row.class_map(ranked.index).ok_or(ClassifyError::NoClassMaps)?;
        let map = ClassMap::new(width, raw.to_vec());
        let overlay = wanted.overlay.then(|| overlay::png(ground, &map)).transpose()?;
        let (label, index) = (ranked.label.clone(), ranked.index);
        Ok(Explanation { label, index, logit: row.logits[index], map, overlay })
    };
    if wanted.classes.is_empty() {
        return ranked.iter().take(1).map(one).collect();
    }
    wanted.classes.iter().map(|class| one(find(class, ranked)?)).collect()
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
    use crate::bundle::{InputSpec, Interpolation};
    use crate::outputs::MapRow;

    const INPUT: InputSpec = InputSpec {
        height: 4,
        width: 4,
        resize_shorter_side: 4,
        interpolation: Interpolation::BilinearAntialias,
    };

    fn ranked(label: &str, index: usize) -> Ranked {
        Ranked { label: label.to_owned(), index, score: 0.5 }
    }

    fn explained(classes: Vec<Class>, overlay: bool) -> Result<Vec<Explanation>, ClassifyError> {
        // Three classes over two rows of three places.
        let maps: Vec<f32> = (0..18_u8).map(f32::from).collect();
        let row = Row {
            logits: &[2.5, 8.5, 14.5],
            class_maps: Some(MapRow { values: &maps, width: 3, places: 6 }),
            embedding: None,
        };
        let best = [ranked("c", 2), ranked("b", 1)];
        let ground = Ground { pixels: &[127; 48], input: &INPUT, cells: None };
        explain(&row, &best, &Explain { classes, overlay }, &ground)
    }

    #[test]
    fn the_best_label_is_explained_unless_others_are_named() {
        let best = explained(Vec::new(), false).unwrap();
        assert_eq!((best.len(), best[0].index, best[0].logit), (1, 2, 14.5));
        assert_eq!(best[0].map.raw(), [12.0, 13.0, 14.0, 15.0, 16.0, 17.0]);
        assert_eq!((best[0].map.width(), best[0].map.height()), (3, 2));
        assert!(best[0].overlay.is_none());
        let named = explained(vec![Class::Label("b".into()), Class::Index(2)], true).unwrap();
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

    #[test]
    fn scaling_is_undone_by_minimum_and_maximum() {
        let map = ClassMap::new(2, vec![-3.0, 1.0, 0.0, 5.0]);
        assert_eq!(map.scaled(), [0.0, 0.5, 0.375, 1.0]);
        assert_eq!((map.minimum(), map.maximum()), (-3.0, 5.0));
        assert_eq!(ClassMap::new(1, vec![7.0, 7.0]).scaled(), [0.0, 0.0]);
    }
}
