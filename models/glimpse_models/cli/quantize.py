"""Quantize a float model to int8, static QDQ: activations uint8, weights int8 per channel.

Weights take 7 bits unless --full-range: u8 × s8 products saturate on CPUs without VNNI. Calibration
and every choice use training pictures: the validation pictures stay unseen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import (
    add_geometry,
    add_run,
    add_task,
    geometry_of,
    read_options,
    run_options,
)
from glimpse_models.graph.quantize import METHODS, Method
from glimpse_models.pipeline.quantize import MAX_DROP, QuantizeOptions, quantize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the pictures and the limits."""
    parser.add_argument(
        "--model", type=Path, required=True, help="float ONNX with the serving input"
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a data set, or a folder of typical pictures"
    )
    parser.add_argument("--out", type=Path, required=True, help="the int8 ONNX file")
    parser.add_argument(
        "--pictures",
        type=int,
        help=f"calibration pictures, at most (default: {QuantizeOptions.pictures})",
    )
    parser.add_argument("--method", choices=METHODS, help=f"(default: {Method.name})")
    parser.add_argument(
        "--percentile",
        type=float,
        help=f"of the activations that the range covers (default: {Method.percentile})",
    )
    parser.add_argument(
        "--resize",
        type=int,
        help="shorter side before the crop, as served (default: as the --run at this side, else the side)",
    )
    parser.add_argument(
        "--full-range", action="store_true", help="8-bit weights: saturates without VNNI"
    )
    parser.add_argument("--keep-float", nargs="+", metavar="NODE", help="nodes that stay float")
    parser.add_argument(
        "--check",
        type=int,
        metavar="PICTURES",
        help=f"to measure the drop on, at most; 0: do not (default: {QuantizeOptions.check})",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        help=f"of top-1 or mAP; above it, the most sensitive nodes stay float (default: {MAX_DROP}, or one picture of a small check)",
    )
    parser.add_argument(
        "--sensitivity", action="store_true", help="list the nodes by what quantizing each costs"
    )
    add_task(parser, "default: as the --run, or as --data is labelled")
    add_geometry(parser)
    add_run(parser)


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Quantize."""
    given = vars(arguments)
    method = Method(
        given.get("method", Method.name),
        given.get("percentile", Method.percentile),
        given.get("full_range", Method.full_range),
    )
    more = {"method": method, "run": run_options(arguments), "geometry": geometry_of(arguments)}
    quantize(read_options(QuantizeOptions, arguments, **more))
