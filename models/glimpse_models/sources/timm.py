"""`timm:NAME` or `timm:NAME.TAG`: the network, its `pretrained_cfg` and timm's own evaluation transform.

TAG is one of the network's weights, as a1_in1k; weights of one network may be prepared differently.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
import torchvision

from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.sources.source import (
    Asked,
    Source,
    check_classes,
    does_not_fit,
    labels_of,
    missing_weights,
    of_network,
    published_as,
)

IMAGENET_CLASSES = 1000
HUB = "https://huggingface.co"
ON_HUB = "model.safetensors"
"""What timm looks for first in a repository whose file its configuration does not name."""
NUMPY = (".npz", ".npy")
PREPARED = (
    *("input_size", "test_input_size", "crop_pct", "test_crop_pct", "crop_mode"),
    *("interpolation", "mean", "std"),
)
"""Fields of `pretrained_cfg` that say how pictures are prepared."""


def open_timm(asked: Asked) -> Source:
    """Geometry and normalization from `pretrained_cfg`; ImageNet's labels where it has 1,000 classes."""
    asked.refuse_preprocessing()
    import timm

    if not timm.is_model(asked.what):
        raise UserError(f"timm has no {asked.what}; timm.list_models() lists what it has")
    name = _name(timm, asked.what, asked.weights)
    config = _config(timm, name)
    known: list[str] = []
    if config.get("num_classes") == IMAGENET_CLASSES:
        # In the same order as timm's own, and each label only once.
        known = torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    labels = labels_of(asked, known)
    network = _network(timm, name, config, asked.weights, len(labels)).eval()
    resolved, why = _resolved(timm, network, config, len(labels))
    side = resolved["input_size"][-1]
    transform = timm.data.create_transform(**resolved, is_training=False)
    source = of_network(
        network,
        transform,
        asked,
        labels,
        _described(resolved),
        f"timm {timm.__version__}: create_transform for {side} × {side} pixels, {why}, and the network in PyTorch",
    )
    full = f"timm {name.partition('.')[0]}.{config.get('tag', '')}".rstrip(".")
    source.record["weights"] = (
        f"{asked.weights.name}, prepared as {full}" if asked.weights else full
    )
    return source


def _config(timm: Any, name: str) -> dict[str, Any]:
    try:
        found = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag
        tags = ", ".join(timm.list_pretrained(f"{name.partition('.')[0]}.*"))
        raise UserError(f"timm has no weights {name}; it has {tags}") from error
    config: dict[str, Any] = found.to_dict() if found else {}
    return config


def _name(timm: Any, what: str, path: Path | None) -> str:
    """With the tag of the weights that a file is; refuses to guess one where they are prepared differently."""
    if path is None or "." in what:
        return what
    tagged = timm.list_pretrained(f"{what}.*")
    configs = {name: _config(timm, name) for name in tagged}
    urls = {name: str(config["url"]) for name, config in configs.items() if config.get("url")}
    found = published_as(path, urls)
    if found is None and len({_prepared(config) for config in configs.values()}) > 1:
        raise UserError(
            f"{path} may be of any of timm's weights of {what}, and these prepare pictures in different ways; "
            f"say which it is of, or was fine-tuned from: --from with one of {', '.join(f'timm:{one}' for one in tagged)}"
        )
    return found or what


def _prepared(config: dict[str, Any]) -> str:
    return repr([config.get(field) for field in PREPARED])


def _network(timm: Any, name: str, config: dict[str, Any], path: Path | None, classes: int) -> Any:
    if path is not None:
        return _from_file(timm, name, config, path, classes)
    if not any(config.get(field) for field in ("hf_hub_id", "url", "file")):
        raise UserError(f"timm has no weights of {name}; name a file of them: --weights FILE")
    check_classes(f"timm's {name}", config["num_classes"], classes)
    try:
        return timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub's client and timm have no common base for it
        full = f"{name.partition('.')[0]}.{config.get('tag') or ''}".rstrip(".")
        raise missing_weights(f"timm's {name}", _url(config), f"timm:{full}", error) from error


def _url(config: dict[str, Any]) -> str:
    """The file that timm itself would download."""
    if hub := config.get("hf_hub_id"):
        place, _, revision = str(hub).partition("@")
        file = config.get("hf_hub_filename") or ON_HUB
        return f"{HUB}/{place}/resolve/{revision or 'main'}/{file}"
    return str(config["url"])


def _from_file(timm: Any, name: str, config: dict[str, Any], path: Path, classes: int) -> Any:
    """By timm's own loader, which renames the tensors of other authors' files."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a file of weights")
    given: dict[str, Any] = {
        "file": str(path),
        "custom_load": path.suffix in NUMPY,
        # Else timm drops the classifier of a fine-tuned network, and leaves it random.
        "num_classes": classes,
    }
    if classes != config.get("num_classes"):
        given["label_offset"] = 0
    try:
        return timm.create_model(
            name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=given
        )
    except RuntimeError as error:
        if "state_dict" in str(error):
            raise does_not_fit(path, error) from error
        raise UserError(f"{path} is not a file of weights for timm's {name}: {error}") from error
    except Exception as error:  # whatever the broken part of a file raises
        raise UserError(f"{path} is not a file of weights for timm's {name}: {error!r}") from error


def _resolved(
    timm: Any, network: Any, config: dict[str, Any], classes: int
) -> tuple[dict[str, Any], str]:
    """The preprocessing at the size that timm's published results are for, and which size that is.

    Its `validate.py` takes the test size; its `train.py` validates a network at the training size, so that
    a fine-tuned one keeps that.
    """
    trained = timm.data.resolve_data_config({}, model=network)
    tested = timm.data.resolve_data_config({}, model=network, use_test_size=True)
    if trained == tested:
        return trained, "its only size"
    if classes != config.get("num_classes"):
        return trained, "the training size, as the network was fine-tuned"
    if config.get("fixed_input_size") or not _accepts(network, tested["input_size"]):
        return trained, "the training size, as the network takes no other"
    return tested, "the test size"


def _accepts(network: Any, size: tuple[int, int, int]) -> bool:
    try:
        with torch.inference_mode():
            network(torch.zeros(1, *size))
    except Exception:  # assertions, shapes: as each network checks them
        return False
    return True


def _described(config: dict[str, Any]) -> tuple[InputSpec, Normalization]:
    channels, height, width = config["input_size"]
    mode = config.get("crop_mode") or "center"
    if channels != 3 or height != width or mode not in ("center", "squash"):
        raise UserError(
            f"timm's input {config['input_size']} with the crop {mode} cannot be served; give the network as onnx:FILE"
        )
    name = config["interpolation"]
    spec = InputSpec(
        height,
        math.floor(height / config["crop_pct"]),
        mode="shorter-side" if mode == "center" else "squash",
        filter="bilinear" if name == "random" else name,
    )
    return spec, Normalization(tuple(config["mean"]), tuple(config["std"]))
