//! Which graph of a bundle a load takes: that depends on the version of ONNX Runtime, whose library
//! is being opened meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use glimpse_classifier::{Graph, Manifest, Runtime};
use tokio::task;

use crate::config::StoreConfig;
use crate::error::LoadError;

/// The library and how long opening it took, for everybody who waits for it.
pub(crate) type Opening = Shared<BoxFuture<'static, Result<(Runtime, Duration), LoadError>>>;

/// Chooses a graph.
pub(crate) struct Graphs {
    library: Opening,
    /// Another provider than that of the CPU is configured, which knows no operators of it.
    portable_only: bool,
    on_described: fn(u64),
    is_described: AtomicBool,
}

impl Graphs {
    pub(crate) fn new(library: Opening, config: &StoreConfig) -> Self {
        let (portable_only, on_described) = (config.provider.is_some(), config.on_described);
        Self { library, portable_only, on_described, is_described: AtomicBool::new(false) }
    }

    /// The graph that most loads take, while nothing is known of the bundle.
    pub(crate) fn assumed(&self) -> Graph {
        if self.portable_only { Graph::Portable } else { Graph::Cpu }
    }

    /// The graph that is taken if the library has the version that the bundle is made for. The first
    /// one is announced to the program.
    pub(crate) fn likely(&self, manifest: &Manifest) -> Graph {
        let graph = match &manifest.cpu_graph {
            Some(cpu) if !self.portable_only => manifest.graph_for_cpu(&cpu.onnxruntime),
            _ => Graph::Portable,
        };
        if !self.is_described.swap(true, Ordering::Relaxed)
            && let Some(file) = manifest.files.get(graph.file())
        {
            let (library, announce, bytes) = (self.library.clone(), self.on_described, file.bytes);
            task::spawn(async move {
                // Opening it and reading the graph keep two processors busy.
                let _ = library.await;
                task::spawn_blocking(move || announce(bytes)).await
            });
        }
        graph
    }

    /// The graph that is taken. Waits for the library only where its version matters.
    pub(crate) async fn choose(&self, manifest: &Manifest) -> Result<Graph, LoadError> {
        let likely = self.likely(manifest);
        if likely == Graph::Portable {
            return Ok(likely);
        }
        let (runtime, _) = self.library.clone().await?;
        let (graph, version) = (manifest.graph_for_cpu(runtime.version()), runtime.version());
        if graph != likely
            && let Some(cpu) = &manifest.cpu_graph
        {
            let made_for = &cpu.onnxruntime;
            tracing::warn!(version, made_for, "this ONNX Runtime does not take {likely}");
        }
        Ok(graph)
    }
}
