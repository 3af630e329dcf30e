"""The recipe that `build` chooses for a number of pictures, with the reason in a phrase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from glimpse_models.errors import UserError
from glimpse_models.train.recipe import RecipeOptions

# Steps of the optimiser from scratch, and how many epochs they may be.
SCRATCH_STEPS = 3000
SCRATCH_EPOCHS = (15, 60)
# A network that is not pretrained learns little from few pictures; a small one learns it sooner.
SCRATCH = ("resnet18", 96)
PRETRAINED = ("resnet50", 224)
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
    weights, why = _weights(choice)
    backbone, side = SCRATCH if weights == "none" else PRETRAINED
    backbone, side = choice.backbone or backbone, choice.side or side
    common = RecipeOptions(
        side=side,
        backbone=backbone,
        weights=weights,
        augment="crop",
        precision=_precision(choice.device),
        seed=choice.seed,
    )
    if weights == "none":
        low, high = SCRATCH_EPOCHS
        epochs = choice.epochs or min(high, max(low, round(SCRATCH_STEPS * 32 / max(pictures, 1))))
        recipe = replace(common, epochs=epochs)
    else:
        epochs = choice.epochs or PRETRAINED_EPOCHS
        frozen = min(2, epochs - 1)
        recipe = replace(common, epochs=epochs, freeze_epochs=frozen, peak_rate=0.01)
    return Chosen(recipe, f"{backbone} {why}, {epochs} epochs at {side} pixels")


def _weights(choice: Choice) -> tuple[str, str]:
    """ImageNet's weights if they can be had; else none, which is said."""
    if choice.weights == "none":
        return "none", "from scratch"
    if choice.weights != "auto":
        return choice.weights, f"from {choice.weights}"
    from glimpse_models.train.network import imagenet_state

    try:
        imagenet_state(choice.backbone or PRETRAINED[0])
    except UserError as error:
        print(f"{error}\ntraining from scratch instead, which needs many more pictures", flush=True)
        return "none", "from scratch"
    return "imagenet", "from torchvision's ImageNet weights"


def _precision(device: str | None) -> str:
    """16 bits on a GPU and on processors with arithmetic for it: others emulate it slowly."""
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return "bf16"
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text(encoding="utf-8").split()) if info.is_file() else set()
    return "bf16" if flags & {"avx512_bf16", "amx_bf16"} else "fp32"
