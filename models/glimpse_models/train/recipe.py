"""A training recipe: every choice that decides the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError

PRESETS = ("modern", "legacy", "crop", "none")
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101")
LITE = "efficientnet_lite0"
BACKBONES = (*RESNETS, LITE)
HEADS = ("linear", "dense")
SCHEDULES = ("one-cycle", "cosine", "constant")
OPTIMISERS = ("sgd", "adam", "adamw", "muon")
LOSSES = {SINGLE: ("cross-entropy",), MULTI: ("bce", "asymmetric")}
"""By task; the first is the default."""
SMOOTHING = {SINGLE: 0.1, MULTI: 0.0}

# Peak rate and weight decay where none are given. SGD's rate is for a batch of 128.
RATES = {"sgd": (0.15, 5e-5), "adam": (1e-4, 0.0), "adamw": (1e-3, 0.05), "muon": (0.05, 1e-4)}

STRIDE = 32  # pixels in a cell of the last feature maps

BATCH = 128
FEW_PICTURES = 20 * BATCH  # below this many training pictures, batches are smaller
SMALL_BATCH = 32

# Names in records and checkpoints of earlier versions.
RENAMED = {"hide": "hide_and_seek"}
RENAMED_VALUES = {("augment", "origin"): "legacy"}
# What runs did before there was a choice; of other options, 0.
ALWAYS = {"task": SINGLE, "loss": "cross-entropy", "teacher": ""}


@dataclass(frozen=True)
class RecipeOptions:
    """What a user may choose; nothing means a default that depends on other options or the data."""

    epochs: int = 30
    side: int | None = None
    sides: tuple[int, ...] = ()
    resize: int | None = None
    batch: int | None = None
    epoch_steps: int = 0
    backbone: str = "resnet50"
    head: str = "linear"
    weights: str = "none"
    freeze_epochs: int = 0
    freeze_stages: int = 0
    augment: str = "modern"
    hide_and_seek: float = 0.0
    optimiser: str = "sgd"
    schedule: str = "one-cycle"
    peak_rate: float | None = None
    weight_decay: float | None = None
    loss: str | None = None
    label_smoothing: float | None = None
    class_weights: str = "none"
    teacher_temperature: float = 2.0
    teacher_weight: float = 0.7
    teacher_embedding: float = 0.0
    ema: float = 0.0
    patience: int = 0
    precision: str = "bf16"
    seed: int = 1


@dataclass(frozen=True)
class Recipe:
    """`sides` gives each epoch's input side; a run that is resumed must have the same recipe."""

    task: str
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
    loss: str
    label_smoothing: float
    class_weights: str
    teacher: str
    teacher_temperature: float
    teacher_weight: float
    teacher_embedding: float
    freeze_epochs: int
    freeze_stages: int
    epoch_steps: int
    hide_and_seek: float
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

    def differences(self, saved: dict[str, Any]) -> dict[str, Any]:
        """What a saved record has otherwise; an option that it does not know was off, which is 0."""
        was = {**ALWAYS, **current_names(saved)}
        return {
            name: was.get(name, 0)
            for name, value in self.record().items()
            if was.get(name, 0) != value
        }


def current_names(saved: dict[str, Any]) -> dict[str, Any]:
    """A saved record in the names of this version."""
    named = {RENAMED.get(name, name): value for name, value in saved.items()}
    return {
        name: RENAMED_VALUES.get((name, value), value) if isinstance(value, str) else value
        for name, value in named.items()
    }


