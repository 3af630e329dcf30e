"""Any classifier that the steps make, behind one face: uint8 pictures in, logits out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.data import read_labels
from glimpse_models.errors import Refused
from glimpse_models.preprocess import InputSpec, fit, open_picture

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]

BATCH = 32


@dataclass(frozen=True)
class Classifier:
    """`logits` takes uint8 `[N, side, side, 3]` and gives float32 `[N, classes]`.

    Scores are the softmax of the logits divided by `temperature`. Labels are empty where the file
    holds none.
    """

    name: str
    kind: str
    spec: InputSpec
    logits: Callable[[Pixels], Logits]
    temperature: float = 1.0
    labels: tuple[str, ...] = ()
    quantized: bool = False


def open_classifier(
    path: Path, resize: int | None = None, threads: int = 0, side: int | None = None
) -> Classifier:
    """A bundle's folder, an ONNX file with the serving input, or PyTorch weights.

    `side` is another input side than the one trained for, which only weights can take.
    """
    if path.suffix in (".pt", ".pth"):
        return _weights(path, resize, side)
    if side is not None:
        raise Refused(f"{path} has its input side in its graph; give weights (.pt) with --side")
    if path.is_dir():
        return _bundle(path, threads)
    if path.suffix == ".onnx":
        return _onnx(path, path.name, resize, threads)
    raise Refused(f"{path} is no bundle folder, .onnx file or .pt file of weights")


def open_session(model: Path | bytes, threads: int = 0) -> Any:
    """An ONNX Runtime session on the CPU; refuses what the runtime cannot load."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        source = model if isinstance(model, bytes) else str(model)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        name = "the model" if isinstance(model, bytes) else model
        raise Refused(
            f"ONNX Runtime {onnxruntime.__version__} cannot load {name}: {error}. Export the model again with "
            "standard operators (opset 13 to 21) only"
        ) from error


def batches_of(files: tuple[Path, ...] | list[Path], spec: InputSpec) -> Iterator[Pixels]:
    """The pictures as the service would see them, `[BATCH, side, side, 3]`."""
    for start in range(0, len(files), BATCH):
        yield np.stack([read_input(path, spec) for path in files[start : start + BATCH]])


def read_input(path: Path, spec: InputSpec) -> Pixels:
    """One picture from a file, as the service would see it."""
    return fit(open_picture(path), spec)


def read_manifest(bundle: Path) -> dict[str, Any]:
    """The parsed `bundle.json`."""
    path = bundle / "bundle.json"
    if not path.is_file():
        raise Refused(f"{bundle} holds no bundle.json; make a bundle with the step bundle first")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not _is_description(manifest):
            raise ValueError("it lacks name, version, files or input, or one has another form")
    except ValueError as error:
        raise Refused(f"{path} is no bundle's: {error}; make the bundle anew") from error
    found: dict[str, Any] = manifest
    return found


def _is_description(manifest: Any) -> bool:
    """Whether it has what the steps read of every bundle."""
    match manifest:
        case {
            "name": str(),
            "version": str(),
            "files": dict(),
            "input": {"height": int(), "resize_shorter_side": int()},
        }:
            return True
    return False


def bundle_spec(bundle: Path) -> InputSpec:
    """What the bundle's input expects."""
    described = read_manifest(bundle)["input"]
    return InputSpec(described["height"], described["resize_shorter_side"])


def _bundle(path: Path, threads: int) -> Classifier:
    manifest, spec = read_manifest(path), bundle_spec(path)
    name = f"{manifest['name']} {manifest['version']}"
    found = _onnx(path / "model.onnx", name, spec.resize, threads)
    temperature = manifest.get("calibration", {}).get("temperature", 1.0)
    labels = read_labels(path / "labels.txt")
    kind = f"bundle, {found.kind}"
    return Classifier(name, kind, spec, found.logits, temperature, labels, found.quantized)


def _onnx(path: Path, name: str, resize: int | None, threads: int) -> Classifier:
    if not path.is_file():
        raise Refused(f"{path} does not exist")
    session = open_session(path, threads)
    image = session.get_inputs()[0]
    if image.name != "image" or image.type != "tensor(uint8)":
        raise Refused(
            f"{path} takes {image.name} {image.type}, not image, uint8 [N, H, W, 3]; bundle it first"
        )
    side = image.shape[1]

    def logits(pixels: Pixels) -> Logits:
        found: Logits = session.run(["logits"], {"image": pixels})[0]
        return found

    spec, quantized = InputSpec(side, resize or side), _is_quantized(path)
    kind = "int8" if quantized else "float ONNX"
    return Classifier(name, kind, spec, logits, quantized=quantized)


def _is_quantized(path: Path) -> bool:
    import onnx

    from glimpse_models.wrap import is_quantized

    return is_quantized(onnx.load(path, load_external_data=False))


def _weights(path: Path, resize: int | None, asked: int | None) -> Classifier:
    import torch

    from glimpse_models import network

    trained = network.read(path)
    model = trained.model()
    side = trained.input_side(asked)

    def logits(pixels: Pixels) -> Logits:
        with torch.inference_mode():
            found: Logits = model(network.serving_input(pixels)).numpy()
        return found

    spec = InputSpec(side, resize or (None if asked else trained.resize) or side)
    return Classifier(path.name, "float PyTorch", spec, logits, labels=trained.labels)
