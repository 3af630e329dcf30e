"""Quantize a float model to int8 within an allowed drop of accuracy.

Calibration and every choice use training pictures: the validation pictures stay unseen.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from glimpse_models.bundle.provenance import RunOptions, RunRead, learnt_task, resize_at
from glimpse_models.data.dataset import folder_of, training_pictures
from glimpse_models.data.preprocess import Geometry, InputSpec
from glimpse_models.data.splits import MULTI, Split
from glimpse_models.errors import UserError
from glimpse_models.graph.io import input_side, load_onnx
from glimpse_models.graph.quantize import Method, Quantizer
from glimpse_models.graph.wrap import is_quantized, is_wrapped
from glimpse_models.measure.classifiers import Classifier, batches_of, open_as, read_input
from glimpse_models.measure.metrics import fall
from glimpse_models.train.average_precision import mean_average_precision
from glimpse_models.train.record import Record

MAX_DROP = 0.003
ROUNDING = 1e-9  # of shares that are subtracted
MOST_KEPT = 8  # nodes in float, beyond which int8 would not be worth having

# Of the training pictures at most, so that calibration leaves some to check the result on.
CHECKED_SHARE = 0.25
FEWEST_CHECKED = 4


@dataclass(frozen=True)
class QuantizeOptions:
    """`pictures` and `check` are numbers of training pictures; `max_drop` is a fraction of top-1.

    With several labels per picture it is one of mean average precision. Where none is given, it is
    0.003, or one picture of a small check. `task` is what the data and
    the run do not say.
    """

    model: Path
    data: Path
    out: Path
    run: RunOptions = field(default_factory=RunOptions)
    task: str | None = None
    pictures: int = 512
    check: int = 1000
    method: Method = field(default_factory=Method)
    resize: int | None = None
    geometry: Geometry = field(default_factory=Geometry)
    keep_float: tuple[str, ...] = ()
    max_drop: float | None = None
    sensitivity: bool = False


@dataclass(frozen=True)
class Quantized:
    """What came of it: the size of the file, the number of calibration pictures, nodes in float."""

    bytes: int
    pictures: int
    in_float: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.bytes / 1e6:.1f} MB, {self.pictures} calibration pictures, "
            f"in float: {', '.join(self.in_float) or 'no node'}"
        )


def quantize(options: QuantizeOptions) -> None:
    """Quantize with the training pictures of a data set."""
    run = options.run.read()
    spec = _input_of(options, run.records)
    pictures = _training_pictures(options.data, run)
    task = options.task or _task_of(pictures, run)
    found = quantize_with(pictures, options, spec, task, run.seed)
    print(f"{options.out}: {found}")


def quantize_with(
    pictures: Split, options: QuantizeOptions, spec: InputSpec, task: str, seed: int
) -> Quantized:
    """Calibrate once, quantize, measure; keep sensitive nodes in float until the drop is small."""
    calibration, check = divide(pictures, options, seed)
    if options.sensitivity and not options.check:
        raise UserError("--sensitivity needs pictures to check on; give a --check above 0")
    if options.check and not len(check):
        left = f"{len(pictures)} training pictures are too few to calibrate and to check on"
        if options.sensitivity:
            raise UserError(f"{left}; give a folder with more")
        print(f"{left}: the drop of accuracy is not measured", file=sys.stderr)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        batches = list(batches_of(calibration.files, spec))
        quantizer = Quantizer.calibrated(options.model, Path(folder), options.method, batches)
        quantizer.refuse_unknown(options.keep_float)
        kept = list(options.keep_float)
        quantizer.write(options.out, kept)
        if len(check):
            model = open_as(options.model, spec)
            exact = Check(model, check, len(pictures.classes()), task)
            kept = _within(options, quantizer, exact, kept)
    return Quantized(options.out.stat().st_size, len(calibration), tuple(kept))


def _training_pictures(root: Path, run: RunRead) -> Split:
    """Without those that the last run found broken."""
    broken = {folder_of(root) / name for name in run.broken()}
    task = learnt_task(run.records)
    return training_pictures(root, run.seed, run.held_out, task).without(broken)


def _task_of(pictures: Split, run: RunRead) -> str:
    """As the run learnt it, else as the pictures are labelled."""
    return learnt_task(run.records) or pictures.task


def divide(pictures: Split, options: QuantizeOptions, seed: int) -> tuple[Split, Split]:
    """Disjoint pictures to calibrate with and to check on.

    Where there are fewer than both ask for, a quarter of them is for the check.
    """
    total = min(len(pictures), options.pictures + options.check)
    reserved = min(options.check, max(total - options.pictures, int(CHECKED_SHARE * total)))
    if reserved < min(FEWEST_CHECKED, options.check):
        reserved = 0
    chosen = pictures.sample(total, seed)
    order = np.random.default_rng(seed).permutation(total).tolist()
    calibration = order[: min(options.pictures, total - reserved)]
    return chosen.take(calibration), chosen.take(order[total - reserved :])


def _within(
    options: QuantizeOptions, quantizer: Quantizer, exact: Check, kept: list[str]
) -> list[str]:
    """Keep the 1, 2, 4 and 8 most sensitive nodes in float until the drop is within `max_drop`."""
    drop = exact.drop(open_as(options.out, exact.spec))
    print(
        f"drop of {exact.figure} on {len(exact.split)} training pictures: {100 * drop:.2f} points"
    )
    allowed = allowed_drop(options, len(exact.split))
    if drop <= allowed and not options.sensitivity:
        return kept
    ranking = sensitivity(quantizer, exact, kept)
    for name, error in ranking[:10]:
        print(f"  quantizing {name} alone changes the logits by {100 * error:.2f} %")
    count = 1
    while drop > allowed and count <= min(MOST_KEPT, len(ranking)):
        kept = [*options.keep_float, *(name for name, _ in ranking[:count])]
        quantizer.write(options.out, kept)
        drop = exact.drop(open_as(options.out, exact.spec))
        print(f"with {count} in float: {100 * drop:.2f} points")
        count *= 2
    if drop > allowed:
        print(
            f"still above {100 * allowed:.2f} points: try --method entropy or percentile, or more --pictures",
            file=sys.stderr,
        )
    return kept


def allowed_drop(options: QuantizeOptions, checked: int) -> float:
    """Of few pictures, one is more than 0.003, and may be chance."""
    return max(MAX_DROP, 1 / checked + ROUNDING) if options.max_drop is None else options.max_drop


class Check:
    """The float model's answers on some pictures, to compare quantized ones with."""

    def __init__(self, exact: Classifier, split: Split, classes: int, task: str) -> None:
        """`classes` is the number of classes of the data that the split is of."""
        self.split, self.spec = split, exact.spec
        self._pixels = np.stack([read_input(path, exact.spec) for path in split.files])
        self._logits = self._run(exact)
        # Where the data's classes are not the model's, its own answers stand in for them.
        known = classes == self._logits.shape[1] and split.task == task
        self._sets = None
        self._targets = np.array(split.targets) if known else self._logits.argmax(axis=1)
        if task == MULTI:
            truth = split.matrix(classes) > 0 if known else self._logits >= 0
            self._sets = truth if truth.any() else None
        self.figure = "top-1" if self._sets is None else "mAP"

    def drop(self, quantized: Classifier) -> float:
        """What quantization costs of `figure`, as a fraction."""
        return fall(self._quality(self._logits), self._quality(self._run(quantized)))

    def _quality(self, logits: npt.NDArray[np.float32]) -> float:
        if self._sets is not None:
            return mean_average_precision(logits, self._sets)
        return float((logits.argmax(axis=1) == self._targets).mean())

    def error(self, quantized: Classifier, count: int) -> float:
        """Root mean square difference of the logits, relative to the spread of the float ones."""
        exact = self._logits[:count]
        return float(np.sqrt(np.mean((self._run(quantized, count) - exact) ** 2)) / exact.std())

    def _run(self, classifier: Classifier, count: int | None = None) -> npt.NDArray[np.float32]:
        pixels = self._pixels[:count]
        parts = [
            classifier.logits(pixels[start : start + 32]) for start in range(0, len(pixels), 32)
        ]
        return np.concatenate(parts)


def sensitivity(quantizer: Quantizer, exact: Check, kept: list[str]) -> list[tuple[str, float]]:
    """Each node with the error of the logits when it alone is quantized; the worst first."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.onnx"
        names = [name for name in quantizer.nodes() if name not in kept]
        for name in tqdm(names, desc="sensitivity", unit="node", disable=None):
            quantizer.write(one, [], only=[name])
            found.append((name, exact.error(open_as(one, exact.spec), 64)))
    return sorted(found, key=lambda pair: -pair[1])


def _input_of(options: QuantizeOptions, records: list[Record]) -> InputSpec:
    """What the bundle will serve: the resize as given, else as the last run's."""
    path = options.model
    model = load_onnx(path)
    if not is_wrapped(model):
        raise UserError(f"{path} has no serving input; make one with the step export")
    if is_quantized(model):
        raise UserError(f"{path} is quantized already; give the float model")
    side = input_side(model)
    return options.geometry.at(side, options.resize or resize_at(records, side))
