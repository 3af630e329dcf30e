"""The further outputs of a served model, kept only where a run shows that they are right and free.

Free means that the logits of a plain run stay the same to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from glimpse_models.graph import class_maps, embedding, features
from glimpse_models.graph.io import open_session, output_names, random_pictures

Weights = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

# Of the logits' spread. Rounding is left out of the comparison, so that this is float error alone.
TOLERANCE = 1e-3

NO_POOLING = "the model has no global average pooling over rows and columns before its head"
NO_HEAD = "the model does not end in global average pooling and one linear layer"
OTHER_LOGITS = "with them, the logits of a plain run would change"


def add_features(model: onnx.ModelProto) -> str | None:
    """Add what the global pooling takes in; else says why not."""
    before = model.SerializeToString()
    if not features.add_features(model):
        return NO_POOLING
    if _same_logits(before, model):
        found = _run(model, [features.OUTPUT])[0]
        if found.ndim == 4 and np.isfinite(found).all():
            features.set_shape(model, found.shape)
            return None
        why = f"its features have the shape {list(found.shape)}"
    else:
        why = OTHER_LOGITS
    model.ParseFromString(before)
    return why


def head_for_maps(model: onnx.ModelProto) -> tuple[Weights | None, str]:
    """The head, if it makes exact class activation maps of the output `features`; else why not."""
    head = features.head_of(model)
    if head is None or features.OUTPUT not in output_names(model):
        return None, NO_HEAD
    why = fault_of_maps(model, head)
    return (None, why) if why else (head, "")


def add_embedding(model: onnx.ModelProto) -> str | None:
    """Add the pooled features if they are one vector per picture; else says why not."""
    before = model.SerializeToString()
    if not embedding.add_embedding(model):
        return "the model has no global pooling before its head"
    why = None
    if not _same_logits(before, model):
        why = OTHER_LOGITS
    else:
        found = _run(model, [embedding.OUTPUT])[0]
        if found.ndim == 2 and np.isfinite(found).all():
            embedding.set_width(model, found.shape[1])
        else:
            why = f"its pooled features have the shape {list(found.shape)}"
    if why:
        model.ParseFromString(before)
    return why


def fault_of_maps(model: onnx.ModelProto, head: Weights) -> str | None:
    """Why the maps of a model are not the parts of its logits, but for rounding to 8 bits."""
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    class_maps.remove_rounding(exact)
    logits, found = _run(exact, ["logits", features.OUTPUT])
    if found.shape[1] != head[0].shape[1]:
        return f"the head takes {head[0].shape[1]} features, and there are {found.shape[1]}"
    off = np.abs(maps_of(found, head).mean(axis=(2, 3)) - logits).max()
    off /= max(np.abs(logits).max(), 1e-6)
    if off > TOLERANCE:
        return f"the mean of a map differs from its logit by {100 * off:.2g} %"
    return None


def maps_of(found: npt.NDArray[np.float32], head: Weights) -> npt.NDArray[np.float32]:
    """Maps `[N, C, h, w]`: the head at each position of the features `[N, D, h, w]`."""
    weights, bias = head
    maps: npt.NDArray[np.float32] = np.einsum("ndhw,cd->nchw", found, weights)
    return maps + bias[:, None, None]


def _same_logits(before: bytes, model: onnx.ModelProto) -> bool:
    """Whether a plain run gives the same bits as before."""
    sessions = [open_session(content) for content in (before, model.SerializeToString())]
    pictures = {"image": random_pictures(sessions[0], 1)}
    first, second = (session.run(["logits"], pictures)[0] for session in sessions)
    return bool(np.array_equal(first, second))


def _run(model: onnx.ModelProto, outputs: list[str]) -> list[Any]:
    session = open_session(model.SerializeToString())
    found: list[Any] = session.run(outputs, {"image": random_pictures(session, 1)})
    return found
