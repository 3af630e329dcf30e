//! A class activation map: what each position of the picture adds to the logit of a class.

/// A class activation map `[height, width]`, row-major, in units of the logit.
///
/// Its mean is the logit, but for the rounding of a quantized model's pooled features. It covers
/// the model's input, the centre crop of the picture; [`Manifest::class_maps`] says where its cells
/// look.
///
/// [`Manifest::class_maps`]: crate::Manifest::class_maps
#[derive(Debug, Clone, PartialEq)]
pub struct ClassActivationMap {
    width: usize,
    raw: Vec<f32>,
}

impl ClassActivationMap {
    /// `raw` holds full rows, at least one, of finite values.
    pub(crate) fn new(width: usize, raw: Vec<f32>) -> Self {
        Self { width, raw }
    }

    /// Positions in a row.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_undone_by_minimum_and_maximum() {
        let map = ClassActivationMap::new(2, vec![-3.0, 1.0, 0.0, 5.0]);
        assert_eq!(map.scaled(), [0.0, 0.5, 0.375, 1.0]);
        assert_eq!((map.minimum(), map.maximum()), (-3.0, 5.0));
        assert_eq!(ClassActivationMap::new(1, vec![7.0, 7.0]).scaled(), [0.0, 0.0]);
    }
}
