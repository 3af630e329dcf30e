"""The further outputs of a served model, kept only where a run shows that they are right and free.

Free means that the logits of a plain run stay the same to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from glimpse_models.graph import class_maps, embedding
from glimpse_models.graph.io import open_session

# Of the logits' spread. Rounding is left out of the comparison, so that this is float error alone.
TOLERANCE = 1e-3

NO_HEAD = "the model does not end in global average pooling and one linear layer"
OTHER_LOGITS = "with them, the logits of a plain run would change"


def add_class_maps(model: onnx.ModelProto) -> str | None:
    """Add class activation maps if their mean is the logit; else says why not."""
    before = model.SerializeToString()
    if not class_maps.add_class_maps(model):
        return NO_HEAD
    why = fault_of_maps(model) if _same_logits(before, model) else OTHER_LOGITS
    if why:
        model.ParseFromString(before)
    return why


def add_embedding(model: onnx.ModelProto) -> str | None:
    """Add the pooled features if they are one vector per picture; else says why not."""
    before = model.SerializeToString()
    if not embedding.add_embedding(model):
        return "the model has no global pooling before its head"
    why = None
    if not _same_logits(before, model):
        why = OTHER_LOGITS
    else:
        found = _run(model, [embedding.OUTPUT], {})[0]
        if found.ndim == 2 and np.isfinite(found).all():
            embedding.set_width(model, found.shape[1])
        else:
            why = f"its pooled features have the shape {list(found.shape)}"
    if why:
        model.ParseFromString(before)
    return why


def fault_of_maps(model: onnx.ModelProto) -> str | None:
    """Why the maps of a model are not the parts of its logits, but for rounding to 8 bits."""
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    class_maps.remove_rounding(exact)
    logits, maps = _run(exact, ["logits", class_maps.OUTPUT], {"explain": True})
    off = np.abs(maps.mean(axis=(2, 3)) - logits).max() / max(np.abs(logits).max(), 1e-6)
    if off > TOLERANCE:
        return f"the mean of a map differs from its logit by {100 * off:.2g} %"
    return None


def _same_logits(before: bytes, model: onnx.ModelProto) -> bool:
    """Whether a plain run gives the same bits as before."""
    plain = _pixels(model)
    sessions = [open_session(content) for content in (before, model.SerializeToString())]
    first, second = (session.run(["logits"], {"image": plain})[0] for session in sessions)
    return bool(np.array_equal(first, second))


def _run(model: onnx.ModelProto, outputs: list[str], switches: dict[str, bool]) -> list[Any]:
    session = open_session(model.SerializeToString())
    given = {name: np.array(value) for name, value in switches.items()}
    found: list[Any] = session.run(outputs, {"image": _pixels(model), **given})
    return found


def _pixels(model: onnx.ModelProto) -> Any:
    side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    return np.random.default_rng(1).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
