"""`onnx:FILE`: any ONNX classifier, with the preprocessing that is stated for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import InputSpec, fit
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, open_session
from glimpse_models.graph.wrap import plain_inputs
from glimpse_models.sources.source import Asked, Source, Values, labels_of

STATED = (
    "an ONNX file does not say how its pictures are prepared; state it as the model was validated: --normalise, "
    "--resize, --filter and what else differs from a centre crop of the shorter side"
)


def open_onnx(asked: Asked) -> Source:
    """The graph as it is; nothing of the preprocessing is guessed."""
    return of_graph(load_onnx(Path(asked.what)), asked, Path(asked.what).name)


def of_graph(model: onnx.ModelProto, asked: Asked, name: str) -> Source:
    """A graph with stated preprocessing."""
    if asked.normalization is None or asked.resize is None or asked.geometry is None:
        raise UserError(STATED)
    inputs = plain_inputs(model)
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if inputs else []
    side = asked.side or next((size for size in dims[1:] if size > 3), None)
    if side is None:
        raise UserError(
            f"{name} has a dynamic height and width; say which it was trained for: --side"
        )
    spec = asked.geometry.at(side, asked.resize)
    run = _Own(model, spec, asked.normalization, channels_last=len(dims) == 4 and dims[3] in (1, 3))
    labels = labels_of(asked, ())
    pipeline = "the original graph in ONNX Runtime under the stated preprocessing"
    task = asked.task or SINGLE
    return Source(model, labels, spec, asked.normalization, run, pipeline, task, {"weights": name})


class _Own:
    """The original graph, fed as the options say."""

    def __init__(
        self,
        model: onnx.ModelProto,
        spec: InputSpec,
        normalization: Normalization,
        channels_last: bool,
    ) -> None:
        self._session = open_session(model.SerializeToString())
        self._spec, self._normalization = spec, normalization
        self._channels_last = channels_last

    def __call__(self, picture: Image.Image) -> Values:
        given = self._session.get_inputs()[0]
        grey = given.shape[3 if self._channels_last else 1] == 1
        pixels = fit(picture, self._spec).astype(np.float64) / 255
        if grey:
            levels = Image.fromarray(fit(picture, self._spec)).convert("L")
            pixels = np.asarray(levels, np.float64)[..., None] / 255
        if self._normalization.bgr:
            pixels = pixels[..., ::-1]
        count = pixels.shape[-1]
        mean, std = self._normalization.mean[:count], self._normalization.std[:count]
        ready = (pixels - np.array(mean)) / np.array(std)
        ready = ready if self._channels_last else ready.transpose(2, 0, 1)
        kind = np.float16 if given.type == "tensor(float16)" else np.float32
        found = self._session.run(None, {given.name: ready[None].astype(kind)})[0]
        values: Values = np.asarray(found, np.float32).reshape(-1)
        return values
