"""From parsed words to the typed options of a step, and option groups that steps share.

Parsers leave out what was not given, so that defaults are in one place: the option classes.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.data.dataset import HELD_OUT
from glimpse_models.data.preprocess import CROPS, FILTERS, MODES, Geometry
from glimpse_models.data.splits import TASKS

Options = TypeVar("Options")


def read_options(kind: type[Options], arguments: argparse.Namespace, **more: Any) -> Options:
    """The options of class `kind`, by the names of its fields; `more` are those not given by name."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(arguments).items()
        if name in names and name not in more
    }
    return kind(**given, **more)


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """A bundle to work on."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")


def add_data(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """A data set."""
    parser.add_argument(
        "--data",
        type=Path,
        required=required,
        help="one folder per class, train/ and val/ of these, a table of labels (CSV, JSON), or tiny-imagenet-200",
    )


def add_task(parser: argparse._ActionsContainer, why: str) -> None:
    """What the classifier is for."""
    parser.add_argument("--task", choices=TASKS, help=f"one label per picture or several ({why})")


def add_split(parser: argparse.ArgumentParser) -> None:
    """Which pictures are held out."""
    parser.add_argument(
        "--held-out",
        type=float,
        metavar="PART",
        help=f"for validation, where the data set has no such split (default: {HELD_OUT})",
    )
    parser.add_argument(
        "--seed", type=int, help="of the choice of held-out pictures and all draws (default: 1)"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Which pictures a run held out, and how it prepared them."""
    parser.add_argument(
        "--run", type=Path, help="the folder of the training run, which records the next two"
    )
    parser.add_argument(
        "--held-out", type=float, help=f"as in train (default: as the --run, or {HELD_OUT})"
    )
    parser.add_argument(
        "--seed", type=int, help="as in train, and of all draws (default: as the --run, or 1)"
    )


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """What `add_run` added."""
    given = vars(arguments)
    return RunOptions(given.get("run"), given.get("held_out"), given.get("seed"))


def add_geometry(parser: argparse.ArgumentParser) -> None:
    """How a picture becomes the input, where a file does not say it."""
    group = parser.add_argument_group("how pictures are resized, as the model was validated")
    default = Geometry()
    group.add_argument(
        "--resize-mode",
        choices=MODES,
        help=f"what --resize is: the shorter side, or the square that a picture is squashed to or fitted into (default: {default.mode})",
    )
    group.add_argument("--filter", choices=FILTERS, help=f"(default: {default.filter})")
    group.add_argument(
        "--no-antialias",
        action="store_true",
        help="interpolate as PyTorch and TensorFlow do by default, not as Pillow",
    )
    group.add_argument(
        "--fill",
        type=int,
        nargs=3,
        metavar=("R", "G", "B"),
        help="beside a picture that is letterboxed, 0 to 255 (default: black)",
    )
    group.add_argument("--crop", choices=CROPS, help=f"(default: {default.crop})")


def geometry_of(arguments: argparse.Namespace) -> Geometry:
    """What `add_geometry` added."""
    given, default = vars(arguments), Geometry()
    red, green, blue = given.get("fill") or default.fill
    return Geometry(
        given.get("resize_mode") or default.mode,
        given.get("filter") or default.filter,
        not given.get("no_antialias", False),
        (red, green, blue),
        given.get("crop") or default.crop,
    )


def add_endpoint(parser: argparse.ArgumentParser) -> None:
    """Which S3 server."""
    parser.add_argument(
        "--endpoint", help="an S3 server other than AWS (default: AWS_ENDPOINT_URL_S3)"
    )


def add_cpu_graph(parser: argparse.ArgumentParser) -> None:
    """Whether a bundle gets the optimized graph."""
    parser.add_argument(
        "--no-cpu-graph",
        dest="cpu_graph",
        action="store_false",
        help="leave model.cpu.onnx out, which makes cold starts shorter and the bundle twice as large",
    )
