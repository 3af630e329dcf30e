"""From a folder of pictures, or from a classifier made elsewhere (--from), to a bundle.

With every default chosen.

Trains (or takes finished runs), exports, quantizes, bundles, measures, writes the card, verifies, and
publishes where --to says so. Killed, it goes on with its training when given the same command again.

--from takes timm:NAME, torchvision:NAME or hf:FOLDER with the preprocessing that they name, and keras:FILE
or onnx:FILE with that of the options; the bundle is written if it answers as the source's own pipeline
does. With --data it is quantized, calibrated with the training pictures there.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from glimpse_models.cli.options import (
    add_cpu_graph,
    add_data,
    add_endpoint,
    add_geometry,
    add_task,
    geometry_of,
    read_options,
)
from glimpse_models.cli.train import add_broken, add_loss
from glimpse_models.data.normalization import NORMALIZATIONS
from glimpse_models.errors import UserError
from glimpse_models.graph.quantize import METHODS
from glimpse_models.measure.several import THRESHOLD
from glimpse_models.pipeline.build import BuildOptions, build
from glimpse_models.pipeline.defaults import INSTALLED, PRETRAINED, SCRATCH
from glimpse_models.pipeline.imported import KINDS, ImportOptions, import_model
from glimpse_models.sources.source import Asked
from glimpse_models.train.recipe import BACKBONES
from glimpse_models.train.record import command_line

STATED = ("onnx", "keras")
"""Kinds that do not say how their pictures are prepared."""
GEOMETRY = {"resize", "resize_mode", "filter", "no_antialias", "fill", "crop"}
FOR_SOURCES = {"weights", "side", "task", "labels", "normalise", "exporter", *GEOMETRY}
"""Options of a classifier made elsewhere, beside those that are fields of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What must be given, and what may be."""
    default = BuildOptions
    add_data(parser, required=False)
    parser.add_argument("--name", required=True, help="as in /v2/models/NAME")
    parser.add_argument("--version", required=True, help="a new model is a new version")
    parser.add_argument("--to", metavar="s3://BUCKET/PREFIX", help="publish it there")
    add_endpoint(parser)
    parser.add_argument("--work", type=Path, help="folder for all files (default: NAME-VERSION)")
    parser.add_argument(
        "--out", type=Path, help="the bundle's folder, the card beside it (default: WORK/bundle)"
    )
    add_source(parser)
    training = parser.add_argument_group("training")
    training.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="do not train: take these finished runs, which went on from one another, in order",
    )
    add_task(parser, "default: as --data is labelled, or one of a --from that does not say it")
    add_loss(training)
    training.add_argument(
        "--weights",
        help="imagenet, none or a file of weights (default: imagenet where they can be had; none for a --backbone whose weights cannot)",
    )
    training.add_argument(
        "--backbone",
        choices=BACKBONES,
        help=f"(default: {PRETRAINED[0]}; {INSTALLED[0]}, whose weights are installed, where no others can be downloaded; {SCRATCH[0]} from scratch)",
    )
    training.add_argument(
        "--side",
        type=int,
        help=f"in pixels (default: {PRETRAINED[1]}, or {SCRATCH[1]} from scratch)",
    )
    training.add_argument("--epochs", type=int, help="(default: by the number of pictures)")
    training.add_argument(
        "--held-out",
        type=float,
        metavar="PART",
        help=f"for validation, where the data set has no such split (default: {default.held_out})",
    )
    training.add_argument("--seed", type=int, help=f"(default: {default.seed})")
    add_broken(training)
    training.add_argument("--device", help="cpu or cuda (default: a GPU if there is one)")
    training.add_argument("--workers", type=int, help="processes that decode pictures (default: 0)")
    training.add_argument("--threads", type=int, help="of PyTorch (default: all cores)")
    rest = parser.add_argument_group("quantization and card")
    rest.add_argument(
        "--pictures", type=int, help=f"calibration pictures, at most (default: {default.pictures})"
    )
    rest.add_argument(
        "--check",
        type=int,
        help=f"training pictures to measure the drop on, at most (default: {default.check})",
    )
    rest.add_argument(
        "--method",
        choices=METHODS,
        help=f"of calibration; percentile where few activations are far larger than the others (default: {default.method})",
    )
    rest.add_argument("--about-data", help="where the pictures come from, and their terms")
    rest.add_argument(
        "--limits", help="what the model must not be used for, or is known to get wrong"
    )
    rest.add_argument("--license", help="SPDX expression or a sentence")
    add_cpu_graph(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """A classifier made elsewhere, and what it does not say itself."""
    source = parser.add_argument_group("a classifier made elsewhere, in place of training")
    source.add_argument(
        "--from", dest="source", metavar="KIND:WHAT", help=f"kinds: {', '.join(KINDS)}"
    )
    source.add_argument("--labels", type=Path, help="one label per line, where it has none")
    source.add_argument(
        "--exporter", choices=("trace", "dynamo"), help="of PyTorch (default: trace)"
    )
    source.add_argument(
        "--normalise", choices=NORMALIZATIONS, help="of onnx:FILE and keras:FILE, as validated"
    )
    source.add_argument("--resize", type=int, help="of onnx:FILE and keras:FILE, in pixels")
    source.add_argument(
        "--threshold",
        type=float,
        metavar="SCORE",
        help=f"of every label, with several per picture (default: {THRESHOLD}); calibrate fits one for each",
    )
    add_geometry(parser)


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Build."""
    given = vars(arguments)
    if "source" in given:
        _refuse(set(given) - FOR_SOURCES - _fields(ImportOptions), "for training, not for --from")
        import_model(_import_options(arguments, words))
        return
    if "data" not in given:
        raise UserError("give --data FOLDER to train on, or --from KIND:WHAT")
    _refuse(
        set(given) - _fields(BuildOptions), "for a classifier made elsewhere; name it by --from"
    )
    command = command_line(words, arguments.data, *given.get("runs", []))
    build(read_options(BuildOptions, arguments, command=command))


def _fields(options: type[BuildOptions] | type[ImportOptions]) -> set[str]:
    return {field.name for field in dataclasses.fields(options)}


def _refuse(names: set[str], why: str) -> None:
    """Options that would do nothing."""
    if names:
        options = [f"--{name.replace('_', '-')}" for name in sorted(names)]
        raise UserError(f"{', '.join(options)}: {why}")


def _import_options(arguments: argparse.Namespace, words: list[str]) -> ImportOptions:
    """What was not given stays out: a source may say it."""
    given = vars(arguments)
    kind, _, what = arguments.source.partition(":")
    stated = (GEOMETRY - {"resize"}) & set(given)
    # The filter has no default here: a wrong one is not seen.
    geometry = (
        geometry_of(arguments) if stated and (kind not in STATED or "filter" in given) else None
    )
    asked = Asked(
        what,
        Path(given["weights"]) if "weights" in given else None,
        given.get("labels"),
        NORMALIZATIONS[given["normalise"]] if "normalise" in given else None,
        given.get("side"),
        given.get("resize"),
        geometry,
        given.get("exporter", "trace"),
        given.get("task"),
    )
    paths = [given[name] for name in ("data", "out", "work") if name in given]
    command = command_line(words, *paths)
    return read_options(ImportOptions, arguments, asked=asked, command=command)
