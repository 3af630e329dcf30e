"""Add `model.cpu.onnx` to what a bundle holds."""

from __future__ import annotations

import dataclasses
import platform
import sys

from glimpse_models.bundle.cpu_graph import FILE, CpuGraph
from glimpse_models.bundle.manifest import Content
from glimpse_models.errors import UserError
from glimpse_models.graph.optimize import (
    is_portable,
    optimize_graph,
    refuse_other_forms,
    require_same_outputs,
)

ARCHITECTURES = ("aarch64", "x86_64")


def cpu_graph_of(model: bytes) -> CpuGraph:
    """The graph optimized for the CPU provider; refuses where it gains nothing or gives other bits."""
    import onnxruntime

    refuse_other_forms(model)
    optimized = optimize_graph(model)
    require_same_outputs(model, optimized)
    architectures = ARCHITECTURES if is_portable(model) else (platform.machine(),)
    return CpuGraph(optimized, onnxruntime.__version__, architectures)


def with_cpu_graph(content: Content) -> Content:
    """The content with `model.cpu.onnx`, or without it where it would not help, which is said."""
    try:
        return dataclasses.replace(content, cpu_graph=cpu_graph_of(content.model))
    except UserError as why:
        print(f"no {FILE}: {why}", file=sys.stderr)
        return dataclasses.replace(content, cpu_graph=None)
