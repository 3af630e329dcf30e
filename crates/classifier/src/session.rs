//! The ONNX Runtime session: takes pixels, returns logits and the other wanted outputs.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session as OrtSession};
use ort::value::TensorRef;
use parking_lot::FairMutex;

use crate::bundle::InputSpec;
use crate::contract::{self, OptionalOutputs};
use crate::ending;
use crate::error::{ClassifyError, LoadError, ProviderError};
use crate::outputs::Outputs;
use crate::provider::{self, CPU_PROVIDER, Provider};
use crate::runtime::Runtime;
use crate::stream;

/// One loaded model. Runs are queued in the order of their arrival: one run uses all cores.
pub struct Session {
    inner: FairMutex<Inner>,
    current: ending::Current,
    input: InputSpec,
    classes: usize,
    optional: OptionalOutputs,
    provider: String,
}

struct Inner {
    session: OrtSession,
    /// Requests only the logits: a plain run fetches nothing else. Made once.
    plain: Arc<ending::Options>,
}

/// What a run is asked for besides logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) class_maps: bool,
    pub(crate) embedding: bool,
}

/// Outputs of the graph besides logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Asked {
    class_maps: bool,
    features: bool,
    embedding: bool,
}

impl Session {
    /// Load `model` (the bytes of `model.onnx`) and check it against the bundle format.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the model, or its inputs or outputs are not the contract's.
    pub fn new(
        runtime: &Runtime,
        model: &[u8],
        input: InputSpec,
        classes: usize,
    ) -> Result<Self, LoadError> {
        let session = on_cpu(runtime).and_then(|mut builder| builder.commit_from_memory(model));
        Self::check(session, input, classes)
    }

    /// Load `model` on a provider, which must run all of it.
    pub(crate) fn on(
        provider: &Provider,
        runtime: &Runtime,
        model: &[u8],
        input: InputSpec,
        classes: usize,
    ) -> Result<Self, ProviderError> {
        let environment = runtime.environment();
        let device = provider.device(environment);
        let device = device.ok_or_else(|| provider.no_device(environment))?;
        let options = provider.options(&device);
        let session = builder(runtime).and_then(|builder| {
            builder
                .with_devices([device], Some(&options))?
                // What it leaves to the CPU provider would run there unnoticed.
                .with_config_entry("session.disable_cpu_ep_fallback", "1")?
                .commit_from_memory(model)
        });
        let session = Self::check(Ok(session.map_err(ProviderError::Session)?), input, classes)?;
        Ok(Self { provider: provider.name().to_owned(), ..session })
    }

