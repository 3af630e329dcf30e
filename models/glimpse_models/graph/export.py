"""PyTorch weights → a float ONNX model with the serving input."""

from __future__ import annotations

import contextlib
import io
import warnings

import onnx
import torch
from torch import nn

from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.wrap import wrap
from glimpse_models.train.network import Trained

OPSET = 17


def export_weights(trained: Trained, side: int | None = None) -> onnx.ModelProto:
    """The float model with the serving input; batch norms are folded into the convolutions."""
    side = trained.input_side(side)
    task, normalization = trained.task or SINGLE, trained.network().normalization
    return wrap(trace(trained.model(), side), trained.classes, normalization, side, task)


def trace(network: nn.Module, side: int) -> onnx.ModelProto:
    """A network in evaluation mode as plain ONNX: `[N, 3, side, side]` → `[N, classes]`.

    By the exporter that traces.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but folds batch norms and names nodes after modules.
        warnings.simplefilter("ignore", DeprecationWarning)
        # About constants that it does not fold; ONNX Runtime does.
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, side, side),),
            buffer,  # type: ignore[arg-type]  # the exporter that traces takes a stream
            opset_version=OPSET,
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_axes={"pictures": {0: "N"}, "scores": {0: "N"}},
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def export_plain(network: nn.Module, side: int, exporter: str = "trace") -> onnx.ModelProto:
    """The same by either exporter of PyTorch: `trace` or `dynamo`."""
    if exporter == "trace":
        return trace(network, side)
    pictures = torch.zeros(2, 3, side, side)  # one picture would become a constant of the graph
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (pictures,),
            input_names=["pictures"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise UserError("PyTorch exported nothing; try the other --exporter")
    return program.model_proto
