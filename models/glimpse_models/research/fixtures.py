"""Write pictures of every kind and the input tensors that Pillow and torchvision make of them.

`OUT/pictures/` holds the pictures, `OUT/expected/` one raw file per picture and input size (uint8
`[height, width, 3]`, row by row), and `OUT/cases.json` the list that the Rust parity test reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from glimpse_models.data.decode import to_rgb
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.research.pictures import kinds

# Side and resized shorter side: a small one's, the ImageNet one's, and an odd margin.
DEFAULT_INPUTS = ("64:64", "224:256", "96:109")


def write_fixtures(out: Path, inputs: Sequence[str] = DEFAULT_INPUTS) -> None:
    """Generate the pictures, then one case for each of them and each input `SIDE:RESIZE`."""
    specs = [parse_input(text) for text in inputs]
    for folder in ("pictures", "expected"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cases = []
    for kind in kinds():
        path = out / "pictures" / kind.file
        kind.write(path)
        for spec in specs:
            expected = f"expected/{kind.file}-{spec.side}-{spec.resize}.rgb"
            (out / expected).write_bytes(torchvision_input(path, spec).tobytes())
            cases.append(
                {
                    "picture": f"pictures/{kind.file}",
                    "expected": expected,
                    "width": spec.side,
                    "height": spec.side,
                    "resize": spec.resize,
                    "lossless": kind.lossless,
                }
            )
    (out / "cases.json").write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")
    print(f"{len(cases)} cases in {out / 'cases.json'}")


def parse_input(text: str) -> InputSpec:
    """`SIDE:RESIZE` → the input's shape."""
    side, _, resize = text.partition(":")
    if not (side.isdigit() and resize.isdigit() and 0 < int(side) <= int(resize)):
        raise UserError(
            f"--inputs {text}: write SIDE:RESIZE in pixels with SIDE ≤ RESIZE, as 224:256"
        )
    return InputSpec(int(side), int(resize))


def torchvision_input(path: Path, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """`[side, side, 3]` by torchvision's own `Resize` and `CenterCrop`, as in its evaluation preset."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    transform = Compose(
        [Resize(spec.resize, interpolation=InterpolationMode.BILINEAR), CenterCrop(spec.side)]
    )
    with Image.open(path) as picture:
        return np.asarray(transform(to_rgb(picture)))
