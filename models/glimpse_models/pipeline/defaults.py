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
    side = choice.side or start.side
    if choice.backbone is None and start.backbone == LITE:
        side = (
            max(1, round(side / STRIDE)) * STRIDE
        )  # the user asked for a side, not for this network
    common = RecipeOptions(
        side=side,
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
    return Chosen(recipe, f"{start.backbone} {start.why}, {epochs} epochs at {side} pixels")


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
    backbone = choice.backbone
    if choice.weights == "none":
        return _Start(backbone or SCRATCH[0], SCRATCH[1], "none", "from scratch")
    if choice.weights not in ("auto", "imagenet"):
        return _Start(
            backbone or PRETRAINED[0], PRETRAINED[1], choice.weights, f"from {choice.weights}"
        )
    from glimpse_models.train.backbone import backbone_of

    wanted = backbone or PRETRAINED[0]
    try:
        backbone_of(wanted).pretrained()
    except UserError as error:
        if choice.weights == "imagenet":
            raise
        if backbone is None:
            print(f"{error}\n{INSTEAD}", flush=True)
            return _Start(*INSTALLED, "imagenet", "from its authors' ImageNet weights")
        print(f"{error}\ntraining from scratch instead, which needs many more pictures", flush=True)
        return _Start(backbone, SCRATCH[1], "none", "from scratch")
    authors = "its authors'" if wanted == LITE else "torchvision's"
    return _Start(wanted, PRETRAINED[1], "imagenet", f"from {authors} ImageNet weights")


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
