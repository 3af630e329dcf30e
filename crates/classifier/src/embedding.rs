//! Feature vectors by which similar pictures are found: the dot product is the cosine similarity.

/// `features` divided by their L2 norm; features that are all zero stay so.
pub(crate) fn normalised(features: &[f32]) -> Vec<f32> {
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let norm = features.iter().map(square).sum::<f64>().sqrt();
    if norm == 0.0 {
        return features.to_vec();
    }
    #[allow(clippy::cast_possible_truncation)] // −1…1.
    let divide = |value: &f32| (f64::from(*value) / norm) as f32;
    features.iter().map(divide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_one_even_of_huge_features() {
        assert_eq!(normalised(&[3.0, 0.0, -4.0]), [0.6, 0.0, -0.8]);
        assert!((normalised(&[3e38, 3e38])[0] - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(normalised(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
