"""Measure what a bundle's further outputs cost a run that does not ask for them.

The bundle's model runs in turns with the same model cut down to its logits, one picture and one
thread, so that other load on the machine affects both alike. Where a session's weights lie in
memory changes its time by a hundredth too, so both sessions are opened anew several times.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tqdm import tqdm

from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, open_session, random_pictures
from glimpse_models.research import record

LOGITS = "logits"


@dataclass(frozen=True)
class OverheadOptions:
    """A bundle, how often it runs, and the ratio above which it is refused."""

    bundle: Path
    sessions: int = 7
    runs: int = 300
    at_most: float = 1.01
    json: Path | None = None


def overhead(options: OverheadOptions) -> None:
    """Print the ratio of the medians over all pairs; refuse the bundle where it is above the limit."""
    model = load_onnx(options.bundle / "model.onnx")
    further = [value.name for value in model.graph.output if value.name != LOGITS]
    contents = [model.SerializeToString(), logits_only(model).SerializeToString()]
    ratios = []
    for _ in tqdm(range(options.sessions), desc="overhead", unit="pair", disable=None):
        sessions = [open_session(content, threads=1) for content in contents]
        whole, plain = medians(sessions, options.runs)
        ratios.append(whole / plain)
    ratio = float(np.median(ratios))
    print(
        f"a run for the logits, with and without {', '.join(further) or 'nothing'} in the model: ratio {ratio:.4f} "
        f"({min(ratios):.4f} to {max(ratios):.4f} in {options.sessions} pairs of sessions, {options.runs} runs each, in turns)"
    )
    if options.json is not None:
        record.write(options.json, {"ratios": ratios})
    if ratio > options.at_most:
        raise UserError(
            f"further outputs cost plain runs {100 * (ratio - 1):.1f} %, --at-most is {options.at_most}"
        )


def logits_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without what the logits do not need."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    graph = cut.graph
    needed, kept = {LOGITS}, []
    for node in reversed(graph.node):  # ONNX has its nodes in order.
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    _replace(graph.node, reversed(kept))
    for values in (graph.input, graph.initializer):
        _replace(values, [value for value in values if value.name in needed])
    _replace(graph.output, [value for value in graph.output if value.name == LOGITS])
    return cut


def _replace(field: Any, values: Iterable[Any]) -> None:
    kept = list(values)
    copies = [type(value)() for value in kept]
    for copy, value in zip(copies, kept, strict=True):
        copy.CopyFrom(value)
    del field[:]
    field.extend(copies)


def medians(sessions: list[Any], runs: int) -> list[float]:
    """Milliseconds of a run for the logits, for each session."""
    pixels = random_pictures(sessions[0], 1)
    times: list[list[float]] = [[] for _ in sessions]
    for turn in range(runs):
        # Whoever comes second finds other caches: they take turns at that too.
        for number in (0, 1) if turn % 2 else (1, 0):
            started = time.perf_counter()
            sessions[number].run([LOGITS], {"image": pixels})
            times[number].append(1000 * (time.perf_counter() - started))
    return [float(np.median(found)) for found in times]
