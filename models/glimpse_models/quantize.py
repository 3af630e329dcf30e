"""Quantize a float model to int8, static QDQ: activations uint8, weights int8 a channel.

Weights take 7 bits (`reduce_range`) unless `--full-range`: on CPUs without VNNI, products of uint8
and int8 are summed in pairs into 16 bits and would saturate. Calibration and every choice use
training pictures: the validation pictures stay unseen.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from tqdm import tqdm

from glimpse_models.bundle import load_onnx
from glimpse_models.classifiers import Classifier, Pixels, batches_of, open_classifier, read_input
from glimpse_models.data import Split, training_pictures
from glimpse_models.errors import Refused
from glimpse_models.preprocess import InputSpec
from glimpse_models.provenance import Record, add_run, read_run, resize_at
from glimpse_models.wrap import is_quantized, is_wrapped

METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "GlobalAveragePool", "MaxPool", "Relu"]
WEIGHTED = ("Conv", "Gemm", "MatMul")

# The addition that belongs to the normalisation, not to a residual.
NORMALISATION = "shift"

MOST_KEPT = 8  # nodes in float, beyond which int8 would not be worth having


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `quantize`."""
    parser.add_argument(
        "--model", type=Path, required=True, help="float ONNX with the serving input"
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a data set, or a folder of typical pictures"
    )
    parser.add_argument("--out", type=Path, required=True, help="the int8 ONNX file")
    parser.add_argument("--pictures", type=int, default=512, help="calibration pictures")
    parser.add_argument("--method", choices=METHODS, default="minmax")
    parser.add_argument(
        "--percentile", type=float, default=99.99, help="of the activations that the range covers"
    )
    parser.add_argument(
        "--resize",
        type=int,
        help="shorter side before the crop, as served (default: as the --run at this side, else the side)",
    )
    parser.add_argument(
        "--full-range", action="store_true", help="8-bit weights: saturates without VNNI"
    )
    parser.add_argument(
        "--keep-float", nargs="+", default=[], metavar="NODE", help="nodes that stay float"
    )
    parser.add_argument(
        "--check",
        type=int,
        default=1000,
        metavar="PICTURES",
        help="to measure the drop on; 0: do not",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        default=0.003,
        help="of top-1; above it, the most sensitive nodes stay float",
    )
    parser.add_argument(
        "--sensitivity", action="store_true", help="list the nodes by what quantizing each costs"
    )
    add_run(parser)


def run(arguments: argparse.Namespace) -> None:
    """Calibrate once, quantize, measure; keep sensitive nodes in float until the drop is small."""
    records, seed, part = read_run(arguments)
    spec = _input_of(arguments.model, arguments.resize, records)
    pictures = training_pictures(arguments.data, seed, part)
    chosen = pictures.sample(arguments.pictures + arguments.check, seed)
    order = np.random.default_rng(seed).permutation(len(chosen)).tolist()
    calibration = chosen.take(order[: arguments.pictures])
    check = chosen.take(order[arguments.pictures :])
    if arguments.sensitivity and not arguments.check:
        raise Refused("--sensitivity needs pictures to check on; give a --check above 0")
    if arguments.check and not len(check):
        left = f"calibration takes all {len(calibration)} training pictures, so none is left to check on"
        if arguments.sensitivity:
            raise Refused(f"{left}; give fewer --pictures")
        print(f"{left}: the drop of top-1 is not measured", file=sys.stderr)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        quantizer = Quantizer.calibrated(arguments, Path(folder), spec, calibration)
        kept = list(arguments.keep_float)
        quantizer.write(arguments.out, kept)
        if arguments.check and len(check):
            model = open_classifier(arguments.model, spec.resize)
            exact = Check(model, check, len(set(pictures.targets)))
            kept = _within(arguments, quantizer, exact, kept)
    size = arguments.out.stat().st_size / 1e6
    print(
        f"{arguments.out}: {size:.1f} MB, {len(calibration)} calibration pictures, in float: {', '.join(kept) or 'no node'}"
    )


def _within(
    arguments: argparse.Namespace, quantizer: Quantizer, exact: Check, kept: list[str]
) -> list[str]:
    """Keep the 1, 2, 4 and 8 most sensitive nodes in float until the drop is within `--max-drop`."""
    drop = exact.drop(open_classifier(arguments.out, exact.spec.resize))
    print(f"drop of top-1 on {len(exact.split)} training pictures: {100 * drop:.2f} points")
    if drop <= arguments.max_drop and not arguments.sensitivity:
        return kept
    ranking = sensitivity(quantizer, exact, kept)
    for name, error in ranking[:10]:
        print(f"  quantizing {name} alone changes the logits by {100 * error:.2f} %")
    count = 1
    while drop > arguments.max_drop and count <= min(MOST_KEPT, len(ranking)):
        kept = [*arguments.keep_float, *(name for name, _ in ranking[:count])]
        quantizer.write(arguments.out, kept)
        drop = exact.drop(open_classifier(arguments.out, exact.spec.resize))
        print(f"with {count} in float: {100 * drop:.2f} points")
        count *= 2
    if drop > arguments.max_drop:
        print(
            f"still above {100 * arguments.max_drop:.2f} points: try --method entropy or percentile, or more --pictures",
            file=sys.stderr,
        )
    return kept


