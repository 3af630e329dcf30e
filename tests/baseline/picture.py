"""What the Python peers do around their engines: Pillow before it, NumPy after it."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow's `draft` lets libjpeg decode at a fraction of the size, no smaller than what is asked for.
DRAFT = os.environ.get("DRAFT") == "1"


def read(body: str | bytes, spec: dict[str, Any]) -> np.ndarray:
    """`{"image_data": base64}` to pixels `[1, H, W, 3]`."""
    return preprocess(base64.b64decode(json.loads(body)["image_data"]), spec)


def preprocess(encoded: bytes, spec: dict[str, Any]) -> np.ndarray:
    """Shorter side resized with antialiased bilinear, centre cropped: `[1, H, W, 3]`."""
    shorter = spec["resize"]["size"]
    with _open(encoded) as opened:
        if DRAFT:
            opened.draft("RGB", (shorter, shorter))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = picture.size
    scale = shorter / min(width, height)
    picture = picture.resize(
        (int(width * scale), int(height * scale)), Image.Resampling.BILINEAR
    )
    left = round((picture.width - spec["width"]) / 2)
    top = round((picture.height - spec["height"]) / 2)
    return np.asarray(
        picture.crop((left, top, left + spec["width"], top + spec["height"]))
    )[None]


def rank(logits: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """The answer for logits `[C]`."""
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    best = np.argsort(-scores)[:5]
    predictions = [
        {"label": labels[i], "index": int(i), "score": float(scores[i])} for i in best
    ]
    return {**predictions[0], "predictions": predictions}


def _open(encoded: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded))
    except UnidentifiedImageError:
        # Only here: at the start it would cost every cold start what few pictures need.
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return Image.open(io.BytesIO(encoded))
