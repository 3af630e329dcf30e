"""Train a classifier from scratch or from weights, on a CPU or a GPU, resumable after a kill.

OUT gets checkpoint.pt (every --save-every steps and every epoch), log.csv, run.json, curves.png and
at the end weights.pt. The same command again goes on from the checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_data, add_split, add_task, read_options
from glimpse_models.data.inspect import BROKEN_CHOICES
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.pipeline.teacher import open_teacher
from glimpse_models.train.recipe import (
    BACKBONES,
    HEADS,
    LOSSES,
    OPTIMISERS,
    PRESETS,
    SCHEDULES,
    SMOOTHING,
    RecipeOptions,
)
from glimpse_models.train.record import command_line
from glimpse_models.train.train import TrainOptions, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the run and of its recipe."""
    add_data(parser)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    add_split(parser)
    add_task(parser, "default: as --data is labelled; another one is refused")
    parser.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    parser.add_argument("--workers", type=int, help="processes that decode pictures (default: 0)")
    parser.add_argument(
        "--threads", type=int, help="of PyTorch; fewer than the cores where other work runs too"
    )
    parser.add_argument(
        "--until", type=int, metavar="STEP", help="end after this step of the schedule"
    )
    parser.add_argument(
        "--save-every", type=int, metavar="STEPS", help=f"(default: {TrainOptions.save_every})"
    )
    add_broken(parser)
    add_teacher(parser)
    add_recipe(parser)


def add_teacher(parser: argparse.ArgumentParser) -> None:
    """Whose answers are learnt beside the labels."""
    group, default = parser.add_argument_group("distillation"), RecipeOptions()
    group.add_argument(
        "--teacher",
        metavar="WHAT",
        help="a bundle, an ONNX file of export, or timm:NAME, torchvision:NAME, hf:FOLDER, which knows the classes of --data",
    )
    group.add_argument(
        "--teacher-temperature",
        type=float,
        help=f"that softens the scores of both (default: {default.teacher_temperature})",
    )
    group.add_argument(
        "--teacher-weight",
        type=float,
        help=f"of the teacher's scores against the labels, 1 for them alone (default: {default.teacher_weight})",
    )
    group.add_argument(
        "--teacher-embedding",
        type=float,
        metavar="WEIGHT",
        help="learn the teacher's embeddings too, which its bundle must give, as 10 (default: 0, off)",
    )
    group.add_argument(
        "--teacher-cache",
        type=Path,
        metavar="DIR",
        help="for the teacher's answers, which other runs may share (default: OUT)",
    )


def add_broken(parser: argparse._ActionsContainer) -> None:
    """What to do with pictures that cannot be decoded."""
    parser.add_argument(
        "--broken",
        choices=BROKEN_CHOICES,
        help=f"pictures that cannot be decoded: all are listed, then (default: {TrainOptions.broken})",
    )


def add_loss(parser: argparse._ActionsContainer) -> None:
    """What is minimized."""
    parser.add_argument(
        "--loss",
        choices=LOSSES[MULTI],
        help="with several labels per picture: binary cross-entropy, or the asymmetric loss, for many labels of which "
        f"a picture has few (default: {LOSSES[MULTI][0]})",
    )


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """The options that a recipe is made of."""
    default = RecipeOptions()
    length = parser.add_argument_group("length and size")
    length.add_argument("--epochs", type=int, help=f"(default: {default.epochs})")
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
    length.add_argument(
        "--batch", type=int, help="(default: 128; 32 for fewer than 2,560 training pictures)"
    )
    length.add_argument(
        "--epoch-steps",
        type=int,
        help="batches per epoch, drawn anew each time, where a whole one is too long (default: all)",
    )
    network = parser.add_argument_group("network")
    network.add_argument("--backbone", choices=BACKBONES, help=f"(default: {default.backbone})")
    network.add_argument(
        "--head",
        choices=HEADS,
        help=f"dense: Dense(1024, ReLU) → Dense(classes), without class activation maps (default: {default.head})",
    )
    network.add_argument(
        "--weights",
        help=f"none, imagenet (torchvision's, downloaded; of efficientnet_lite0 its authors', installed) or a file of weights (default: {default.weights})",
    )
    network.add_argument("--freeze-epochs", type=int, help="first epochs that train the head alone")
    network.add_argument(
        "--freeze-stages",
        type=int,
        choices=range(5),
        help="stem and first stages that keep their weights and batch norms; faster, for fine-tuning",
    )
    rule = parser.add_argument_group("optimisation")
    rule.add_argument(
        "--augment",
        choices=PRESETS,
        help="modern: crop, TrivialAugment, mixup or cutmix (of one label per picture); legacy: rotation, shifts, shear, zoom, flip; "
        f"crop: random resized crop and flip (default: {default.augment})",
    )
    rule.add_argument(
        "--hide-and-seek",
        type=float,
        metavar="PART",
        help="of the picture's cells, hidden at random, for truer class activation maps, as 0.3",
    )
    rule.add_argument(
        "--optimiser",
        choices=OPTIMISERS,
        help=f"muon: for few epochs from scratch in large batches (default: {default.optimiser})",
    )
    rule.add_argument("--schedule", choices=SCHEDULES, help=f"(default: {default.schedule})")
    rule.add_argument(
        "--peak-rate",
        type=float,
        help="learning rate (default: sgd 0.15 for a batch of 128, adam 1e-4, adamw 1e-3, muon 0.05)",
    )
    rule.add_argument(
        "--weight-decay", type=float, help="(default: sgd 5e-5, adam 0, adamw 0.05, muon 1e-4)"
    )
    add_loss(rule)
    rule.add_argument(
        "--label-smoothing",
        type=float,
        help=f"of one label per picture (default: {SMOOTHING[SINGLE]})",
    )
    rule.add_argument(
        "--class-weights",
        choices=("none", "balanced"),
        help=f"(default: {default.class_weights})",
    )
    rule.add_argument(
        "--ema",
        type=float,
        metavar="DECAY",
        help="keep and serve a moving average of the weights, as 0.999",
    )
    rule.add_argument(
        "--patience",
        type=int,
        help="stop after so many epochs without a better top-1 or mAP; keep the best",
    )
    rule.add_argument(
        "--precision", choices=("bf16", "fp32"), help=f"(default: {default.precision})"
    )


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Train."""
    given, recipe = vars(arguments), read_options(RecipeOptions, arguments)
    teacher = None
    if "teacher" in given:
        cache = given.get("teacher_cache", arguments.out)
        teacher = open_teacher(arguments.teacher, cache)
    elif stray := [name for name in given if name.startswith("teacher_")]:
        raise UserError(f"--{stray[0].replace('_', '-')} says nothing without --teacher")
    command = command_line(words, arguments.data, arguments.out)
    options = read_options(TrainOptions, arguments, recipe=recipe, command=command, teacher=teacher)
    train(options)
