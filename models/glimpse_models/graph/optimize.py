"""Offline graph optimization: the graph as ONNX Runtime runs it, which makes sessions start sooner.

A QDQ graph puts int8 operators in terms of float ones, and ONNX Runtime fuses them whenever it
makes a session. Here that is done once. The optimized graph is for serving: what changes a model
(checkpoints, another input side, quantization, class activation maps) reads the QDQ form.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, open_session, random_pictures
from glimpse_models.graph.wrap import is_optimized

# Its blocked layouts are those of the processor that optimizes; all else holds for every processor.
HARDWARE_BOUND = ["NchwcTransformer"]

BATCHES = (1, 2, 5)  # of pictures, on which both graphs must give the same bits


def refuse_other_forms(path: Path) -> None:
    """Only graphs in QDQ form gain by being optimized offline."""
    model = load_onnx(path)
    if is_optimized(model):
        raise UserError(f"{path} is optimized already")
    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise UserError(f"{path} is not in QDQ form, the only one to gain by it; quantize it first")


def optimize_graph(source: Path, target: Path) -> None:
    """Let ONNX Runtime write what it runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(
        str(source),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=HARDWARE_BOUND,
    )


def require_same_outputs(source: Path, optimized: Path) -> None:
    """Every output of both graphs, to the bit; where the graph makes maps itself, with those too."""
    sessions = [open_session(path) for path in (source, optimized)]
    for count in BATCHES:
        pixels = random_pictures(sessions[0], count)
        for extra in _switches(sessions[0]):
            before, after = (session.run(None, {"image": pixels, **extra}) for session in sessions)
            names = [value.name for value in sessions[0].get_outputs()]
            for name, old, new in zip(names, before, after, strict=True):
                if not np.array_equal(old, new):
                    raise UserError(
                        f"the optimized graph gives other {name} than {source}; serve the bundle as it is"
                    )


def _switches(session: Any) -> list[dict[str, Any]]:
    """What may be given beside the picture: nothing, or that class activation maps are wanted."""
    optional = [value.name for value in session.get_overridable_initializers()]
    return [{}, {"explain": np.array(True)}] if "explain" in optional else [{}]
