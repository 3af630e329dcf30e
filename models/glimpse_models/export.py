"""Export trained weights as a float ONNX model with the serving input."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from glimpse_models.wrap import wrap

OPSET = 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("--weights", type=Path, required=True, help="weights.pt or checkpoint.pt")
    parser.add_argument("--out", type=Path, required=True, help="the float ONNX file")
    parser.add_argument("--side", type=int, default=64, help="input side in pixels")


def run(arguments: argparse.Namespace) -> None:
    """Batch norm is folded into the convolutions by exporting in evaluation mode."""
    import onnx
    import torch

    from glimpse_models import network

    state = torch.load(arguments.weights, weights_only=True)
    state = state.get("model", state)
    model = network.build(classes=len(state["fc.bias"])).eval()
    model.load_state_dict(state)
    buffer = io.BytesIO()
    side = arguments.side
    torch.onnx.export(
        model,
        (torch.zeros(1, 3, side, side),),
        buffer,
        opset_version=OPSET,
        input_names=["pictures"],
        output_names=["scores"],
        dynamic_axes={"pictures": {0: "N"}, "scores": {0: "N"}},
        dynamo=False,
    )
    plain = onnx.load_from_string(buffer.getvalue())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(wrap(plain, side, network.MEAN, network.STD), arguments.out)
