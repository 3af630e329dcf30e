"""Any classifier that the steps make, behind one interface: uint8 pictures in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.bundle.manifest import read_manifest, spec_of, task_of
from glimpse_models.data.decode import open_picture
from glimpse_models.data.labels import read_labels
from glimpse_models.data.preprocess import EVALUATION, Geometry, InputSpec, fit
from glimpse_models.data.splits import MULTI
from glimpse_models.errors import UserError
from glimpse_models.graph import embedding, features
from glimpse_models.graph.io import load_onnx, open_session
from glimpse_models.graph.wrap import is_quantized

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
Embeddings = npt.NDArray[np.float32]
Ask = Callable[[Pixels], tuple[Logits, Embeddings]]
"""Pictures in, logits and embeddings `[N, D]` out."""

BATCH = 32


@dataclass(frozen=True)
class Classifier:
    """`logits` takes uint8 `[N, side, side, 3]` and gives float32 `[N, classes]`.

    Scores are the softmax of the logits divided by `temperature`, or with several labels per picture
    the sigmoid, from 0.5 on where there are no `thresholds`. Labels are empty and the task is None
    where the file does not say them. `embedded` gives logits and embeddings `[N, D]` in one run, where
    the model has embeddings.
    """

    name: str
    kind: str
    spec: InputSpec
    logits: Callable[[Pixels], Logits]
    temperature: float = 1.0
    labels: tuple[str, ...] = ()
    quantized: bool = False
    task: str | None = None
    thresholds: tuple[float, ...] = ()
    embedded: Ask | None = None


def open_classifier(
    path: Path,
    resize: int | None = None,
    threads: int = 0,
    side: int | None = None,
    geometry: Geometry = EVALUATION,
) -> Classifier:
    """A bundle's folder, an ONNX file with the serving input, or PyTorch weights.

    `side` is another input side than the one trained for, which only weights can take.
    """
    if path.suffix in (".pt", ".pth"):
        return _weights(path, resize, side, geometry)
    if side is not None:
        raise UserError(f"{path} has its input side in its graph; give weights (.pt) with --side")
    if path.is_dir():
        return _bundle(path, threads)
    if path.suffix == ".onnx":
        return _onnx(path, path.name, resize, threads, geometry)
    raise UserError(f"{path} is not a bundle folder, an .onnx file or a .pt file of weights")


def several(classifiers: list[Classifier]) -> str | None:
    """The task by which to read labels for them, where one gives several; else what the labels say."""
    return MULTI if any(one.task == MULTI for one in classifiers) else None


def open_as(path: Path, spec: InputSpec) -> Classifier:
    """An ONNX file with the serving input, whose pictures are made as `spec` says."""
    return open_classifier(path, spec.resize, geometry=spec.geometry)


def batches_of(files: tuple[Path, ...] | list[Path], spec: InputSpec) -> Iterator[Pixels]:
    """The pictures as the service would see them, `[BATCH, side, side, 3]`."""
    for start in range(0, len(files), BATCH):
        yield np.stack([read_input(path, spec) for path in files[start : start + BATCH]])


def read_input(path: Path, spec: InputSpec) -> Pixels:
    """One picture from a file, as the service would see it."""
    return fit(open_picture(path), spec)


def served(content: bytes, name: str, spec: InputSpec, quantized: bool) -> Classifier:
    """A model as the service will run it, before there is a bundle."""
    kind = "bundle, int8" if quantized else "bundle, float ONNX"
    return _of_session(open_session(content), name, kind, spec, quantized)


def _bundle(path: Path, threads: int) -> Classifier:
    manifest = read_manifest(path)
    name = f"{manifest['name']} {manifest['version']}"
    found = _onnx(path / "model.onnx", name, spec_of(manifest).resize, threads, EVALUATION)
    return replace(
        found,
        kind=f"bundle, {found.kind}",
        spec=spec_of(manifest),
        temperature=manifest.get("calibration", {}).get("temperature", 1.0),
        labels=read_labels(path / "labels.txt"),
        task=task_of(manifest),
        thresholds=tuple(manifest.get("thresholds", ())),
    )


def _onnx(
    path: Path, name: str, resize: int | None, threads: int, geometry: Geometry
) -> Classifier:
    quantized = is_quantized(load_onnx(path))
    session = open_session(path, threads)
    image = session.get_inputs()[0]
    if image.name != "image" or image.type != "tensor(uint8)":
        raise UserError(
            f"{path} takes {image.name} {image.type}, not image, uint8 [N, H, W, 3]; bundle it first"
        )
    side = image.shape[1]
    kind = "int8" if quantized else "float ONNX"
    spec = geometry.at(side, resize)
    return _of_session(session, name, kind, spec, quantized)


def _of_session(session: Any, name: str, kind: str, spec: InputSpec, quantized: bool) -> Classifier:
    outputs = {output.name for output in session.get_outputs()}
    pooled = next((one for one in (embedding.OUTPUT, features.OUTPUT) if one in outputs), None)

    def logits(pixels: Pixels) -> Logits:
        found: Logits = session.run(["logits"], {"image": pixels})[0]
        return found

    def embedded(pixels: Pixels) -> tuple[Logits, Embeddings]:
        found, vectors = session.run(["logits", pooled], {"image": pixels})
        # The embedding is the mean of the features over their places.
        return found, vectors.mean(axis=(2, 3)) if pooled == features.OUTPUT else vectors

    return Classifier(
        name, kind, spec, logits, quantized=quantized, embedded=embedded if pooled else None
    )


def _weights(path: Path, resize: int | None, asked: int | None, geometry: Geometry) -> Classifier:
    import torch

    from glimpse_models.train import network

    trained = network.read_weights(path)
    model, backbone = trained.model(), trained.network()
    side = trained.input_side(asked)

    def logits(pixels: Pixels) -> Logits:
        with torch.inference_mode():
            found: Logits = model(backbone.serving_input(pixels)).numpy()
        return found

    spec = geometry.at(side, resize or (None if asked else trained.resize))
    labels, task = trained.labels, trained.task
    return Classifier(path.name, "float PyTorch", spec, logits, labels=labels, task=task)
