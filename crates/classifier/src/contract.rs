//! Checks a graph's inputs and outputs against the bundle format.

use ort::session::Session;
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::bundle::InputSpec;
use crate::error::LoadError;

/// The outputs that a model has besides logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionalOutputs {
    /// Whether the graph itself makes class activation maps, as those of schema version 1 do.
    pub(crate) class_maps: bool,
    /// The number of channels that global average pooling takes in.
    pub(crate) features: Option<usize>,
    /// The length of embeddings that the graph itself makes, as those of schema version 1 do.
    pub(crate) embedding: Option<usize>,
}

/// Refuse a graph that breaks the contract; return its optional outputs.
pub(crate) fn check(
    session: &Session,
    input: InputSpec,
    classes: usize,
) -> Result<OptionalOutputs, LoadError> {
    check_input(session.inputs(), input)?;
    check_logits(session.outputs(), classes)?;
    Ok(OptionalOutputs {
        class_maps: has_class_maps(session)?,
        features: features(session.outputs())?,
        embedding: embedding(session.outputs())?,
    })
}

fn check_input(inputs: &[Outlet], spec: InputSpec) -> Result<(), LoadError> {
    let expected = format!(
        "one input `image`, uint8 [N, {}, {}, 3], as bundle.json says",
        spec.height, spec.width
    );
    let found = describe(inputs);
    let [input] = inputs else {
        return Err(LoadError::Contract { found, expected });
    };
    let fits = matches!(input.dtype(), ValueType::Tensor { ty: TensorElementType::Uint8, shape, .. }
        if shape.len() == 4
            && shape[0] == -1
            && shape[1..] == [i64::from(spec.height), i64::from(spec.width), 3]);
    if input.name() != "image" || !fits {
        return Err(LoadError::Contract { found, expected });
    }
    Ok(())
}

fn check_logits(outputs: &[Outlet], classes: usize) -> Result<(), LoadError> {
    let fits = named(outputs, "logits").and_then(floats).is_some_and(|shape| {
        matches!(shape, [_, columns] if usize::try_from(*columns).is_ok_and(|c| c == classes))
    });
    if fits {
        return Ok(());
    }
    Err(LoadError::Contract {
        found: describe(outputs),
        expected: format!("an output `logits`, float32 [N, {classes}], one column a label"),
    })
}

/// The maps must be switched on by an input that may be left out: a plain run does not make them.
fn has_class_maps(session: &Session) -> Result<bool, LoadError> {
    let Some(maps) = named(session.outputs(), "class_maps") else { return Ok(false) };
    let switch = session.overridable_initializers().into_iter().any(|optional| {
        let bool_ = matches!(optional.dtype(), ValueType::Tensor { ty, shape, .. }
            if *ty == TensorElementType::Bool && shape.is_empty());
        optional.name() == "explain" && bool_
    });
    if switch && floats(maps).is_some_and(|shape| shape.len() == 4) {
        return Ok(true);
    }
    Err(LoadError::Contract {
        found: describe(session.outputs()),
        expected: "its output `class_maps`, float32 [N, C, h, w], to be made where the optional \
                   input `explain`, bool [], is true"
            .to_owned(),
    })
}

fn features(outputs: &[Outlet]) -> Result<Option<usize>, LoadError> {
    let Some(output) = named(outputs, "features") else { return Ok(None) };
    match floats(output) {
        Some(&[_, channels, _, _]) if channels > 0 => Ok(usize::try_from(channels).ok()),
        _ => Err(LoadError::Contract {
            found: describe(outputs),
            expected: "its output `features` to be float32 [N, D, h, w] with D known".to_owned(),
        }),
    }
}

fn embedding(outputs: &[Outlet]) -> Result<Option<usize>, LoadError> {
    let Some(output) = named(outputs, "embedding") else { return Ok(None) };
    match floats(output) {
        Some(&[_, dimension]) if dimension > 0 => Ok(usize::try_from(dimension).ok()),
        _ => Err(LoadError::Contract {
            found: describe(outputs),
            expected: "its output `embedding` to be float32 [N, D] with D known".to_owned(),
        }),
    }
}

fn named<'a>(outlets: &'a [Outlet], name: &str) -> Option<&'a Outlet> {
    outlets.iter().find(|outlet| outlet.name() == name)
}

/// The shape of a float32 tensor; unknown sides are −1.
fn floats(outlet: &Outlet) -> Option<&[i64]> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => Some(shape),
        _ => None,
    }
}

fn describe(outlets: &[Outlet]) -> String {
    let each: Vec<String> =
        outlets.iter().map(|outlet| format!("`{}` {}", outlet.name(), outlet.dtype())).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
