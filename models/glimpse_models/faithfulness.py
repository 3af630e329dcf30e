"""Do a bundle's class maps show what its answers rest on? Cover their hottest cells and see.

The picture is divided into a grid, and the map for its top label gives each cell a heat. The hottest
cells are covered with the picture's mean colour, and so are as many cells drawn at random, several
times. On a faithful map the first costs the label more of its score. The maps are also held against
the logits, of which they must be the parts.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from tqdm import tqdm

from glimpse_models import explain
from glimpse_models.classifiers import Pixels, bundle_spec, open_session, read_input, read_manifest
from glimpse_models.data import Split, open_data
from glimpse_models.errors import Refused
from glimpse_models.metrics import softmax
from glimpse_models.outputs import EXACT
from glimpse_models.provenance import add_run, read_run

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """Fractions in 0…1; `map_error` is relative to the spread of the logits."""

    pictures: int
    map_side: int
    cells: int
    covered: int
    draws: int
    faithful: float
    score: float
    score_without_hottest: float
    score_without_random: float
    map_error: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `faithfulness`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    add_run(parser)
    parser.add_argument("--pictures", type=int, default=200, help="of validation")
    parser.add_argument(
        "--grid",
        type=int,
        help="cells of the picture in a row (default: as many as the map's)",
    )
    parser.add_argument("--part", type=float, default=0.34, help="of the cells to cover")
    parser.add_argument("--draws", type=int, default=8, help="random choices to average over")
    parser.add_argument(
        "--at-least", type=float, default=0.9, help="of the pictures; below it, refuse"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(arguments: argparse.Namespace) -> None:
    """Print the figures; status 1 where they are below the limit."""
    _, arguments.seed, part = read_run(arguments)
    data = open_data(arguments.data, arguments.seed, part)
    split = data.validation.sample(arguments.pictures, arguments.seed)
    found = measure(Explained(arguments.bundle), split, arguments)
    print(
        f"covering the hottest {found.covered} of {found.cells} cells costs the top label more than {found.covered} random ones "
        f"on {100 * found.faithful:.1f} % of {found.pictures} validation pictures (maps of {found.map_side} × {found.map_side})\n"
        f"mean score {found.score:.4f}, without the hottest {found.score_without_hottest:.4f}, "
        f"without random ones {found.score_without_random:.4f} ({found.draws} draws a picture)\n"
        f"map's mean against logit: off by {100 * found.map_error:.2f} % of the logits' spread at most"
    )
    if arguments.json:
        arguments.json.write_text(f"{json.dumps(asdict(found), indent=2)}\n", encoding="utf-8")
    if found.map_error > EXACT:
        raise Refused("the maps are not the parts of the logits; make the bundle anew")
    if found.faithful < arguments.at_least:
        raise Refused(
            f"the maps are faithful on {found.faithful:.3f} of the pictures, --at-least is {arguments.at_least}"
        )


class Explained:
    """A bundle that answers with logits and class maps."""

    def __init__(self, bundle: Path) -> None:
        manifest = read_manifest(bundle)
        self.spec = bundle_spec(bundle)
        self._temperature = manifest.get("calibration", {}).get("temperature", 1.0)
        self._session = open_session(bundle / "model.onnx")
        self._places = explain.places(onnx.load(bundle / "model.onnx"))
        if "class_maps" not in [value.name for value in self._session.get_outputs()]:
            raise Refused(
                f"{bundle} has no class maps; make it of a network with global pooling and one linear layer"
            )

    def scores(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """`[N, classes]` for `[N, side, side, 3]`, as served."""
        logits: Floats = self._session.run(["logits"], {"image": pixels})[0]
        return softmax(logits / self._temperature)

    def explain(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """Logits `[N, classes]` and maps `[N, classes, h, w]`."""
        given = {"image": pixels, "explain": np.array(True)}
        logits, maps = self._session.run(["logits", "class_maps"], given)
        return logits, maps

    def heat(self, found: Floats, grid: int) -> Floats:
        """A map `[h, w]` at the centres of the picture's cells `[grid, grid]`, bilinear."""
        count, side = len(found), self.spec.side
        stride, first = self._places or (side / count, side / count / 2)
        centres = (np.arange(grid) + 0.5) * side / grid
        at = np.clip((centres - first) / stride, 0, count - 1)
        # Each row weighs the two cells of the map that it lies between.
        weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))
        heat: Floats = (weights @ found @ weights.T).astype(np.float32)
        return heat


def measure(bundle: Explained, split: Split, arguments: argparse.Namespace) -> Figures:
    """Cover, run and count."""
    chance = np.random.default_rng(arguments.seed)
    scores, errors, spread = [], [], []
    for path in tqdm(split.files, desc="faithfulness", unit="picture", disable=None):
        picture = read_input(path, bundle.spec)
        logits, maps = bundle.explain(picture[None])
        errors.append(np.abs(maps[0].mean(axis=(1, 2)) - logits[0]).max())
        spread.append(logits[0].std())
        top = int(logits[0].argmax())
        grid = arguments.grid or maps.shape[2]
        count = max(1, round(arguments.part * grid**2))
        heat = bundle.heat(maps[0, top], grid)
        hottest = np.argsort(-heat, axis=None, kind="stable")[:count]
        draws = [chance.permutation(grid**2)[:count] for _ in range(arguments.draws)]
        inputs = [picture, *(cover(picture, cells, grid) for cells in (hottest, *draws))]
        scores.append(bundle.scores(np.stack(inputs))[:, top])
    whole, without, at_random = (
        np.array([row[0] for row in scores]),
        np.array([row[1] for row in scores]),
        np.array([row[2:].mean() for row in scores]),
    )
    return Figures(
        pictures=len(split),
        map_side=maps.shape[2],
        cells=grid**2,
        covered=count,
        draws=arguments.draws,
        faithful=float((without < at_random).mean()),
        score=float(whole.mean()),
        score_without_hottest=float(without.mean()),
        score_without_random=float(at_random.mean()),
        map_error=float(np.max(errors) / np.mean(spread)),
    )


def cover(picture: Pixels, cells: npt.NDArray[np.int64], grid: int) -> Pixels:
    """The picture with cells of the grid, numbered row by row, in its mean colour."""
    covered = picture.copy()
    edges = [number * len(picture) // grid for number in range(grid + 1)]
    colour = picture.mean(axis=(0, 1)).round().astype(np.uint8)
    for cell in cells.tolist():
        row, column = divmod(cell, grid)
        covered[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = colour
    return covered
