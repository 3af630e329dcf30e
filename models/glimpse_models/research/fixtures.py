"""Write pictures of every kind and the input tensors that Pillow and torchvision make of them.

`OUT/pictures/` holds the pictures, `OUT/expected/` one raw file per picture and input size (uint8
`[height, width, 3]`, row by row), and `OUT/cases.json` the list that the Rust parity test reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from glimpse_models.bundle.manifest import input_entry
from glimpse_models.data.decode import to_rgb
from glimpse_models.data.preprocess import FILTERS, InputSpec
from glimpse_models.errors import UserError
from glimpse_models.research.pictures import kinds

# Side and resized shorter side: a small one's, the ImageNet one's, and an odd margin.
DEFAULT_INPUTS = ("64:64", "224:256", "96:109")


# Side, and what squash and letterbox resize to before the crop.
GEOMETRY_SIDES = (64, 73)
FILL = (124, 116, 104)


def geometries() -> list[InputSpec]:
    """Every mode with every filter, with and without antialiasing, but for the default ones."""
    side, resize = GEOMETRY_SIDES
    found = []
    for name in FILTERS:
        for antialias in (True,) if name == "lanczos" else (True, False):
            found += [
                InputSpec(side, resize, filter=name, antialias=antialias),
                InputSpec(side, side, "squash", name, antialias, crop="none"),
                InputSpec(side, resize, "letterbox", name, antialias, FILL),
            ]
    return found


def write_fixtures(out: Path, inputs: Sequence[str] = DEFAULT_INPUTS) -> None:
    """Generate the pictures, then one case for each of them and each input `SIDE:RESIZE`.

    Pictures of many sizes and orientations get one for each geometry too.
    """
    specs = [parse_input(text) for text in inputs]
    for folder in ("pictures", "expected"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    cases = []
    for kind in kinds():
        path = out / "pictures" / kind.file
        kind.write(path)
        shaped = kind.lossless and kind.file.startswith(("size-", "orientation-"))
        for number, spec in enumerate([*specs, *(geometries() if shaped else [])]):
            expected = f"expected/{kind.file}-{number}.rgb"
            (out / expected).write_bytes(expected_input(path, spec).tobytes())
            cases.append(
                {
                    "picture": f"pictures/{kind.file}",
                    "expected": expected,
                    "input": input_entry(spec),
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


def expected_input(path: Path, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """`[side, side, 3]` by torchvision's own `Resize` and `CenterCrop`, and Pillow's `ImageOps.pad`.

    Antialiased pictures and the nearest pixel are Pillow's; other pictures are tensors, which
    torchvision resizes with PyTorch's `interpolate`.
    """
    import torch
    from torchvision.transforms import CenterCrop, InterpolationMode
    from torchvision.transforms.v2 import functional

    with Image.open(path) as opened:
        picture = to_rgb(opened)
    sizes: int | list[int] = spec.resize if spec.mode == "shorter-side" else [spec.resize] * 2
    if spec.mode == "letterbox":
        width, height = ImageOps.contain(picture, (spec.resize, spec.resize)).size
        sizes = [height, width]
    given: Any = picture
    as_tensor = not spec.antialias and spec.filter != "nearest"
    if as_tensor:
        # In floating point: of 8-bit tensors, the result depends on the processor's instructions.
        given = torch.from_numpy(np.asarray(picture).astype(np.float32)).permute(2, 0, 1)
    mode = InterpolationMode(spec.filter)
    given = functional.resize(given, sizes, mode, antialias=not as_tensor)
    if as_tensor:
        levels = given.round().clamp(0, 255).to(torch.uint8)
        given = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
    if spec.mode == "letterbox":
        given = ImageOps.pad(given, (spec.resize, spec.resize), color=spec.fill)
    return np.asarray(CenterCrop(spec.side)(given))
