"""The further outputs of a served model, kept only where a run shows that they are right and free.

Free means that the logits of a plain run stay the same to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from glimpse_models import embed, explain
from glimpse_models.classifiers import open_session

EXACT = 0.05  # of the logits' spread: what 8-bit rounding may take from the maps' exactness


def add_class_maps(model: onnx.ModelProto) -> bool:
    """Add the explanation's output, if its mean over the places is the logit."""
    before = model.SerializeToString()
    if not explain.add_class_maps(model):
        return False
    plain, (logits, maps) = _run(before, model, ["logits", "class_maps"], {"explain": True})
    off = np.abs(maps.mean(axis=(2, 3)) - logits).max()
    if plain and off <= EXACT * max(logits.std(), 1e-6):
        return True
    model.ParseFromString(before)
    return False


def add_embedding(model: onnx.ModelProto) -> bool:
    """Add the pooled features, if they are one vector a picture."""
    before = model.SerializeToString()
    if not embed.add_embedding(model):
        return False
    plain, (_, found) = _run(before, model, ["logits", embed.OUTPUT], {})
    if plain and found.ndim == 2 and np.isfinite(found).all():
        embed.set_width(model, found.shape[1])
        return True
    model.ParseFromString(before)
    return False


def _run(
    before: bytes, model: onnx.ModelProto, outputs: list[str], more: dict[str, bool]
) -> tuple[bool, list[Any]]:
    """Whether the logits of a plain run are those of before, and the outputs for a picture."""
    plain, richer = (open_session(content) for content in (before, model.SerializeToString()))
    side = plain.get_inputs()[0].shape[1]
    pixels = np.random.default_rng(1).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    image = {"image": pixels}
    switches = {name: np.array(value) for name, value in more.items()}
    same = np.array_equal(plain.run(["logits"], image)[0], richer.run(["logits"], image)[0])
    return same, richer.run(outputs, {**image, **switches})
