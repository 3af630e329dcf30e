"""Tiny-ImageNet in memory: decoded once, kept as uint8 `[N, 64, 64, 3]` arrays beside the data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

IMAGE_SIDE = 64

Pixels = npt.NDArray[np.uint8]
Targets = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Pictures `[N, 64, 64, 3]`, RGB, and their class indices `[N]`."""

    pixels: Pixels
    targets: Targets

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class TinyImageNet:
    """Class index = position in `wnids.txt`; labels are the first synonym in `words.txt`."""

    root: Path

    def wnids(self) -> list[str]:
        """WordNet ids in class order."""
        return (self.root / "wnids.txt").read_text().split()

    def labels(self) -> list[str]:
        """Human-readable labels in class order; a repeated first synonym gets its second one."""
        words = dict(
            line.split("\t", 1)
            for line in (self.root / "words.txt").read_text().splitlines()
            if "\t" in line
        )
        labels: list[str] = []
        for wnid in self.wnids():
            synonyms = [word.strip() for word in words[wnid].split(",")]
            unused = [word for word in synonyms if word not in labels]
            labels.append(unused[0] if unused else f"{synonyms[0]} ({wnid})")
        return labels

    def train(self) -> Split:
        """The 100,000 training pictures, 500 a class."""
        return self._load("train", self.train_files())

    def validation(self) -> Split:
        """The 10,000 validation pictures, 50 a class, never used for training or calibration."""
        return self._load("val", self.validation_files())

    def train_files(self) -> list[tuple[Path, int]]:
        """Path and class index of every training picture."""
        return [
            (path, index)
            for index, wnid in enumerate(self.wnids())
            for path in sorted((self.root / "train" / wnid / "images").glob("*.JPEG"))
        ]

    def validation_files(self) -> list[tuple[Path, int]]:
        """Path and class index of every validation picture."""
        index_of = {wnid: index for index, wnid in enumerate(self.wnids())}
        annotations = (self.root / "val" / "val_annotations.txt").read_text().splitlines()
        rows = (line.split("\t") for line in annotations)
        return [(self.root / "val" / "images" / row[0], index_of[row[1]]) for row in rows]

    def _load(self, name: str, files: list[tuple[Path, int]]) -> Split:
        targets = np.array([index for _, index in files], dtype=np.int64)
        cache = self.root / f"{name}.uint8.npy"
        if not cache.exists():
            pixels = np.empty((len(files), IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.uint8)
            for row, (path, _) in enumerate(files):
                with Image.open(path) as picture:
                    pixels[row] = np.asarray(picture.convert("RGB"))
            partial = cache.with_suffix(".part.npy")
            np.save(partial, pixels)
            partial.rename(cache)
        loaded: Pixels = np.load(cache)
        return Split(loaded, targets)


def training_batches(
    split: Split, *, side: int, batch: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffled, augmented batches of one epoch: float `[B, 3, side, side]` in 0…1, targets `[B]`.

    Random resized crop (area 0.35…1, aspect 3/4…4/3, bilinear) and horizontal flip, done for the
    whole batch at once. Order and crops depend on `seed` and `epoch` alone, so a resumed run that
    skips `skip` batches sees what an uninterrupted one would have seen.
    """
    order = np.random.default_rng((seed, epoch)).permutation(len(split))
    for step in range(skip, len(order) // batch):
        rows = order[step * batch : (step + 1) * batch]
        generator = torch.Generator().manual_seed(hash((seed, epoch, step)) & 0x7FFFFFFF)
        pictures = torch.from_numpy(split.pixels[rows]).permute(0, 3, 1, 2).float() / 255
        yield random_resized_crop(pictures, side, generator), torch.from_numpy(split.targets[rows])


def random_resized_crop(
    pictures: torch.Tensor, side: int, generator: torch.Generator
) -> torch.Tensor:
    """One random crop and flip a picture; `[B, 3, H, W]` → `[B, 3, side, side]`."""
    count = len(pictures)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count).uniform_(low, high, generator=generator)

    area, log_aspect = uniform(0.35, 1.0), uniform(-0.2877, 0.2877)
    width = (area * log_aspect.exp()).sqrt().clamp(max=1.0)
    height = (area / log_aspect.exp()).sqrt().clamp(max=1.0)
    flip = (uniform(0, 1) < 0.5).float() * -2 + 1
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = width * flip
    theta[:, 1, 1] = height
    theta[:, 0, 2] = uniform(-1, 1) * (1 - width)
    theta[:, 1, 2] = uniform(-1, 1) * (1 - height)
    grid = torch.nn.functional.affine_grid(theta, [count, 3, side, side], align_corners=False)
    return torch.nn.functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
