"""A training recipe: every choice that decides the result, from the command line to the record."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

from glimpse_models.augment import PRESETS
from glimpse_models.errors import Refused
from glimpse_models.network import BACKBONES, HEADS
from glimpse_models.schedule import SCHEDULES

# Peak rate and weight decay where the command line names none; Adam's rate is the origin's.
DEFAULTS = {"sgd": (0.15, 5e-5), "adam": (1e-4, 0.0), "adamw": (1e-3, 0.05), "muon": (0.05, 1e-4)}


@dataclass(frozen=True)
class Recipe:
    """`sides` gives each epoch's input side; a run that is resumed must have the same recipe."""

    sides: tuple[int, ...]
    side: int
    resize: int
    backbone: str
    head: str
    weights: str
    augment: str
    optimiser: str
    schedule: str
    peak_rate: float
    weight_decay: float
    batch: int
    label_smoothing: float
    class_weights: str
    freeze_epochs: int
    freeze_stages: int
    epoch_steps: int
    hide: float
    patience: int
    ema: float
    precision: str
    seed: int

    def resize_at(self, side: int) -> int:
        """`resize` for another side than the one that serves."""
        return round(self.resize * side / self.side)

    def record(self) -> dict[str, Any]:
        """For JSON and for checkpoints."""
        return {**asdict(self), "sides": list(self.sides)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that a recipe is made of."""
    length = parser.add_argument_group("length and size")
    length.add_argument("--epochs", type=int, default=30)
    length.add_argument(
        "--side", type=int, help="input side in pixels (default: the last of --sides, or 224)"
    )
    length.add_argument(
        "--sides",
        type=int,
        nargs="+",
        help="progressive resizing: each epoch's side, instead of --epochs",
    )
    length.add_argument(
        "--resize", type=int, help="shorter side before the crop in validation (default: the side)"
    )
    length.add_argument("--batch", type=int, default=128)
    length.add_argument(
        "--epoch-steps",
        type=int,
        default=0,
        help="batches an epoch, drawn anew each time, where a whole one is too long (default: all)",
    )
    network = parser.add_argument_group("network")
    network.add_argument("--backbone", choices=BACKBONES, default="resnet50")
    network.add_argument(
        "--head",
        choices=HEADS,
        default="linear",
        help="dense: Dense(1024, ReLU) → Dense(classes); has no class activation map",
    )
    network.add_argument(
        "--weights", default="none", help="none, imagenet (torchvision's) or a file of weights"
    )
    network.add_argument(
        "--freeze-epochs", type=int, default=0, help="first epochs that train the head alone"
    )
    network.add_argument(
        "--freeze-stages",
        type=int,
        choices=range(5),
        default=0,
        help="stem and first stages that keep their weights and batch norms; faster, for fine-tuning",
    )
    rule = parser.add_argument_group("optimisation")
    rule.add_argument(
        "--augment",
        choices=PRESETS,
        default="modern",
        help="modern: crop, TrivialAugment, mixup/cutmix; origin: rotation, shifts, shear, zoom, flip; crop: random resized crop and flip",
    )
    rule.add_argument(
        "--hide",
        type=float,
        default=0.0,
        metavar="PART",
        help="of the picture's cells, hidden at random: class maps then point at what counts, as 0.3",
    )
    rule.add_argument(
        "--optimiser",
        choices=tuple(DEFAULTS),
        default="sgd",
        help="muon: for few epochs from scratch in large batches (512)",
    )
    rule.add_argument("--schedule", choices=SCHEDULES, default="one-cycle")
    rule.add_argument(
        "--peak-rate",
        type=float,
        help="learning rate (default: sgd 0.15, adam 1e-4, adamw 1e-3, muon 0.05)",
    )
    rule.add_argument(
        "--weight-decay", type=float, help="(default: sgd 5e-5, adam 0, adamw 0.05, muon 1e-4)"
    )
    rule.add_argument("--label-smoothing", type=float, default=0.1)
    rule.add_argument("--class-weights", choices=("none", "balanced"), default="none")
    rule.add_argument(
        "--ema",
        type=float,
        default=0.0,
        metavar="DECAY",
        help="keep and serve a moving average of the weights, as 0.999",
    )
    rule.add_argument(
        "--patience",
        type=int,
        default=0,
        help="stop after so many epochs without a better top-1; keep the best",
    )
    rule.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    rule.add_argument("--seed", type=int, default=1)


def from_arguments(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the options describe, with defaults that depend on other options filled in."""
    sides = tuple(arguments.sides or [arguments.side or 224] * arguments.epochs)
    side = arguments.side or sides[-1]
    rate, decay = DEFAULTS[arguments.optimiser]
    recipe = Recipe(
        sides=sides,
        side=side,
        resize=arguments.resize or side,
        backbone=arguments.backbone,
        head=arguments.head,
        weights=arguments.weights,
        augment=arguments.augment,
        optimiser=arguments.optimiser,
        schedule=arguments.schedule,
        peak_rate=rate if arguments.peak_rate is None else arguments.peak_rate,
        weight_decay=decay if arguments.weight_decay is None else arguments.weight_decay,
        batch=arguments.batch,
        label_smoothing=arguments.label_smoothing,
        class_weights=arguments.class_weights,
        freeze_epochs=arguments.freeze_epochs,
        freeze_stages=arguments.freeze_stages,
        epoch_steps=arguments.epoch_steps,
        hide=arguments.hide,
        patience=arguments.patience,
        ema=arguments.ema,
        precision=arguments.precision,
        seed=arguments.seed,
    )
    _validate(recipe)
    return recipe


def _validate(recipe: Recipe) -> None:
    if not recipe.sides:
        raise Refused("no epochs; give --epochs 1 or more, or --sides")
    if min((*recipe.sides, recipe.side)) < 32:
        raise Refused(
            "a side below 32 pixels leaves this network nothing to look at; give 32 or more"
        )
    if recipe.resize < recipe.side:
        raise Refused(
            f"--resize {recipe.resize} is below the side {recipe.side}: it must cover the crop"
        )
    if recipe.batch < 2:
        raise Refused("--batch must be 2 or more: batch norm needs a batch")
    if not 0 <= recipe.ema < 1:
        raise Refused(
            f"--ema {recipe.ema} is not a decay; give 0 (off) or a number below 1, as 0.999"
        )
    if not 0 <= recipe.hide < 1:
        raise Refused(f"--hide {recipe.hide} is no part; give 0 (off) or a number below 1, as 0.3")
    if recipe.epoch_steps < 0:
        raise Refused("--epoch-steps must be 0 (all) or more")
    for option, count in (("epochs", recipe.freeze_epochs), ("stages", recipe.freeze_stages)):
        if count and recipe.weights == "none":
            raise Refused(f"--freeze-{option} would freeze random layers; give --weights too")