def recipe_of(
    options: RecipeOptions, pictures: int, task: str = SINGLE, teacher: str = ""
) -> Recipe:
    """The recipe for a task and a number of training pictures, with every default filled in."""
    sides = options.sides or (options.side or 224,) * options.epochs
    if not sides:
        raise UserError("no epochs; give --epochs 1 or more, or --sides")
    side = options.side or sides[-1]
    batch = _batch(options.batch, pictures)
    rate, decay = RATES[options.optimiser]
    if options.optimiser == "sgd" and options.batch is None:
        rate *= batch / BATCH
    smoothing = options.label_smoothing
    recipe = Recipe(
        task=task,
        sides=sides,
        side=side,
        resize=options.resize or side,
        backbone=options.backbone,
        head=options.head,
        weights=options.weights,
        augment=options.augment,
        optimiser=options.optimiser,
        schedule=options.schedule,
        peak_rate=rate if options.peak_rate is None else options.peak_rate,
        weight_decay=decay if options.weight_decay is None else options.weight_decay,
        batch=batch,
        loss=options.loss or LOSSES[task][0],
        label_smoothing=SMOOTHING[task] if smoothing is None else smoothing,
        class_weights=options.class_weights,
        teacher=teacher,
        teacher_temperature=options.teacher_temperature if teacher else 0.0,
        teacher_weight=options.teacher_weight if teacher else 0.0,
        teacher_embedding=options.teacher_embedding if teacher else 0.0,
        freeze_epochs=options.freeze_epochs,
        freeze_stages=options.freeze_stages,
        epoch_steps=options.epoch_steps,
        hide_and_seek=options.hide_and_seek,
        patience=options.patience,
        ema=options.ema,
        precision=options.precision,
        seed=options.seed,
    )
    _validate(recipe, pictures)
    return recipe


def _batch(asked: int | None, pictures: int) -> int:
    """As asked for, else one that gives a small data set twenty steps per epoch or so."""
    if asked is not None:
        return asked
    return BATCH if pictures >= FEW_PICTURES else max(2, min(SMALL_BATCH, pictures))


def _validate(recipe: Recipe, pictures: int) -> None:
    if min((*recipe.sides, recipe.side)) < 32:
        raise UserError("a side below 32 pixels is too small for this network; give 32 or more")
    if recipe.resize < recipe.side:
        raise UserError(
            f"--resize {recipe.resize} is below the side {recipe.side}: it must cover the crop"
        )
    if recipe.backbone == LITE and any(side % STRIDE for side in (*recipe.sides, recipe.side)):
        raise UserError(f"the sides of {LITE} are multiples of {STRIDE} pixels, as 128 or 224")
    if recipe.batch < 2:
        raise UserError("--batch must be 2 or more: batch norm needs a batch")
    if pictures < recipe.batch:
        raise UserError(
            f"{pictures} training pictures make no batch of {recipe.batch}; give a smaller --batch"
        )
    if not 0 <= recipe.ema < 1:
        raise UserError(
            f"--ema {recipe.ema} is not a decay; give 0 (off) or a number below 1, as 0.999"
        )
    if not 0 <= recipe.hide_and_seek < 1:
        raise UserError(
            f"--hide-and-seek {recipe.hide_and_seek} is not a share of cells; give 0 (off) or a number below 1, as 0.3"
        )
    if recipe.epoch_steps < 0:
        raise UserError("--epoch-steps must be 0 (all) or more")
    _validate_task(recipe)
    if recipe.teacher and not 0 < recipe.teacher_weight <= 1:
        raise UserError(
            f"--teacher-weight {recipe.teacher_weight} is not a share; give a number above 0, 1 at most"
        )
    if recipe.teacher and not 0.1 <= recipe.teacher_temperature <= 100:
        raise UserError(f"--teacher-temperature {recipe.teacher_temperature} is not 0.1 to 100")
    if not 0 <= recipe.teacher_embedding <= 1000:
        raise UserError(
            f"--teacher-embedding {recipe.teacher_embedding} is not a weight; give 0 (off) to 1000, as 10"
        )
    if recipe.teacher_embedding and recipe.augment == "modern" and recipe.task == SINGLE:
        raise UserError(
            "--augment modern mixes pictures, whose embedding no teacher knows; give --augment crop with --teacher-embedding"
        )
    for option, count in (("epochs", recipe.freeze_epochs), ("stages", recipe.freeze_stages)):
        if count and recipe.weights == "none":
            raise UserError(f"--freeze-{option} would freeze random layers; give --weights too")


def _validate_task(recipe: Recipe) -> None:
    if recipe.loss not in LOSSES[recipe.task]:
        several = "several labels" if recipe.task == MULTI else "one label"
        raise UserError(
            f"--loss {recipe.loss} does not fit data with {several} per picture; give {' or '.join(LOSSES[recipe.task])}"
        )
    if recipe.task == MULTI and recipe.label_smoothing:
        raise UserError("--label-smoothing is for one label per picture; leave it out")
    if recipe.task == MULTI and recipe.class_weights != "none":
        raise UserError(
            f"--class-weights {recipe.class_weights} is for one label per picture; --loss asymmetric weighs rare labels up"
        )
