"""`head.safetensors`: the last layer of a network, by which its features become class activation maps.

The format is a header in JSON behind its length, then the tensors' bytes:
<https://huggingface.co/docs/safetensors>.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt

from glimpse_models.errors import UserError

FILE = "head.safetensors"

Floats = npt.NDArray[np.float32]


def write_head(weights: Floats, bias: Floats) -> bytes:
    """Weights `[C, D]` and bias `[C]`."""
    header, content = {}, b""
    for name, tensor in (("weights", weights), ("bias", bias)):
        held = np.ascontiguousarray(tensor, dtype="<f4").tobytes()
        offsets = [len(content), len(content) + len(held)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        content += held
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content


def read_head(content: bytes) -> tuple[Floats, Floats]:
    """Weights and bias; refuses a file of another form."""
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        found = []
        for name in ("weights", "bias"):
            start, end = (8 + length + offset for offset in header[name]["data_offsets"])
            if header[name]["dtype"] != "F32":
                raise ValueError(f"{name} are not float32")
            found.append(np.frombuffer(content[start:end], "<f4").reshape(header[name]["shape"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{FILE} cannot be read ({error}); make the bundle anew") from error
    return found[0], found[1]
