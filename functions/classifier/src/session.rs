//! The ONNX Runtime session: pixels in, logits out.

use ort::session::Session as OrtSession;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use parking_lot::FairMutex;

use crate::bundle::InputSpec;
use crate::error::{ClassifyError, LoadError};
use crate::runtime::Runtime;

/// One loaded model. Runs are queued in the order of their arrival: one run uses all cores.
pub struct Session {
    inner: FairMutex<OrtSession>,
    input: InputSpec,
    classes: usize,
}

impl Session {
    /// Load `model` (the bytes of `model.onnx`) and check it against the bundle format.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the model, or its input or output is not the contract's.
    pub fn new(
        runtime: &Runtime,
        model: &[u8],
        input: InputSpec,
        classes: usize,
    ) -> Result<Self, LoadError> {
        let session = open(runtime, model).map_err(LoadError::Session)?;
        check_input(session.inputs(), input)?;
        check_output(session.outputs(), classes)?;
        Ok(Self { inner: FairMutex::new(session), input, classes })
    }

    /// Logits `[n × classes]` of `n` pictures; `pixels` is uint8 RGB `[n, height, width, 3]`.
    ///
    /// # Errors
    /// When `pixels` is not `n` pictures, or ONNX Runtime fails.
    pub fn run(&self, pixels: &[u8], n: usize) -> Result<Vec<f32>, ClassifyError> {
        let expected = self.input.bytes().saturating_mul(n);
        let InputSpec { height, width, .. } = self.input;
        if pixels.len() != expected || n == 0 {
            let found = pixels.len();
            return Err(ClassifyError::InvalidPixels { found, expected, n, width, height });
        }
        let shape = [n, height as usize, width as usize, 3];
        let image =
            TensorRef::from_array_view((shape, pixels)).map_err(ClassifyError::Inference)?;
        let mut session = self.inner.lock();
        let outputs =
            session.run(ort::inputs!["image" => image]).map_err(ClassifyError::Inference)?;
        let (_, logits) =
            outputs["logits"].try_extract_tensor::<f32>().map_err(ClassifyError::Inference)?;
        if logits.len() != n * self.classes || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(ClassifyError::NotFinite);
        }
        Ok(logits.to_vec())
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }
}

fn open(runtime: &Runtime, model: &[u8]) -> ort::Result<OrtSession> {
    OrtSession::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(runtime.threads())?
        // Between requests the cores belong to decoding and to the network, not to spinning.
        .with_config_entry("session.force_spinning_stop", "1")?
        .commit_from_memory(model)
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

fn check_output(outputs: &[Outlet], classes: usize) -> Result<(), LoadError> {
    let fits = outputs.iter().any(|output| {
        output.name() == "logits"
            && matches!(output.dtype(), ValueType::Tensor { ty: TensorElementType::Float32, shape, .. }
                if shape.len() == 2 && usize::try_from(shape[1]).is_ok_and(|c| c == classes))
    });
    if fits {
        return Ok(());
    }
    Err(LoadError::Contract {
        found: describe(outputs),
        expected: format!("an output `logits`, float32 [N, {classes}], one column a label"),
    })
}

fn describe(outlets: &[Outlet]) -> String {
    let each: Vec<String> =
        outlets.iter().map(|outlet| format!("`{}` {}", outlet.name(), outlet.dtype())).collect();
    if each.is_empty() { "none".to_owned() } else { each.join(", ") }
}
