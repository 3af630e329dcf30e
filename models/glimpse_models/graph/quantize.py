"""Static quantization to int8 in QDQ form: activations uint8, weights int8 per channel.

Weights take 7 bits (`reduce_range`) unless the full range is asked for: on CPUs without VNNI,
products of uint8 and int8 are summed in pairs into 16 bits and would saturate. The mean error of
the rounded weights is taken out of the biases, and sums have scales without ties.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from tqdm import tqdm

from glimpse_models.errors import UserError
from glimpse_models.graph.bias import Shifts, bias_shifts, shift_biases
from glimpse_models.graph.front import KEPT_IN_FLOAT
from glimpse_models.graph.ties import Overrides, scales_without_ties

METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "GlobalAveragePool", "MaxPool", "Relu", "Clip"]
WEIGHTED = ("Conv", "Gemm", "MatMul")
# Batches that bias correction takes: means settle sooner than extremes.
CORRECTING = 8

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Method:
    """How ranges of activations are found, and how many bits weights take."""

    name: str = "minmax"
    percentile: float = 99.99
    full_range: bool = False


@dataclass(frozen=True)
class Quantizer:
    """A float model with the ranges of its activations, so that it is calibrated only once.

    `shifts` are added to the biases of the nodes that are quantized.
    """

    model: Path
    ranges: Path
    method: Method
    shifts: Shifts = field(default_factory=dict)

    @classmethod
    def calibrated(
        cls, source: Path, folder: Path, method: Method, pictures: list[Pixels]
    ) -> Quantizer:
        """Fold constants, then run the batches of calibration pictures; `folder` gets the files."""
        from onnxruntime.quantization.shape_inference import quant_pre_process

        ready = folder / "ready.onnx"
        # Its advice is about models without symbolic shapes, which ours have for the batch alone.
        logging.getLogger().setLevel(logging.ERROR)
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        name_nodes(ready)
        quantizer, first = cls(ready, folder / "ranges.json", method), folder / "first.onnx"
        quantizer._quantize(first, [], [], CalibrationReader(pictures))
        shifts = bias_shifts(onnx.load(ready), onnx.load(first), pictures[:CORRECTING])
        return replace(quantizer, shifts=shifts)

    def refuse_unknown(self, nodes: tuple[str, ...]) -> None:
        """Refuse names that the model's nodes do not have."""
        names = {node.name for node in onnx.load(self.model).graph.node}
        if unknown := [name for name in nodes if name not in names]:
            raise UserError(
                f"--keep-float {unknown[0]}: the model has no such node; --sensitivity lists them"
            )

    def write(self, out: Path, keep_float: list[str], only: list[str] | None = None) -> None:
        """The int8 model; with `only`, these nodes alone are quantized."""
        self._quantize(out, keep_float, only or [])
        if not only and (scales := scales_without_ties(onnx.load(out))):
            self._quantize(out, keep_float, [], scales=scales)

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
        scales: Overrides | None = None,
    ) -> None:
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        model = onnx.load(self.model)
        shift_biases(model, self._shifts_of(keep_float, only))
        quantize_static(
            model,
            str(out),
            reader,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not self.method.full_range,
            calibrate_method=getattr(CalibrationMethod, METHODS[self.method.name]),
            op_types_to_quantize=OPERATORS,
            nodes_to_quantize=only,
            nodes_to_exclude=[*KEPT_IN_FLOAT, *keep_float],
            extra_options={
                # A batch at a time: histograms would otherwise hold all activations of all pictures.
                "CalibStridedMinMax": 1,
                "CalibPercentile": self.method.percentile,
                "TensorQuantOverrides": scales or {},
            },
            calibration_cache_path=str(self.ranges),
        )
        model = onnx.load(out)
        free_logits(model)
        onnx.save(model, out)

    def _shifts_of(self, keep_float: list[str], only: list[str]) -> Shifts:
        """Those of the nodes that will be quantized."""
        return {
            name: shift
            for name, shift in self.shifts.items()
            if name not in keep_float and (not only or name in only)
        }


def name_nodes(path: Path) -> None:
    """Give nodes without a name one: nodes are chosen, kept in float and corrected by their names."""
    model = onnx.load(path)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    onnx.save(model, path)


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

    def __init__(self, batches: list[Pixels]) -> None:
        self._batches = batches
        self._range: Iterator[Pixels] = iter(batches)
        self._bar = tqdm(total=len(batches), desc="calibration", unit="batch", disable=None)

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
