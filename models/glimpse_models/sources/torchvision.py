"""`torchvision:NAME`: the network, its best weights and their own transform."""

from __future__ import annotations

from typing import Any

import torchvision
from torchvision.transforms import InterpolationMode

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

FILTERS = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
    InterpolationMode.LANCZOS: "lanczos",
    InterpolationMode.NEAREST: "nearest",
}


def open_torchvision(asked: Asked) -> Source:
    """Geometry, normalization and labels from `weights.transforms()` and `weights.meta`."""
    asked.refuse_preprocessing()
    if asked.what not in torchvision.models.list_models(torchvision.models):
        raise UserError(
            f"torchvision has no classifier {asked.what}; torchvision.models.list_models() lists them"
        )
    weights = torchvision.models.get_model_weights(asked.what).DEFAULT
    labels = labels_of(asked, weights.meta["categories"])
    network = torchvision.models.get_model(asked.what, weights=None, num_classes=len(labels))
    if asked.weights is not None:
        load_into(network, asked.weights)
    else:
        try:
            network.load_state_dict(weights.get_state_dict(progress=True, check_hash=True))
        except (OSError, RuntimeError) as error:
            raise missing_weights(f"torchvision's {asked.what}", weights.url, error) from error
    transform = weights.transforms()
    version = torchvision.__version__
    source = of_network(
        network.eval(),
        transform,
        asked,
        labels,
        _described(transform),
        f"torchvision {version}: {weights}.transforms() and the network in PyTorch",
    )
    source.record["weights"] = asked.weights.name if asked.weights else str(weights)
    return source


def _described(transform: Any) -> tuple[InputSpec, Normalization]:
    """What the preset for classification does; others do more than a bundle can say."""
    try:
        side, resize = transform.crop_size[0], transform.resize_size[0]
        name = FILTERS[transform.interpolation]
        mean, std = tuple(transform.mean), tuple(transform.std)
    except (AttributeError, IndexError, KeyError) as error:
        raise UserError(
            f"torchvision's transform {transform} is not its classification preset; give the network as onnx:FILE"
        ) from error
    return InputSpec(side, resize, filter=name), Normalization(mean, std)
