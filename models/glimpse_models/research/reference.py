"""Print the answers of the Python reference: one JSON line per picture, by Pillow and ONNX Runtime.

Decoders and resizers that are all correct still differ by a level here and there, which changes
labels that are nearly tied: `copies` lists the labels that the reference itself gives then.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from glimpse_models.data.files import pictures_below
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import Pixels, open_classifier, read_input
from glimpse_models.measure.metrics import ranked, softmax


def print_reference(bundle: Path, folder: Path, limit: int | None = None, copies: int = 0) -> None:
    """`{"file", "top1", "top5", "scores"}` per line: class indices and their softmax, best first.

    With `copies`, also the classes that these get, the most frequent first. One picture per run of
    the model, as in the service.
    """
    files = pictures_below(folder)[:limit]
    if not files:
        raise UserError(f"no pictures below {folder}; name a folder that holds some")
    classifier = open_classifier(bundle)
    chance = np.random.default_rng(1)
    for file in files:
        pixels = read_input(file, classifier.spec)
        logits = classifier.logits(pixels[None])[0]
        best = ranked(logits, 5)
        line = {
            "file": file.relative_to(folder).as_posix(),
            "top1": int(best[0]),
            "top5": best.tolist(),
            "scores": [
                round(score, 6) for score in softmax(logits / classifier.temperature)[best].tolist()
            ],
        }
        if copies:
            near = classifier.logits(near_copies(pixels, copies, chance))
            found, counts = np.unique(near.argmax(axis=1), return_counts=True)
            line["copies"] = found[np.argsort(-counts, kind="stable")].tolist()
        print(json.dumps(line, ensure_ascii=False))


def near_copies(pixels: Pixels, count: int, chance: np.random.Generator) -> Pixels:
    """`[count, H, W, 3]`: as far from `[H, W, 3]` as two correct decoders are from each other."""
    levels = np.array([-1, 0, 1], np.int16)
    noise = chance.choice(levels, (count, *pixels.shape), p=[0.2, 0.6, 0.2])
    near: Pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return near
