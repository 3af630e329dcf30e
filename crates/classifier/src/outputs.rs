//! The outputs of one run of the session, and the part that belongs to one picture.

use crate::error::ClassifyError;
use crate::head::Head;

/// The outputs of a run, picture after picture.
pub(crate) struct Outputs {
    n: usize,
    classes: usize,
    /// `[n × classes]`.
    logits: Vec<f32>,
    /// `[n × classes × positions]`.
    class_maps: Option<Maps>,
    /// `[n × channels × positions]`.
    features: Option<Maps>,
    /// `[n × dimension]`.
    embedding: Option<Vec<f32>>,
}

struct Maps {
    values: Vec<f32>,
    width: usize,
    positions: usize,
}

impl Maps {
    /// Where `shape` is `[n, channels, height, width]` with at least one position.
    fn new(shape: &[i64], values: Vec<f32>, wanted: [usize; 2]) -> Option<Self> {
        let sides: Vec<usize> = shape.iter().filter_map(|&side| side.try_into().ok()).collect();
        let &[n, channels, height, width] = sides.as_slice() else { return None };
        let positions = height * width;
        let fits = positions > 0 && values.len() == n * channels * positions;
        (wanted == [n, channels] && fits).then_some(Self { values, width, positions })
    }

    /// Those of one of `n` pictures.
    fn row(&self, n: usize, picture: usize) -> MapRow<'_> {
        let Self { ref values, width, positions } = *self;
        MapRow { values: part(values, n, picture), width, positions }
    }
}

/// The outputs for one picture.
pub(crate) struct Row<'a> {
    pub(crate) logits: &'a [f32],
    pub(crate) class_maps: Option<MapRow<'a>>,
    pub(crate) features: Option<MapRow<'a>>,
    pub(crate) embedding: Option<&'a [f32]>,
}

/// The maps `[classes × positions]` or features `[channels × positions]` of one picture; positions are row-major, `width` in a row.
pub(crate) struct MapRow<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) width: usize,
    pub(crate) positions: usize,
}

impl Outputs {
    pub(crate) fn new(logits: Vec<f32>, n: usize, classes: usize) -> Result<Self, ClassifyError> {
        if n == 0 || logits.len() != n * classes {
            return Err(ClassifyError::OutputShape { output: "logits" });
        }
        Ok(Self { n, classes, logits, class_maps: None, features: None, embedding: None })
    }

    /// `shape` must be `[n, classes, height, width]` with at least one position.
    pub(crate) fn with_class_maps(
        mut self,
        shape: &[i64],
        values: Vec<f32>,
    ) -> Result<Self, ClassifyError> {
        let maps = Maps::new(shape, values, [self.n, self.classes]);
        self.class_maps = Some(maps.ok_or(ClassifyError::OutputShape { output: "class_maps" })?);
        Ok(self)
    }

    /// `shape` must be `[n, channels, height, width]` with at least one position.
    pub(crate) fn with_features(
        mut self,
        shape: &[i64],
        values: Vec<f32>,
        channels: usize,
    ) -> Result<Self, ClassifyError> {
        let maps = Maps::new(shape, values, [self.n, channels]);
        self.features = Some(maps.ok_or(ClassifyError::OutputShape { output: "features" })?);
        Ok(self)
    }

    /// `values` must be `n` vectors `[dimension]`.
    pub(crate) fn with_embedding(
        mut self,
        values: Vec<f32>,
        dimension: usize,
    ) -> Result<Self, ClassifyError> {
        if values.len() != self.n * dimension {
            return Err(ClassifyError::OutputShape { output: "embedding" });
        }
        self.embedding = Some(values);
        Ok(self)
    }

    pub(crate) fn into_logits(self) -> Vec<f32> {
        self.logits
    }

    /// One for each picture, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.n).map(|picture| self.row(picture))
    }

    /// That of one picture, which there must be.
    pub(crate) fn row(&self, picture: usize) -> Row<'_> {
        Row {
            logits: part(&self.logits, self.n, picture),
            class_maps: self.class_maps.as_ref().map(|maps| maps.row(self.n, picture)),
            features: self.features.as_ref().map(|maps| maps.row(self.n, picture)),
            embedding: self.embedding.as_deref().map(|values| part(values, self.n, picture)),
        }
    }
}

/// The `picture`th of `n` equal parts.
fn part(values: &[f32], n: usize, picture: usize) -> &[f32] {
    let length = values.len() / n;
    &values[picture * length..(picture + 1) * length]
}

impl Row<'_> {
    /// Width and values of a class's activation map, if the run made maps or features.
    pub(crate) fn activation_map(
        &self,
        class: usize,
        head: Option<&Head>,
    ) -> Result<(usize, Vec<f32>), ClassifyError> {
        if let Some(MapRow { values, width, positions }) = self.class_maps.as_ref() {
            let map = values.get(class * positions..(class + 1) * positions);
            return Ok((*width, map.ok_or(ClassifyError::NoClassMaps)?.to_vec()));
        }
        let (Some(features), Some(head)) = (self.features.as_ref(), head) else {
            return Err(ClassifyError::NoClassMaps);
        };
        Ok((features.width, head.map(class, features.values)?))
    }

    /// What the head sees of the picture: the graph's own, or the mean of the features.
    pub(crate) fn embedding(&self) -> Option<Vec<f32>> {
        if let Some(embedding) = self.embedding {
            return Some(embedding.to_vec());
        }
        let MapRow { values, positions, .. } = self.features.as_ref()?;
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // A few positions.
        let mean = |channel: &[f32]| {
            (channel.iter().copied().map(f64::from).sum::<f64>() / *positions as f64) as f32
        };
        Some(values.chunks_exact(*positions).map(mean).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs() -> Outputs {
        let logits = vec![1.0, 2.0, 3.0, 4.0];
        Outputs::new(logits, 2, 2).unwrap()
    }

    #[test]
    fn each_picture_gets_its_part() {
        let maps = (0..24_u8).map(f32::from).collect();
        let embeddings = vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let outputs = outputs().with_class_maps(&[2, 2, 2, 3], maps).unwrap();
        let outputs = outputs.with_embedding(embeddings, 3).unwrap();
        let second = outputs.rows().nth(1).unwrap();
        assert_eq!(second.logits, [3.0, 4.0]);
        assert_eq!(second.embedding.unwrap(), [3.0, 4.0, 5.0]);
        let (width, values) = second.activation_map(1, None).unwrap();
        assert_eq!((width, values), (3, vec![18.0, 19.0, 20.0, 21.0, 22.0, 23.0]));
        assert_eq!(outputs.row(0).logits, [1.0, 2.0]);
        assert_eq!(outputs.rows().count(), 2);
    }

    #[test]
    fn an_embedding_is_the_mean_of_the_features() {
        let features = (0..8_u8).map(f32::from).collect();
        let outputs = outputs().with_features(&[2, 2, 1, 2], features, 2).unwrap();
        assert_eq!(outputs.rows().nth(1).unwrap().embedding().unwrap(), [4.5, 6.5]);
        assert!(outputs.row(0).activation_map(0, None).is_err());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(Outputs::new(vec![1.0; 3], 2, 2).is_err());
        for shape in [&[2, 2, 3][..], &[2, 2, 0, 3], &[1, 4, 2, 3], &[2, 2, -2, -3], &[2, 2, 2, 2]]
        {
            assert!(outputs().with_class_maps(shape, vec![0.0; 24]).is_err(), "{shape:?}");
        }
        assert!(outputs().with_embedding(vec![0.0; 5], 3).is_err());
    }
}
