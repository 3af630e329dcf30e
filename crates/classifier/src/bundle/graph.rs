//! The graphs of a bundle, and which of them a machine takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Manifest;

/// Where `model.cpu.onnx` may be taken: it is optimized for the CPU provider of one version of ONNX
/// Runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CpuGraph {
    /// The version of ONNX Runtime, such as `1.32.0`.
    pub onnxruntime: String,
    /// The processors, such as `x86_64` and `aarch64`.
    pub architectures: Vec<String>,
}

/// One of the graphs of a bundle. Both give the same bits on the CPU provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Graph {
    /// `model.onnx`: for every version of ONNX Runtime and every execution provider.
    #[default]
    Portable,
    /// `model.cpu.onnx`: a session of it starts sooner.
    Cpu,
}

impl Graph {
    /// The name of its file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Portable => "model.onnx",
            Self::Cpu => "model.cpu.onnx",
        }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.file())
    }
}

impl Manifest {
    /// The graph to take on the CPU provider of this version of ONNX Runtime on this machine.
    #[must_use]
    pub fn graph_for_cpu(&self, onnxruntime: &str) -> Graph {
        let fits = |graph: &CpuGraph| {
            let here = |name: &String| name == std::env::consts::ARCH;
            graph.onnxruntime == onnxruntime && graph.architectures.iter().any(here)
        };
        if self.cpu_graph.as_ref().is_some_and(fits) { Graph::Cpu } else { Graph::Portable }
    }
}
