"""PyTorch weights → a float ONNX model with the serving input."""

from __future__ import annotations

import io
import warnings

import onnx
import torch

from glimpse_models.data.normalization import IMAGENET
from glimpse_models.graph.wrap import wrap
from glimpse_models.train.network import Trained

OPSET = 17


def export_weights(trained: Trained, side: int | None = None) -> onnx.ModelProto:
    """The float model with the serving input; batch norms are folded into the convolutions."""
    side = trained.input_side(side)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but folds batch norms and names nodes after modules.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            trained.model(),
            (torch.zeros(1, 3, side, side),),
            buffer,  # type: ignore[arg-type]  # the exporter that traces takes a stream
            opset_version=OPSET,
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes={"pictures": {0: "N"}, "scores": {0: "N"}},
            dynamo=False,
        )
    return wrap(onnx.load_from_string(buffer.getvalue()), trained.classes, IMAGENET, side)
