"""`hf:FOLDER`: a folder with `config.json`, `preprocessor_config.json` and weights.

The pipeline to agree with is that of transformers 5 with Pillow; with tensors, it rounds otherwise.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.sources.source import Asked, Source, labels_of, of_network

# Pillow's numbers, which are what such files hold.
FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
PROBLEMS = {
    "single_label_classification": SINGLE,
    "multi_label_classification": MULTI,
}
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
CONVNEXT_SQUASHED_FROM = 384
CONVNEXT_CROP = 224 / 256
"""What its processor takes for `crop_pct` where the file does not say it."""


def open_huggingface(asked: Asked) -> Source:
    """Geometry and normalization from `preprocessor_config.json`, labels from `config.json`."""
    asked.refuse_preprocessing()
    folder = Path(asked.what)
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise UserError(
            f"{folder} holds none of {', '.join(WEIGHTS)}; fetch it with config.json and preprocessor_config.json"
        )
    config, prepared = (
        _read(folder / name) for name in ("config.json", "preprocessor_config.json")
    )
    import transformers

    labels = labels_of(asked, _labels(config))
    asked = dataclasses.replace(asked, task=_task(asked, config))
    network = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")

    def transform(picture: Image.Image) -> Any:
        return processor(picture, return_tensors="pt")["pixel_values"][0]

    source = of_network(
        _logits_alone(network),
        transform,
        asked,
        labels,
        _described(prepared),
        f"transformers {transformers.__version__}: {type(processor).__name__} and the network in PyTorch",
    )
    source.record["weights"] = folder.name
    return source


def _logits_alone(network: Any) -> nn.Module:
    """A network whose output is the logits, not a record with them in it."""

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: torch.Tensor) -> Any:
            return self.network(pixel_values=pictures).logits

    return Logits().eval()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); fetch the model's folder whole"
        ) from error
    return found


def _labels(config: dict[str, Any]) -> list[str]:
    """Of ImageNet's synonyms the first; all of them where two classes share it."""
    given = {int(index): str(name) for index, name in config.get("id2label", {}).items()}
    whole = [given[index] for index in sorted(given)]
    first = [name.split(",")[0].strip() for name in whole]
    return [one if first.count(one) == 1 else name for one, name in zip(first, whole, strict=True)]


def _task(asked: Asked, config: dict[str, Any]) -> str | None:
    """As the fine-tuning recorded it; an option that contradicts it is refused."""
    known = PROBLEMS.get(str(config.get("problem_type")))
    if known and asked.task and known != asked.task:
        raise UserError(
            f"--task {asked.task} contradicts config.json, which says {config['problem_type']}; leave it out"
        )
    return known or asked.task


def _described(config: dict[str, Any]) -> tuple[InputSpec, Normalization]:
    """What the image processor does, where a bundle can say it."""
    try:
        spec = _geometry(config)
        mean, std = _statistics(config)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"preprocessor_config.json says something that a bundle cannot ({error!r}); give the network as onnx:FILE"
        ) from error
    return spec, Normalization(mean, std)


def _geometry(config: dict[str, Any]) -> InputSpec:
    if not config.get("do_resize", True):
        raise ValueError("do_resize is false")
    size = _sides(config["size"])
    name = FILTERS[config.get("resample", 2)]
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type"))
    if kind.startswith("ConvNext"):
        edge: int = size["shortest_edge"] if "shortest_edge" in size else _square(size)
        if edge >= CONVNEXT_SQUASHED_FROM:
            return InputSpec(edge, edge, mode="squash", filter=name, crop="none")
        resize = int(edge / (config.get("crop_pct") or CONVNEXT_CROP))
        return InputSpec(edge, resize, filter=name, crop="center-floor")
    if config.get("do_center_crop", False):
        side = _square(_sides(config["crop_size"]))
        mode = "shorter-side" if "shortest_edge" in size else "squash"
        resize = size["shortest_edge"] if "shortest_edge" in size else _square(size)
        if resize < side:
            raise ValueError(f"the crop {side} is larger than {resize}, and is padded")
        return InputSpec(side, resize, mode=mode, filter=name, crop="center-floor")
    side = _square(size)
    return InputSpec(side, side, mode="squash", filter=name, crop="none")


def _sides(size: int | dict[str, int]) -> dict[str, int]:
    return {"height": size, "width": size} if isinstance(size, int) else size


def _square(size: dict[str, int]) -> int:
    if size["height"] != size["width"]:
        raise ValueError(f"the input {size} is not square")
    return size["height"]


def _statistics(
    config: dict[str, Any],
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Of pictures in 0…1."""
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    scale = 255 * factor
    if not config.get("do_normalize", True):
        return (0.0, 0.0, 0.0), (1 / scale, 1 / scale, 1 / scale)
    red, green, blue = (float(value) / scale for value in config["image_mean"])
    first, second, third = (float(value) / scale for value in config["image_std"])
    return (red, green, blue), (first, second, third)