    /// Load `model` like [`Session::new`], and drop it as soon as ONNX Runtime has read it.
    ///
    /// This lowers the load's peak memory by the size of the model where `/proc` is mounted;
    /// elsewhere the bytes stay until the session is complete.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn streaming(
        runtime: &Runtime,
        model: impl AsRef<[u8]> + Send,
        input: InputSpec,
        classes: usize,
    ) -> Result<Self, LoadError> {
        let session = on_cpu(runtime).and_then(|builder| {
            let _alarm = runtime.load_limit().map(|limit| cancel_after(limit, &builder));
            stream::commit(builder, model)
        });
        Self::check(session, input, classes)
    }

    fn check(
        session: ort::Result<OrtSession>,
        input: InputSpec,
        classes: usize,
    ) -> Result<Self, LoadError> {
        let session = session.map_err(LoadError::Session)?;
        let optional = contract::check(&session, input, classes)?;
        let plain = selecting(Asked::default()).map_err(LoadError::Session)?;
        let (inner, current) =
            (FairMutex::new(Inner { session, plain }), ending::Current::default());
        let provider = CPU_PROVIDER.to_owned();
        Ok(Self { inner, current, input, classes, optional, provider })
    }

    /// Logits `[n × classes]` of `n` pictures; `pixels` is uint8 RGB `[n, height, width, 3]`.
    ///
    /// # Errors
    /// When `pixels` is not `n` pictures, or ONNX Runtime fails.
    pub fn run(&self, pixels: &[u8], n: usize) -> Result<Vec<f32>, ClassifyError> {
        Ok(self.run_for(Wanted::default(), pixels, n)?.into_logits())
    }

    /// The same with what else is `wanted`, which the model must offer.
    pub(crate) fn run_for(
        &self,
        wanted: Wanted,
        pixels: &[u8],
        n: usize,
    ) -> Result<Outputs, ClassifyError> {
        self.check_pixels(pixels, n)?;
        let InputSpec { height, width, .. } = self.input;
        let shape = [n, height as usize, width as usize, 3];
        let failed = ClassifyError::Inference;
        let image = TensorRef::from_array_view((shape, pixels)).map_err(failed)?;
        let explain = TensorRef::from_array_view(((), &[true][..]));
        let asked = self.outputs_for(wanted);
        let more = (asked != Asked::default()).then(|| selecting(asked));
        let more = more.transpose().map_err(failed)?;
        let mut inner = self.inner.lock();
        let Inner { session, plain } = &mut *inner;
        let options = more.unwrap_or_else(|| plain.clone());
        let inputs = if asked.class_maps {
            ort::inputs!["image" => image, "explain" => explain.map_err(failed)?]
        } else {
            ort::inputs!["image" => image]
        };
        self.current.begin(options.clone());
        let outputs = session.run_with_options(inputs, &options.0);
        if self.current.over() {
            // Options that were told to end a run would end the next one too.
            *plain = selecting(Asked::default()).map_err(failed)?;
        }
        let outputs = outputs.map_err(failed)?;
        let output = |name: &str| {
            let (shape, values) = outputs[name].try_extract_tensor::<f32>().map_err(failed)?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(ClassifyError::NotFinite);
            }
            Ok((shape.to_vec(), values.to_vec()))
        };
        let mut given = Outputs::new(output("logits")?.1, n, self.classes)?;
        if asked.class_maps {
            let (shape, values) = output("class_maps")?;
            given = given.with_class_maps(&shape, values)?;
        }
        if let (true, Some(channels)) = (asked.features, self.optional.features) {
            let (shape, values) = output("features")?;
            given = given.with_features(&shape, values, channels)?;
        }
        if let (true, Some(dimension)) = (asked.embedding, self.optional.embedding) {
            given = given.with_embedding(output("embedding")?.1, dimension)?;
        }
        Ok(given)
    }

    /// Refuse what is not `n` pictures, or none.
    pub(crate) fn check_pixels(&self, pixels: &[u8], n: usize) -> Result<(), ClassifyError> {
        let (found, expected) = (pixels.len(), self.input.bytes().saturating_mul(n));
        if found == expected && n > 0 {
            return Ok(());
        }
        let InputSpec { height, width, .. } = self.input;
        Err(ClassifyError::InvalidPixels { found, expected, n, width, height })
    }

    /// The name of the execution provider that runs the model.
    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    /// How long the run that is under way takes already.
    pub(crate) fn run_age(&self) -> Option<Duration> {
        self.current.age()
    }

    /// Tell a run that takes longer than `limit` to end; whether there was one.
    pub(crate) fn end_run_after(&self, limit: Duration) -> bool {
        self.current.end_after(limit)
    }

    /// Which of the graph's outputs give what is wanted.
    fn outputs_for(&self, wanted: Wanted) -> Asked {
        let OptionalOutputs { class_maps, features, embedding } = self.optional;
        let class_maps = wanted.class_maps && class_maps;
        let embedding = wanted.embedding && embedding.is_some();
        let missing = wanted.class_maps && !class_maps || wanted.embedding && !embedding;
        Asked { class_maps, features: missing && features.is_some(), embedding }
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether embeddings can be asked for.
    pub(crate) fn offers_embedding(&self) -> bool {
        self.optional.embedding.or(self.optional.features).is_some()
    }

    /// The outputs that the model has besides logits.
    pub(crate) fn optional_outputs(&self) -> OptionalOutputs {
        self.optional
    }
}

/// Cancel the load of `builder` after `limit`, unless what is returned is dropped before.
fn cancel_after(limit: Duration, builder: &SessionBuilder) -> mpsc::Sender<()> {
    let (loaded, wait) = mpsc::channel();
    let load = builder.canceler();
    thread::spawn(move || {
        if wait.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = load.cancel();
        }
    });
    loaded
}

fn selecting(asked: Asked) -> ort::Result<Arc<ending::Options>> {
    let Asked { class_maps, features, embedding } = asked;
    let optional = [("class_maps", class_maps), ("features", features), ("embedding", embedding)];
    let wanted = optional.into_iter().filter(|(_, wanted)| *wanted);
    let outputs = wanted
        .fold(OutputSelector::no_default().with("logits"), |outputs, (name, _)| outputs.with(name));
    let options: RunOptions<HasSelectedOutputs> = RunOptions::new()?.with_outputs(outputs);
    Ok(Arc::new(ending::Options(options)))
}

fn on_cpu(runtime: &Runtime) -> ort::Result<SessionBuilder> {
    let cpu = ort::ep::CPU::default().with_arena_allocator(runtime.has_arena());
    let builder = builder(runtime)?.with_execution_providers([cpu.build()])?;
    // Where a provider is registered, ONNX Runtime takes it for sessions that name none.
    let devices: Vec<_> = provider::cpu_devices(runtime.environment()).collect();
    if provider::is_any_registered() && !devices.is_empty() {
        return Ok(builder.with_devices(devices, None)?);
    }
    Ok(builder)
}

/// What sessions of all providers have in common.
fn builder(runtime: &Runtime) -> ort::Result<SessionBuilder> {
    Ok(OrtSession::builder(runtime.environment())?
        .with_optimization_level(GraphOptimizationLevel::Level3)?
        .with_intra_threads(runtime.threads())?
        // Between requests the cores belong to decoding and to the network, not to spinning.
        .with_config_entry("session.force_spinning_stop", "1")?)
}
