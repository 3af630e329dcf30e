"""`torchvision:NAME` or `torchvision:NAME.MEMBER`: the network, its weights and their own transform.

MEMBER is one of the network's weights, as IMAGENET1K_V1. Weights of one network may have been validated
with different transforms, so that a file must be one of them or its member named.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
import torchvision
from torchvision.transforms import InterpolationMode

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
    state_of,
)

FILTERS = {
    InterpolationMode.BILINEAR: "bilinear",
    InterpolationMode.BICUBIC: "bicubic",
    InterpolationMode.LANCZOS: "lanczos",
    InterpolationMode.NEAREST: "nearest",
}
FROM_TENSORFLOW = ("googlenet", "inception_v3")
"""Networks that change the normalization themselves; only their pretrained constructors switch it on."""


def open_torchvision(asked: Asked) -> Source:
    """Geometry, normalization and labels from `weights.transforms()` and `weights.meta`."""
    asked.refuse_preprocessing()
    name, _, wanted = asked.what.partition(".")
    if name not in torchvision.models.list_models(torchvision.models):
        raise UserError(
            f"torchvision has no classifier {name}; torchvision.models.list_models() lists them"
        )
    weights, published = _weights(name, wanted, asked.weights)
    labels = labels_of(asked, weights.meta["categories"])
    if asked.weights is not None and not published:
        network = _fine_tuned(name, weights, asked.weights, len(labels))
    else:
        check_classes(f"torchvision's {weights}", len(weights.meta["categories"]), len(labels))
        network = _pretrained(name, weights, asked.weights)
    transform = weights.transforms()
    source = of_network(
        network.eval(),
        transform,
        asked,
        labels,
        _described(transform),
        f"torchvision {torchvision.__version__}: {weights}.transforms() and the network in PyTorch",
    )
    source.record["weights"] = str(weights)
    if asked.weights is not None:
        file = asked.weights.name
        said = f"{weights} ({file})" if published else f"{file}, prepared as {weights}"
        source.record["weights"] = said
    return source


def _weights(name: str, wanted: str, path: Path | None) -> tuple[Any, bool]:
    """The member that is named or that the file is, and whether the file is it."""
    every = torchvision.models.get_model_weights(name)
    # VGG's FEATURES have no classifier.
    members = {one.name: one for one in every if one.meta["categories"]}
    names = ", ".join(f"torchvision:{name}.{one}" for one in members)
    if wanted and wanted not in every.__members__:
        raise UserError(f"torchvision has no weights {wanted} of {name}; it has {names}")
    named = members.get(every[wanted].name) if wanted else None
    if wanted and named is None:
        raise UserError(
            f"torchvision's weights {wanted} of {name} have no classifier; give {names}"
        )
    if path is None:
        return named or every.DEFAULT, False
    found = published_as(path, {one: member.url for one, member in members.items()})
    if found is not None:
        if named is not None and named is not members[found]:
            raise UserError(
                f"{path} holds the weights {found}, not {wanted}; give --from torchvision:{name}.{found}"
            )
        return members[found], True
    if named is None and len({repr(member.transforms()) for member in members.values()}) > 1:
        raise UserError(
            f"{path} is none of torchvision's weights of {name}, and these prepare pictures in different ways; "
            f"say how it was validated: --from with one of {names}"
        )
    return named or every.DEFAULT, False


def _pretrained(name: str, weights: Any, path: Path | None) -> Any:
    """As torchvision builds it, which renames old weights and sets what these weights need."""
    if path is None:
        try:
            return torchvision.models.get_model(name, weights=weights)
        except (OSError, RuntimeError) as error:
            source = f"torchvision:{name}.{weights.name}"
            raise missing_weights(f"torchvision's {weights}", weights.url, source, error) from error
    state_of(path)  # refuses a file that would run code, which torch.hub does not
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        cached = Path(folder) / "checkpoints" / weights.url.rsplit("/", 1)[-1]
        cached.parent.mkdir()
        cached.symlink_to(path.resolve())
        torch.hub.set_dir(folder)
        try:
            return torchvision.models.get_model(name, weights=weights)
        except RuntimeError as error:
            raise does_not_fit(path, error) from error
        finally:
            torch.hub.set_dir(before)


def _fine_tuned(name: str, weights: Any, path: Path, classes: int) -> Any:
    """With as many classes as labels, and else as it is built for the weights that it started from."""
    state = state_of(path)
    options: dict[str, Any] = {}
    if name in FROM_TENSORFLOW:
        auxiliary = any(key.lower().startswith("aux") for key in state)
        options = {"transform_input": True, "aux_logits": auxiliary, "init_weights": False}
    if name.startswith("vit_"):
        options = {"image_size": weights.transforms().crop_size[0]}
    network = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise does_not_fit(path, error) from error
    return network


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
