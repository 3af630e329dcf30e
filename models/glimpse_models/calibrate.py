"""Fit a temperature to a bundle, so that scores are honest, and write the bundle anew with it.

Logits divided by one number keep their order; the number that makes the true classes most likely
makes the scores fit how often they are right (Guo et al., 2017). One half of the validation
pictures fits it, the other half tells the error that is left.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glimpse_models.classifiers import Logits, open_classifier, read_manifest
from glimpse_models.data import HELD_OUT, Split, open_data
from glimpse_models.errors import Refused
from glimpse_models.manifest import in_the_making, now, write_manifest
from glimpse_models.metrics import Targets, calibration_error, softmax
from glimpse_models.verify import verify_before

FEWEST = 100  # pictures that a temperature is fitted on
COLDEST, HOTTEST = 0.05, 20.0
HALVINGS = 50


@dataclass(frozen=True)
class Calibration:
    """The temperature, how many pictures fitted it, and the expected error on as many others."""

    temperature: float
    images: int
    ece_before: float
    ece_after: float

    def record(self) -> dict[str, Any]:
        """For `bundle.json`."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `calibrate`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--held-out", type=float, default=HELD_OUT, help="as in train")
    parser.add_argument("--seed", type=int, default=1, help="as in train: which part is held out")
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")


def run(arguments: argparse.Namespace) -> None:
    """The same model and labels under a new version, with a temperature."""
    from glimpse_models.evaluate import answers

    old = verify_before(arguments.bundle, arguments.version, arguments.out)
    data = open_data(arguments.data, arguments.seed, arguments.held_out)
    classifier = open_classifier(arguments.bundle)
    logits, _ = answers(classifier, data.validation, data.labels)
    found = calibration(logits, data.validation)
    if found is None:
        raise Refused(
            f"{len(data.validation)} validation pictures are too few to fit a temperature on one half; "
            f"give {2 * FEWEST} or more"
        )
    manifest = {
        **read_manifest(arguments.bundle),
        "version": arguments.version,
        "created_at": now(),
        "calibration": found.record(),
    }
    with in_the_making(arguments.out) as making:
        for name in ("model.onnx", "labels.txt"):
            shutil.copyfile(arguments.bundle / name, making / name)
        write_manifest(making, manifest)
    print(f"{arguments.out}: {old.name} {arguments.version}, {describe(found)}")


def describe(found: Calibration) -> str:
    """In a sentence."""
    return (
        f"temperature {found.temperature:.3f} fitted on {found.images} pictures; "
        f"calibration error on the others {found.ece_before:.4f} → {found.ece_after:.4f}"
    )


def calibration(logits: Logits, split: Split) -> Calibration | None:
    """Fitted on one half of the pictures and measured on the other; nothing where they are few."""
    fitting, others = halves(split)
    if min(len(fitting), len(others)) < FEWEST:
        return None
    targets = np.array(split.targets, dtype=np.int64)
    temperature = fit(logits[fitting], targets[fitting])
    before, after = (
        calibration_error(softmax(logits[others] / divisor), targets[others])
        for divisor in (1.0, temperature)
    )
    return Calibration(temperature, len(fitting), before, after)


def halves(split: Split) -> tuple[list[int], list[int]]:
    """The rows that fit a temperature and the others, by a hash of their names.

    So a picture is on the same side in every sample of a data set and in every order.
    """
    sides: tuple[list[int], list[int]] = ([], [])
    for row, path in enumerate(split.files):
        name = "/".join(path.parts[-2:])
        sides[hashlib.sha256(name.encode()).digest()[0] % 2].append(row)
    return sides


def fit(logits: Logits, targets: Targets) -> float:
    """The temperature of the greatest likelihood, between 0.05 and 20.

    The loss is convex in the inverse temperature: its slope is the mean over the pictures of the
    expected logit less that of the true class, and bisection finds where it is zero.
    """
    centred: npt.NDArray[np.float64] = logits.astype(np.float64)
    centred -= centred.max(axis=1, keepdims=True)
    true = centred[np.arange(len(targets)), targets].mean()

    def slope(inverse: float) -> float:
        powers = np.exp(inverse * centred)
        expected = (powers * centred).sum(axis=1) / powers.sum(axis=1)
        return float(expected.mean() - true)

    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(float(np.exp(middle))) > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))
