"""Measure where a run of a bundle's model spends its time, and what could be otherwise."""

from __future__ import annotations

import argparse
from pathlib import Path

from glimpse_models.cli.options import add_bundle, read_options
from glimpse_models.research.operators import OperatorOptions, operators


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bundle, and how it runs."""
    default = OperatorOptions
    add_bundle(parser)
    parser.add_argument("--batch", type=int, help=f"pictures in a run (default: {default.batch})")
    parser.add_argument("--threads", type=int, help="of the session (default: one per processor)")
    parser.add_argument("--runs", type=int, help=f"in a round (default: {default.runs})")
    parser.add_argument("--rounds", type=int, help=f"of all settings (default: {default.rounds})")
    parser.add_argument("--openvino", type=Path, help="a Python interpreter that has OpenVINO")
    parser.add_argument("--peak", type=Path, help="the example `peak` of glimpse-tests")
    parser.add_argument("--json", type=Path, help="where the samples go")


def run(arguments: argparse.Namespace, _words: list[str]) -> None:
    """Measure."""
    operators(read_options(OperatorOptions, arguments))
