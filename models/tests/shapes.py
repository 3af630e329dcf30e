"""Pictures with several labels each: circles, crosses and squares on noise."""

from __future__ import annotations

import numpy as np
from PIL import Image

LABELS = ("circle", "cross", "square")
COLOURS = {"circle": (30, 200, 60), "cross": (220, 40, 50), "square": (40, 80, 230)}
SIDE = 48
COUNT = 180


def labels_of(row: int) -> list[str]:
    """Which shapes a picture shows; crosses are rare, and one picture in five or so has none."""
    chance = np.random.default_rng((7, row)).random(3)
    shown = zip(LABELS, chance < (0.5, 0.25, 0.45), strict=True)
    return [label for label, there in shown if there]


def draw(row: int, shown: list[str]) -> Image.Image:
    """Shapes at random places on noise, which may touch one another."""
    chance = np.random.default_rng((8, row))
    pixels = chance.integers(90, 150, (SIDE, SIDE, 3))
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    for label in shown:
        x, y = chance.integers(10, SIDE - 10, 2)
        left, top = np.abs(across - x), np.abs(down - y)
        mask = {
            "circle": left**2 + top**2 < 81,
            "cross": ((left < 3) | (top < 3)) & (left < 10) & (top < 10),
            "square": (left < 8) & (top < 8),
        }[label]
        pixels[mask] = COLOURS[label]
    return Image.fromarray(pixels.astype(np.uint8))


RECIPE = (
    *("--weights", "none", "--backbone", "resnet18", "--side", SIDE, "--epochs", "12"),
    *("--loss", "asymmetric"),
)
