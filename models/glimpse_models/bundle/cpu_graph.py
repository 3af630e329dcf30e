"""`model.cpu.onnx`: the network as one version of ONNX Runtime runs it on the CPU, so that a session starts sooner.

It lies beside `model.onnx`, which every version and execution provider can run, and gives the same
bits. `bundle.json` says where it may be taken.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

from glimpse_models.errors import UserError

FILE = "model.cpu.onnx"


@dataclass(frozen=True)
class CpuGraph:
    """The bytes, the version of ONNX Runtime, and the processors (`x86_64`, `aarch64`)."""

    model: bytes
    onnxruntime: str
    architectures: tuple[str, ...]

    def entry(self) -> dict[str, Any]:
        """As `bundle.json` lists it, under `cpu_graph`."""
        return {"onnxruntime": self.onnxruntime, "architectures": list(self.architectures)}

    def runs_here(self) -> bool:
        """Whether this ONNX Runtime on this processor may take it."""
        import onnxruntime

        return (
            self.onnxruntime == onnxruntime.__version__ and platform.machine() in self.architectures
        )


def read_cpu_graph(entry: Any, model: bytes) -> CpuGraph:
    """The graph with the entry `cpu_graph` of its bundle."""
    match entry:
        case {"onnxruntime": str(version), "architectures": list(names)} if all(
            isinstance(name, str) for name in names
        ):
            return CpuGraph(model, version, tuple(names))
    raise UserError(
        f"bundle.json lists {FILE}, and its entry cpu_graph does not say where it runs: {entry}; make the bundle anew"
    )
