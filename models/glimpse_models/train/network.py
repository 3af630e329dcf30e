"""The network: a torchvision ResNet with one linear head or the dense one, fed with RGB in 0…1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import nn

from glimpse_models.data.normalization import IMAGENET
from glimpse_models.errors import UserError
from glimpse_models.train.recipe import BACKBONES

DENSE_WIDTH = 1024

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Trained:
    """A state with what is known of it; labels are empty where the file holds none.

    `task` is None where the file does not say it.
    """

    state: State
    backbone: str
    head: str
    classes: int
    labels: tuple[str, ...] = ()
    side: int | None = None
    resize: int | None = None
    task: str | None = None

    def model(self) -> nn.Module:
        """The network with these weights, in evaluation mode."""
        model = build(self.classes, self.backbone, self.head)
        try:
            model.load_state_dict(self.state)
        except RuntimeError as error:
            raise UserError(
                f"the weights do not fit a {self.backbone}, though they are much like one's; export the network to ONNX and bundle that"
            ) from error
        return model.eval()

    def input_side(self, asked: int | None) -> int:
        """As asked for, else as trained for."""
        if side := asked or self.side:
            return side
        raise UserError(
            "the weights do not record their input side; give it with --side, as 64 or 224"
        )

    def save(self, path: Path) -> None:
        """Write a `weights.pt`, for `read_weights`."""
        torch.save({"model": self.state, "about": self.about()}, path)

    def about(self) -> dict[str, Any]:
        """What `weights.pt` holds beside the weights."""
        return {
            "backbone": self.backbone,
            "head": self.head,
            "labels": list(self.labels),
            "side": self.side,
            "resize": self.resize,
            "task": self.task,
        }


def build(classes: int, backbone: str = "resnet50", head: str = "linear") -> nn.Module:
    """A ResNet without weights; each block's last batch norm starts at zero (Goyal et al., 2017)."""
    make = getattr(torchvision.models, backbone)
    model: nn.Module = make(num_classes=classes, zero_init_residual=True)
    if head == "dense":
        # Global average pooling → Dense(1024, ReLU) → Dense(classes), as Keras tutorials have it.
        width = model.get_parameter("fc.weight").shape[1]
        model.fc = nn.Sequential(
            nn.Linear(width, DENSE_WIDTH), nn.ReLU(inplace=True), nn.Linear(DENSE_WIDTH, classes)
        )
    return model.to(memory_format=torch.channels_last)


def head_of(model: nn.Module) -> nn.Module:
    """What follows the global average pooling."""
    head: nn.Module = model.get_submodule("fc")
    return head


def first_stages(model: nn.Module, count: int) -> list[nn.Module]:
    """The stem and the first `count` stages; nothing for 0."""
    stages = ["conv1", "bn1", *(f"layer{number}" for number in range(1, count + 1))]
    return [model.get_submodule(name) for name in stages] if count else []


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """`[N, 3, H, W]` in 0…1 → zero mean, unit variance per channel."""
    mean = torch.tensor(IMAGENET.mean, device=pictures.device).view(1, 3, 1, 1)
    std = torch.tensor(IMAGENET.std, device=pictures.device).view(1, 3, 1, 1)
    return (pictures - mean) / std


def serving_input(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """uint8 `[N, H, W, 3]`, as the service sees it → what the network takes."""
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return normalise(pictures).contiguous(memory_format=torch.channels_last)


def read_weights(path: Path) -> Trained:
    """Weights from `weights.pt`, from a run's `checkpoint.pt`, or a bare torchvision state."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; give a weights.pt or checkpoint.pt of train"
        ) from None
    except Exception as error:  # torch.load raises whatever the broken part of a file raises
        raise UserError(f"{path} is not a file of PyTorch weights: {error}") from error
    state: State = content.get("ema") or content.get("model", content)
    known = content.get("about", {})
    if not all(isinstance(value, torch.Tensor) for value in state.values()) or not state:
        raise UserError(f"{path} does not hold the state of a network; save model.state_dict()")
    found = describe_state(state, path)
    return replace(
        found,
        backbone=known.get("backbone") or found.backbone,
        labels=tuple(known.get("labels", ())),
        side=known.get("side"),
        resize=known.get("resize"),
        task=known.get("task"),
    )


def describe_state(state: State, path: Path) -> Trained:
    """Backbone, head and number of classes, detected from the state."""
    head, classes = _head(state, path)
    return Trained(state, _backbone(state, path), head, classes)


def start_from(model: nn.Module, weights: str, backbone: str) -> str:
    """Load `weights` (none, imagenet or a file) into `model`; says what was taken.

    The head is taken too where it has the same shape; otherwise it stays as initialised.
    """
    if weights == "none":
        return "from scratch"
    state = imagenet_state(backbone) if weights == "imagenet" else read_weights(Path(weights)).state
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if _fits(own.get(name), value)}
    missing = [name for name in own if name not in fitting and not name.startswith("fc.")]
    if missing:
        raise UserError(
            f"the weights {weights} do not fit {backbone}: {missing[0]} and {len(missing) - 1} more are "
            "missing or of another shape; name the backbone that they come from with --backbone"
        )
    model.load_state_dict(fitting, strict=False)
    whole = all(name in fitting for name in own)
    return f"{weights}, {'with' if whole else 'without'} its head"


def imagenet_state(backbone: str) -> State:
    """Torchvision's official weights, downloaded once."""
    weights = torchvision.models.get_model_weights(backbone).DEFAULT
    try:
        state: State = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError) as error:
        raise UserError(
            f"cannot download torchvision's weights ({error}); fetch {Path(weights.url).name} on a "
            "machine with a network and name that file instead of imagenet"
        ) from error
    return state


def _fits(own: torch.Tensor | None, value: torch.Tensor) -> bool:
    return own is not None and own.shape == value.shape


def _head(state: State, path: Path) -> tuple[str, int]:
    if "fc.bias" in state:
        return "linear", len(state["fc.bias"])
    if "fc.2.bias" in state:
        return "dense", len(state["fc.2.bias"])
    raise UserError(
        f"{path} does not hold a ResNet with a head fc; export such a network to ONNX and bundle that"
    )


def _backbone(state: State, path: Path) -> str:
    """By the number of blocks in the third stage and the kind of block."""
    blocks = len({name.split(".")[1] for name in state if name.startswith("layer3.")})
    bottleneck = "layer1.0.conv3.weight" in state
    names = {
        (2, False): "resnet18",
        (6, False): "resnet34",
        (6, True): "resnet50",
        (23, True): "resnet101",
    }
    # Of ResNeXt and Wide ResNet, which have the same layers, it has other channels.
    inner = state.get("layer1.0.conv2.weight")
    if (blocks, bottleneck) not in names or inner is None or inner.shape[:2] != (64, 64):
        raise UserError(
            f"{path} holds none of {', '.join(BACKBONES)}; export it to ONNX and bundle that"
        )
    return names[blocks, bottleneck]
