"""`timm:NAME`: the network, its `pretrained_cfg` and timm's own evaluation transform."""

from __future__ import annotations

import math
from typing import Any

import torchvision

from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.sources.source import (
    Asked,
    Source,
    labels_of,
    load_into,
    missing_weights,
    of_network,
)

IMAGENET_CLASSES = 1000
HUB = "https://huggingface.co"


def open_timm(asked: Asked) -> Source:
    """Geometry and normalization from `pretrained_cfg`; ImageNet's labels where it has 1,000 classes."""
    asked.refuse_preprocessing()
    import timm

    if not timm.is_model(asked.what):
        raise UserError(f"timm has no {asked.what}; timm.list_models() lists what it has")
    bare = timm.create_model(asked.what, pretrained=False)
    config = bare.pretrained_cfg
    known: list[str] = []
    if config.get("num_classes") == IMAGENET_CLASSES:
        # In the same order as timm's own, and each label only once.
        known = torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"]
    labels = labels_of(asked, known)
    network = _network(timm, asked, config, len(labels))
    resolved = timm.data.resolve_data_config({}, model=network)
    transform = timm.data.create_transform(**resolved, is_training=False)
    source = of_network(
        network,
        transform,
        asked,
        labels,
        _described(resolved),
        f"timm {timm.__version__}: create_transform and the network in PyTorch",
    )
    name = f"{asked.what}.{config.get('tag', '')}".rstrip(".")
    source.record["weights"] = asked.weights.name if asked.weights else f"timm {name}"
    return source


def _network(timm: Any, asked: Asked, config: dict[str, Any], classes: int) -> Any:
    if asked.weights is not None:
        network = timm.create_model(asked.what, pretrained=False, num_classes=classes)
        return load_into(network, asked.weights)
    try:
        return timm.create_model(asked.what, pretrained=True, num_classes=classes).eval()
    except Exception as error:  # the hub's client and timm have no common base for it
        file = f"{HUB}/{config.get('hf_hub_id')}/resolve/main/model.safetensors"
        url = config.get("url") or file
        raise missing_weights(f"timm's {asked.what}", url, error) from error


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
