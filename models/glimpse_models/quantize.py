"""Quantize a float model to int8, static QDQ: activations uint8, weights int8 a channel."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

METHODS = ("minmax", "entropy", "percentile")
BATCH = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `quantize`."""
    parser.add_argument("--model", type=Path, required=True, help="float ONNX with the serving input")
    parser.add_argument("--data", type=Path, required=True, help="folder tiny-imagenet-200")
    parser.add_argument("--out", type=Path, required=True, help="the int8 ONNX file")
    parser.add_argument("--pictures", type=int, default=512, help="calibration pictures")
    parser.add_argument("--method", choices=METHODS, default="minmax")
    parser.add_argument("--resize", type=int, help="shorter side before the crop; default: the input side")
    parser.add_argument("--full-range", action="store_true", help="8-bit weights: saturates without VNNI")
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    """Calibrate with training pictures: the validation pictures stay unseen.

    Weights take 7 bits (`reduce_range`) unless `--full-range`: on CPUs without VNNI, products of
    uint8 and int8 are summed in pairs into 16 bits and would saturate.
    """
    import onnx
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from glimpse_models.data import TinyImageNet

    side = onnx.load(arguments.model).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    files = TinyImageNet(arguments.data).train_files()
    order = np.random.default_rng(arguments.seed).permutation(len(files))[: arguments.pictures]
    chosen = [files[row][0] for row in order]
    method = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }[arguments.method]
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(arguments.model), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(arguments.out),
            CalibrationReader(calibration_batches(chosen, side, arguments.resize or side)),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not arguments.full_range,
            calibrate_method=method,
            op_types_to_quantize=["Conv", "Gemm", "Add", "GlobalAveragePool", "MaxPool", "Relu"],
            # The addition that belongs to the normalisation, not to a residual.
            nodes_to_exclude=["shift"],
        )


class CalibrationReader:
    """What onnxruntime's calibration asks for the next batch."""

    def __init__(self, batches: Iterator[npt.NDArray[np.uint8]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next `image` batch, or nothing."""
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}

    def __iter__(self) -> CalibrationReader:
        return self

    def __next__(self) -> dict[str, npt.NDArray[np.uint8]]:
        batch = self.get_next()
        if batch is None:
            raise StopIteration
        return batch


def calibration_batches(
    files: list[Path], side: int, resize: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """The pictures as the service would see them, `[BATCH, side, side, 3]`."""
    from PIL import Image

    from glimpse_models.preprocess import InputSpec, fit, to_rgb

    spec = InputSpec(side, resize)
    for start in range(0, len(files), BATCH):
        batch = []
        for path in files[start : start + BATCH]:
            with Image.open(path) as picture:
                batch.append(fit(to_rgb(picture), spec))
        yield np.stack(batch)