@dataclass(frozen=True)
class Quantizer:
    """A float model with the ranges of its activations, so that it is calibrated only once."""

    model: Path
    ranges: Path
    method: str
    full_range: bool

    @classmethod
    def calibrated(
        cls, arguments: argparse.Namespace, folder: Path, spec: InputSpec, pictures: Split
    ) -> Quantizer:
        """Fold constants, then run the calibration pictures."""
        from onnxruntime.quantization.shape_inference import quant_pre_process

        ready = folder / "ready.onnx"
        # Its advice is about models without symbolic shapes, which ours have for the batch alone.
        logging.getLogger().setLevel(logging.ERROR)
        quant_pre_process(str(arguments.model), str(ready), skip_symbolic_shape=True)
        quantizer = cls(ready, folder / "ranges.json", arguments.method, arguments.full_range)
        names = {node.name for node in onnx.load(ready).graph.node}
        if unknown := [name for name in arguments.keep_float if name not in names]:
            raise Refused(
                f"--keep-float {unknown[0]}: the model has no such node; --sensitivity lists them"
            )
        reader = CalibrationReader(pictures, spec)
        quantizer._quantize(folder / "first.onnx", [], [], reader, arguments.percentile)
        return quantizer

    def write(self, out: Path, keep_float: list[str], only: list[str] | None = None) -> None:
        """The int8 model; with `only`, these nodes alone are quantized."""
        self._quantize(out, keep_float, only or [])

    def nodes(self) -> list[str]:
        """The nodes with weights, which are what quantization is about."""
        graph = onnx.load(self.model).graph
        return [node.name for node in graph.node if node.op_type in WEIGHTED]

    def _quantize(
        self,
        out: Path,
        keep_float: list[str],
        only: list[str],
        reader: CalibrationReader | None = None,
        percentile: float = 99.99,
    ) -> None:
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        quantize_static(
            str(self.model),
            str(out),
            reader,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not self.full_range,
            calibrate_method=getattr(CalibrationMethod, METHODS[self.method]),
            op_types_to_quantize=OPERATORS,
            nodes_to_quantize=only,
            nodes_to_exclude=[NORMALISATION, *keep_float],
            # A batch at a time: the histograms would otherwise hold all activations of all pictures.
            extra_options={"CalibStridedMinMax": 1, "CalibPercentile": percentile},
            calibration_cache_path=str(self.ranges),
        )
        model = onnx.load(out)
        free_logits(model)
        onnx.save(model, out)


class Check:
    """The float model's answers on some pictures, to hold quantized ones against."""

    def __init__(self, exact: Classifier, split: Split, folders: int) -> None:
        self.split, self.spec = split, exact.spec
        self._pixels = np.stack([read_input(path, exact.spec) for path in split.files])
        self._logits = self._run(exact)
        # Folders of another number are no classes of the model: its own answers stand in for them.
        known = folders == self._logits.shape[1]
        self._targets = np.array(split.targets) if known else self._logits.argmax(axis=1)

    def drop(self, quantized: Classifier) -> float:
        """Top-1 that quantization costs, as a fraction."""
        right = [
            (logits.argmax(axis=1) == self._targets).mean()
            for logits in (self._logits, self._run(quantized))
        ]
        return float(right[0] - right[1])

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
            found.append((name, exact.error(open_classifier(one, exact.spec.resize), 64)))
    return sorted(found, key=lambda pair: -pair[1])


def free_logits(model: onnx.ModelProto) -> None:
    """Take the rounding to 8 bits off the output: it saves no time, and made labels tie."""
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    last = producer.get("logits")
    before = (
        producer.get(last.input[0])
        if last is not None and last.op_type == "DequantizeLinear"
        else None
    )
    if last is None or before is None or before.op_type != "QuantizeLinear":
        return
    source = before.input[0]
    graph.node.remove(last)
    graph.node.remove(before)
    for node in graph.node:
        node.output[:] = ["logits" if name == source else name for name in node.output]
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


class CalibrationReader:
    """What onnxruntime's calibration asks for the next batch, by strides."""

    def __init__(self, pictures: Split, spec: InputSpec) -> None:
        self._batches = list(batches_of(pictures.files, spec))
        self._range: Iterator[Pixels] = iter(self._batches)
        self._bar = tqdm(total=len(self._batches), desc="calibration", unit="batch", disable=None)

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        """The batches that come next."""
        self._range = iter(self._batches[start_index:end_index])
        self._bar.update(end_index - start_index)

    def get_next(self) -> dict[str, Pixels] | None:
        """The next `image` batch, or nothing."""
        batch = next(self._range, None)
        return None if batch is None else {"image": batch}


def _input_of(path: Path, resize: int | None, records: list[Record]) -> InputSpec:
    """What `bundle` would serve: the resize as given, else as the last run's."""
    model = load_onnx(path)
    if not is_wrapped(model):
        raise Refused(f"{path} has no serving input; make one with the step export")
    if is_quantized(model):
        raise Refused(f"{path} is quantized already; give the float model")
    side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    return InputSpec(side, resize or resize_at(records, side) or side)
