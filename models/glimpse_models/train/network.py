"""Weights of a network: from a file, into a file, and as what a run starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from glimpse_models.errors import UserError
from glimpse_models.train.backbone import Backbone, State, backbone_of, detect


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

    def network(self) -> Backbone:
        """Of what network these weights are."""
        return backbone_of(self.backbone)

    def model(self) -> nn.Module:
        """The network with these weights, in evaluation mode."""
        model = self.network().build(self.classes, self.head)
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
    backbone, head, classes = detect(state, path)
    return Trained(state, backbone.name, head, classes)


def start_from(model: nn.Module, weights: str, backbone: Backbone) -> str:
    """Load `weights` (none, imagenet or a file) into `model`; says what was taken.

    The head is taken too where it has the same shape; otherwise it stays as initialised.
    """
    if weights == "none":
        return "from scratch"
    imagenet = weights == "imagenet"
    state = backbone.pretrained() if imagenet else read_weights(Path(weights)).state
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if _fits(own.get(name), value)}
    head = f"{backbone.head}."
    missing = [name for name in own if name not in fitting and not name.startswith(head)]
    if missing:
        raise UserError(
            f"the weights {weights} do not fit {backbone.name}: {missing[0]} and {len(missing) - 1} more are "
            "missing or of another shape; name the backbone that they come from with --backbone"
        )
    model.load_state_dict(fitting, strict=False)
    whole = all(name in fitting for name in own)
    named = f"imagenet ({backbone.origin})" if imagenet else weights
    return f"{named}, {'with' if whole else 'without'} its head"


def _fits(own: torch.Tensor | None, value: torch.Tensor) -> bool:
    return own is not None and own.shape == value.shape
