//! The network's last layer, by which class activation maps are made of its features.
//!
//! `head.safetensors` holds `weights`, float32 `[C, D]`, and `bias`, float32 `[C]`. Few requests ask
//! for an explanation, so it is read at the first that does, and kept.

use std::sync::OnceLock;

use safetensors::{Dtype, SafeTensors};

use crate::error::{ClassifyError, HeadError};

/// Gives the verified bytes of `head.safetensors`; may block.
pub type HeadSource = Box<dyn Fn() -> Result<Vec<u8>, HeadError> + Send + Sync>;

/// The last layer: a linear one behind global average pooling.
pub(crate) struct Head {
    /// `[C × D]`.
    weights: Vec<f32>,
    /// `[C]`.
    bias: Vec<f32>,
    dimension: usize,
}

/// The head, read when it is first needed.
pub(crate) struct LazyHead {
    source: HeadSource,
    classes: usize,
    head: OnceLock<Head>,
}

impl LazyHead {
    pub(crate) fn new(source: HeadSource, classes: usize) -> Self {
        Self { source, classes, head: OnceLock::new() }
    }

    /// Read it, or give it again. A failure is not kept: the next request tries again.
    pub(crate) fn get(&self) -> Result<&Head, ClassifyError> {
        if let Some(head) = self.head.get() {
            return Ok(head);
        }
        let content = (self.source)().map_err(ClassifyError::Head)?;
        let head = Head::parse(&content, self.classes).map_err(ClassifyError::Head)?;
        Ok(self.head.get_or_init(|| head))
    }
}

impl Head {
    fn parse(content: &[u8], classes: usize) -> Result<Self, HeadError> {
        let tensors = SafeTensors::deserialize(content)?;
        let floats = |name: &str, sides: usize| {
            let tensor = tensors.tensor(name)?;
            let shape = tensor.shape();
            if tensor.dtype() != Dtype::F32 || shape.len() != sides || shape[0] != classes {
                let dtype = tensor.dtype();
                return Err(HeadError::from(format!(
                    "head.safetensors has {name} {dtype:?} {shape:?}; expected float32 [{classes}{}]",
                    if sides == 2 { ", D" } else { "" }
                )));
            }
            let (quads, _) = tensor.data().as_chunks::<4>();
            let values: Vec<f32> = quads.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            if values.iter().all(|value| value.is_finite()) {
                return Ok((values, shape.last().copied().unwrap_or_default()));
            }
            Err(HeadError::from(format!("head.safetensors has {name} that are not finite")))
        };
        let ((weights, dimension), (bias, _)) = (floats("weights", 2)?, floats("bias", 1)?);
        Ok(Self { weights, bias, dimension })
    }

    /// A class's layer at each position of `features`, `[D × positions]`: what each adds to the
    /// logit, with the bias everywhere, so that the mean is the logit.
    pub(crate) fn map(&self, class: usize, features: &[f32]) -> Result<Vec<f32>, ClassifyError> {
        let positions = features.len() / self.dimension.max(1);
        let row = self.weights.get(class * self.dimension..(class + 1) * self.dimension);
        let (Some(row), Some(bias)) = (row, self.bias.get(class)) else {
            return Err(ClassifyError::OutputShape { output: "logits" });
        };
        if positions * self.dimension != features.len() {
            return Err(ClassifyError::OutputShape { output: "features" });
        }
        let mut map = vec![0.0_f64; positions];
        for (weight, channel) in row.iter().zip(features.chunks_exact(positions.max(1))) {
            for (sum, feature) in map.iter_mut().zip(channel) {
                *sum += f64::from(*weight) * f64::from(*feature);
            }
        }
        #[allow(clippy::cast_possible_truncation)] // As precise as the map is.
        Ok(map.iter().map(|sum| (sum + f64::from(*bias)) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use safetensors::tensor::TensorView;

    use super::*;

    fn file(weights: &[f32], shape: [usize; 2], bias: &[f32]) -> Vec<u8> {
        let bytes =
            |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let (weights, held) = (bytes(weights), bytes(bias));
        let view = |shape: Vec<usize>, data| TensorView::new(Dtype::F32, shape, data).unwrap();
        let tensors =
            [("weights", view(shape.to_vec(), &weights)), ("bias", view(vec![bias.len()], &held))];
        safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn a_map_is_the_layer_at_each_position() {
        let content = file(&[1.0, 2.0, 0.0, -1.0], [2, 2], &[0.5, 0.0]);
        let head = Head::parse(&content, 2).unwrap();
        let features = [1.0, 2.0, 3.0, 10.0, 20.0, 30.0];
        assert_eq!(head.map(0, &features).unwrap(), [21.5, 42.5, 63.5]);
        assert_eq!(head.map(1, &features).unwrap(), [-10.0, -20.0, -30.0]);
        assert!(head.map(2, &features).is_err() && head.map(0, &features[..5]).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(Head::parse(b"no tensors", 2).is_err());
        for (weights, shape, bias, classes) in [
            (&[1.0; 4][..], [2, 2], &[0.0; 2][..], 3),
            (&[1.0; 4][..], [2, 2], &[0.0; 3][..], 2),
            (&[f32::NAN; 4][..], [2, 2], &[0.0; 2][..], 2),
        ] {
            assert!(Head::parse(&file(weights, shape, bias), classes).is_err());
        }
    }

    #[test]
    fn it_is_read_once_and_a_failure_is_tried_again() {
        static READ: AtomicUsize = AtomicUsize::new(0);
        let content = file(&[1.0], [1, 1], &[0.0]);
        let source = move || match READ.fetch_add(1, Ordering::Relaxed) {
            0 => Err(HeadError::from("out of reach")),
            _ => Ok(content.clone()),
        };
        let head = LazyHead::new(Box::new(source), 1);
        assert!(matches!(head.get(), Err(ClassifyError::Head(_))));
        assert!(head.get().is_ok() && head.get().is_ok());
        assert_eq!(READ.load(Ordering::Relaxed), 2);
    }
}
