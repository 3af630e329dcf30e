"""The networks that can be trained: how each is made, what its parts are called, what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import nn

from glimpse_models.data.normalization import IMAGENET, Normalization
from glimpse_models.errors import UserError
from glimpse_models.train import efficientnet_lite as lite
from glimpse_models.train.recipe import LITE, RESNETS

DENSE_WIDTH = 1024

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Backbone:
    """`make` gives the network of a number of classes, `pretrained` its ImageNet weights, of `origin`.

    `head` is the module behind the global average pooling. `stages` are the modules of the stem and
    of four stages.
    """

    name: str
    make: Callable[[int], nn.Module]
    pretrained: Callable[[], State]
    origin: str
    normalization: Normalization
    head: str
    stages: tuple[tuple[str, ...], ...]

    def build(self, classes: int, head: str = "linear") -> nn.Module:
        """The network without weights, with one linear layer or the dense head."""
        model = self.make(classes)
        if head == "dense":
            # Global average pooling → Dense(1024, ReLU) → Dense(classes), as Keras tutorials have it.
            width = model.get_parameter(f"{self.head}.weight").shape[1]
            layers = (nn.Linear(width, DENSE_WIDTH), nn.ReLU(inplace=True))
            setattr(model, self.head, nn.Sequential(*layers, nn.Linear(DENSE_WIDTH, classes)))
        return model.to(memory_format=torch.channels_last)

    def head_of(self, model: nn.Module) -> nn.Module:
        """What follows the global average pooling."""
        head: nn.Module = model.get_submodule(self.head)
        return head

    def first_stages(self, model: nn.Module, count: int) -> list[nn.Module]:
        """The stem and the first `count` stages; nothing for 0."""
        names = [name for stage in self.stages[: count + 1] for name in stage]
        return [model.get_submodule(name) for name in names] if count else []

    def normalise(self, pictures: torch.Tensor) -> torch.Tensor:
        """`[N, 3, H, W]` in 0…1 → what the network takes."""
        mean = torch.tensor(self.normalization.mean, device=pictures.device).view(1, 3, 1, 1)
        std = torch.tensor(self.normalization.std, device=pictures.device).view(1, 3, 1, 1)
        return (pictures - mean) / std

    def serving_input(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """uint8 `[N, H, W, 3]`, as the service sees it → what the network takes."""
        pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return self.normalise(pictures).contiguous(memory_format=torch.channels_last)


def backbone_of(name: str) -> Backbone:
    """By its name among the recipe's."""
    return _lite() if name == LITE else _resnet(name)


def detect(state: State, path: Path) -> tuple[Backbone, str, int]:
    """Which backbone a state is of, the kind of its head, and its number of classes."""
    found = _lite() if "_conv_stem.weight" in state else _resnet(_depth(state, path))
    for kind, name in (("linear", "bias"), ("dense", "2.bias")):
        if (bias := state.get(f"{found.head}.{name}")) is not None:
            return found, kind, len(bias)
    raise UserError(
        f"{path} does not hold a network with a head {found.head}; export such a network to ONNX and bundle that"
    )


def _resnet(name: str) -> Backbone:
    def make(classes: int) -> nn.Module:
        # Each block's last batch norm starts at zero (Goyal et al., 2017).
        model: nn.Module = getattr(torchvision.models, name)(
            num_classes=classes, zero_init_residual=True
        )
        return model

    stages = (("conv1", "bn1"), *((f"layer{number}",) for number in range(1, 5)))
    return Backbone(name, make, lambda: _download(name), "torchvision", IMAGENET, "fc", stages)


def _lite() -> Backbone:
    ends = (0, 3, 5, 11, 16)  # where the side halves
    blocks = [range(first, end) for first, end in pairwise(ends)]
    stages: list[tuple[str, ...]] = [("_conv_stem", "_bn0")]
    stages += [tuple(f"_blocks.{block}" for block in stage) for stage in blocks]
    stages[-1] += ("_conv_head", "_bn1")
    return Backbone(
        LITE,
        lite.untrained,
        lite.weights,
        f"{lite.version()}, Apache-2.0",
        lite.NORMALIZATION,
        "_fc",
        tuple(stages),
    )


def _download(name: str) -> State:
    """Torchvision's official weights, downloaded once."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    try:
        state: State = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError) as error:
        raise UserError(
            f"cannot download torchvision's weights ({error}); fetch {Path(weights.url).name} on a "
            f"machine with a network and name that file instead of imagenet, or take --backbone {LITE}, whose weights are installed"
        ) from error
    return state


def _depth(state: State, path: Path) -> str:
    """By the number of blocks in the third stage and the kind of block."""
    blocks = len({name.split(".")[1] for name in state if name.startswith("layer3.")})
    bottleneck = "layer1.0.conv3.weight" in state
    names = {
        (2, False): "resnet18",
        (6, False): "resnet34",
        (6, True): "resnet50",
        (23, True): "resnet101",
    }
    # ResNeXt and Wide ResNet have the same layers with other channels.
    inner = state.get("layer1.0.conv2.weight")
    has_its_channels = inner is not None and inner.shape[:2] == (64, 64)
    if (blocks, bottleneck) not in names or not has_its_channels:
        raise UserError(
            f"{path} holds none of {', '.join((*RESNETS, LITE))}; export it to ONNX and bundle that"
        )
    return names[blocks, bottleneck]
