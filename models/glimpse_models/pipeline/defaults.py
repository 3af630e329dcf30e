"""The recipe that `build` chooses for a number of pictures, with the reason in a phrase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from glimpse_models.errors import UserError
from glimpse_models.train.recipe import LITE, STRIDE, RecipeOptions

# Steps of the optimiser from scratch, and how many epochs they may be.
SCRATCH_STEPS = 3000
SCRATCH_EPOCHS = (15, 60)
# A network that is not pretrained learns little from few pictures; a small one learns it sooner.
SCRATCH = ("resnet18", 96)
PRETRAINED = ("resnet50", 224)
INSTALLED = (LITE, 224)
INSTEAD = f"fine-tuning {LITE} instead, whose weights are installed (Apache-2.0: keep their notice, imagenet-lite/NOTICE)"
FROM_SCRATCH = "training from scratch instead, which needs many more pictures"
AUTHORS = "from its authors' ImageNet weights"
PRETRAINED_EPOCHS = 15


@dataclass(frozen=True)
class Choice:
    """What the user decided; nothing means a default."""

    weights: str = "auto"
    side: int | None = None
    epochs: int | None = None
    backbone: str | None = None
    device: str | None = None
    seed: int = 1


@dataclass(frozen=True)
class Chosen:
    """The recipe's options, and why in a phrase."""

    recipe: RecipeOptions
    reason: str


def choose_recipe(choice: Choice, pictures: int) -> Chosen:
    """Fine-tuning where there are pretrained weights, else training from scratch."""
    start = _start(choice)
    common = RecipeOptions(
        side=start.side,
        backbone=start.backbone,
        weights=start.weights,
        augment="crop",
        precision=_precision(choice.device, start.backbone),
        seed=choice.seed,
    )
    if start.weights == "none":
        low, high = SCRATCH_EPOCHS
        epochs = choice.epochs or min(high, max(low, round(SCRATCH_STEPS * 32 / max(pictures, 1))))
        recipe = replace(common, epochs=epochs)
    else:
        epochs = choice.epochs or PRETRAINED_EPOCHS
        frozen = min(2, epochs - 1)
        recipe = replace(common, epochs=epochs, freeze_epochs=frozen, peak_rate=0.01)
    return Chosen(recipe, f"{start.backbone} {start.why}, {epochs} epochs at {start.side} pixels")


@dataclass(frozen=True)
class _Start:
    """What a run starts from."""

    backbone: str
    side: int
    weights: str
    why: str


def _start(choice: Choice) -> _Start:
    """ImageNet's weights if they can be had; else none, which is said.

    Where torchvision's cannot be downloaded, a small network whose weights are installed beats any
    that starts from nothing.
    """
    if choice.weights == "none":
        return _from(choice, SCRATCH, "none", "from scratch")
    if choice.weights not in ("auto", "imagenet"):
        return _from(choice, PRETRAINED, choice.weights, f"from {choice.weights}")
    from glimpse_models.train.backbone import backbone_of

    wanted = choice.backbone or PRETRAINED[0]
    try:
        backbone_of(wanted).pretrained()
    except UserError as error:
        if choice.weights == "imagenet":
            raise
        if choice.backbone:
            print(f"{error}\n{FROM_SCRATCH}", flush=True)
            return _from(choice, SCRATCH, "none", "from scratch")
        print(f"{error}\n{INSTEAD}", flush=True)
        start = _from(choice, INSTALLED, "imagenet", AUTHORS)
        # The user asked for a side, not for a network that takes multiples alone.
        return replace(start, side=max(1, round(start.side / STRIDE)) * STRIDE)
    why = AUTHORS if wanted == LITE else "from torchvision's ImageNet weights"
    return _from(choice, PRETRAINED, "imagenet", why)


def _from(choice: Choice, default: tuple[str, int], weights: str, why: str) -> _Start:
    """The default backbone and side, unless the user chose others."""
    backbone, side = default
    return _Start(choice.backbone or backbone, choice.side or side, weights, why)


def _precision(device: str | None, backbone: str) -> str:
    """16 bits on a GPU and on processors with arithmetic for it: others emulate it slowly.

    Even those train a depthwise convolution faster in 32 bits.
    """
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return "bf16"
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text(encoding="utf-8").split()) if info.is_file() else set()
    return "bf16" if flags & {"avx512_bf16", "amx_bf16"} and backbone != LITE else "fp32"
