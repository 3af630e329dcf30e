"""`keras:FILE`: a saved Keras 3 model, exported by Keras itself, with stated preprocessing."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from glimpse_models.data.preprocess import fit
from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx
from glimpse_models.sources.onnx_file import of_graph
from glimpse_models.sources.source import Asked, Source, Values


def open_keras(asked: Asked) -> Source:
    """The network of a `.keras` file; Keras saves no preprocessing outside the network."""
    path = Path(asked.what)
    if not path.is_file():
        raise UserError(f"{path} does not exist; save the model: model.save('model.keras')")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    try:
        network = keras.models.load_model(path)
    except Exception as error:  # whatever the broken part of a file raises
        raise UserError(f"{path} is not a Keras 3 model: {error}") from error
    shape = tuple(size or asked.side or 1 for size in network.input_shape)
    network(np.zeros(shape, np.float32), training=False)  # a network that never ran has no graph
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        network.export(str(exported), format="onnx", verbose=False)
        source = of_graph(load_onnx(exported), asked, path.name)

    normalization, spec = source.normalization, source.spec

    def own(picture: Image.Image) -> Values:
        pixels = fit(picture, spec).astype(np.float64) / 255
        pixels = pixels[..., ::-1] if normalization.bgr else pixels
        ready = (pixels - np.array(normalization.mean)) / np.array(normalization.std)
        found: Any = network(ready[None].astype(np.float32), training=False)
        values: Values = keras.ops.convert_to_numpy(found).reshape(-1)
        return values

    pipeline = f"keras {keras.__version__}: the network under the stated preprocessing"
    return dataclasses.replace(source, own=own, pipeline=pipeline)
