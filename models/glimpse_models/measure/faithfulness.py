"""Whether class activation maps show what an answer rests on: cover their hottest cells and see.

The picture is divided into a grid, and the map for its top label gives each cell a heat. The hottest
cells are covered with the picture's mean colour, and so are as many cells drawn at random, several
times. With a faithful map the first costs the label more of its score. The mean of each map is also
compared with its logit: they differ by the rounding of an int8 network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from glimpse_models.bundle.head import FILE as HEAD
from glimpse_models.bundle.head import read_head
from glimpse_models.bundle.manifest import read_manifest, spec_of, task_of
from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.data.splits import MULTI, Split
from glimpse_models.errors import UserError
from glimpse_models.graph.class_maps import cell_centres
from glimpse_models.graph.features import OUTPUT
from glimpse_models.graph.io import load_onnx, open_session
from glimpse_models.graph.outputs import fault_of_maps, maps_of
from glimpse_models.graph.wrap import is_optimized
from glimpse_models.measure.classifiers import Pixels, read_input
from glimpse_models.measure.metrics import softmax
from glimpse_models.measure.several import sigmoid

Floats = npt.NDArray[np.float32]

ONE_CELL = "a map of one cell shows no place in the picture; a larger input side has more cells"


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


@dataclass(frozen=True)
class FaithfulnessOptions:
    """`part` is the share of the cells that is covered, `grid` the cells per row.

    A share of 0.9 has a standard error of 0.9 points on 1,000 pictures; on 200 it has 2.1.
    """

    bundle: Path
    data: Path
    run: RunOptions = field(default_factory=RunOptions)
    pictures: int = 1000
    grid: int | None = None
    part: float = 0.34
    draws: int = 8
    at_least: float = 0.9
    json: Path | None = None


def faithfulness(options: FaithfulnessOptions) -> None:
    """Print the figures; refuse the bundle where they are below the limit."""
    run = options.run.read()
    data = run.open(options.data)
    split = data.validation.sample(options.pictures, run.seed)
    bundle = Explained(options.bundle)
    found = measure(bundle, split, options, run.seed)
    print(
        f"covering the hottest {found.covered} of {found.cells} cells costs the top label more than {found.covered} random ones "
        f"on {100 * found.faithful:.1f} % of {found.pictures} validation pictures (maps of {found.map_side} × {found.map_side})\n"
        f"mean score {found.score:.4f}, without the hottest {found.score_without_hottest:.4f}, "
        f"without random ones {found.score_without_random:.4f} ({found.draws} draws per picture)\n"
        f"mean of a map against its logit: off by {100 * found.map_error:.2f} % of the logits' spread at most"
    )
    if options.json:
        options.json.write_text(f"{json.dumps(asdict(found), indent=2)}\n", encoding="utf-8")
    model = load_onnx(options.bundle / "model.onnx")
    # An optimized graph gives the same bits as the one that it was made of.
    if not is_optimized(model) and (fault := fault_of_maps(model, bundle.head)):
        raise UserError(f"the class activation maps are wrong: {fault}; make the bundle anew")
    if found.map_side == 1:
        print(ONE_CELL)
    if found.faithful < options.at_least:
        raise UserError(
            f"the maps are faithful on {found.faithful:.3f} of the pictures, --at-least is {options.at_least}"
        )


class Explained:
    """A bundle that answers with logits and class activation maps."""

    def __init__(self, bundle: Path) -> None:
        manifest = read_manifest(bundle)
        self.spec = spec_of(manifest)
        self._scores = sigmoid if task_of(manifest) == MULTI else softmax
        self._temperature = manifest.get("calibration", {}).get("temperature", 1.0)
        self._session = open_session(bundle / "model.onnx")
        self._centres = cell_centres(load_onnx(bundle / "model.onnx"))
        path = bundle / HEAD
        if not path.is_file() or OUTPUT not in [one.name for one in self._session.get_outputs()]:
            raise UserError(
                f"{bundle} has no class activation maps; make it of a network with global pooling and one linear layer, or upgrade one of schema version 1"
            )
        self.head = read_head(path.read_bytes())

    def scores(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """`[N, classes]` for `[N, side, side, 3]`, as served."""
        logits: Floats = self._session.run(["logits"], {"image": pixels})[0]
        return self._scores(logits / self._temperature)

    def explain(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """Logits `[N, classes]` and maps `[N, classes, h, w]`."""
        logits, features = self._session.run(["logits", OUTPUT], {"image": pixels})
        return logits, maps_of(features, self.head)

    def heat(self, found: Floats, grid: int) -> Floats:
        """A map `[h, w]` at the centres of the picture's cells `[grid, grid]`, bilinear."""
        count, side = len(found), self.spec.side
        stride, first = self._centres or (side / count, side / count / 2)
        centres = (np.arange(grid) + 0.5) * side / grid
        at = np.clip((centres - first) / stride, 0, count - 1)
        # Each row weighs the two cells of the map that it lies between.
        weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(count)))
        heat: Floats = (weights @ found @ weights.T).astype(np.float32)
        return heat


def measure(bundle: Explained, split: Split, options: FaithfulnessOptions, seed: int) -> Figures:
    """Cover, run and count."""
    chance = np.random.default_rng(seed)
    scores, errors, spread = [], [], []
    for path in tqdm(split.files, desc="faithfulness", unit="picture", disable=None):
        picture = read_input(path, bundle.spec)
        logits, maps = bundle.explain(picture[None])
        errors.append(np.abs(maps[0].mean(axis=(1, 2)) - logits[0]).max())
        spread.append(logits[0].std())
        top = int(logits[0].argmax())
        grid = options.grid or maps.shape[2]
        count = max(1, round(options.part * grid**2))
        heat = bundle.heat(maps[0, top], grid)
        hottest = np.argsort(-heat, axis=None, kind="stable")[:count]
        draws = [chance.permutation(grid**2)[:count] for _ in range(options.draws)]
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
        draws=options.draws,
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
