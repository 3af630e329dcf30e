"""Augmentation: presets from nothing to the modern recipe, all seeded."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import InterpolationMode, RandomResizedCrop, TrivialAugmentWide, v2
from torchvision.transforms.functional import pil_to_tensor

# Smallest part of a picture's area that a random crop keeps.
CROP_AREA = 0.35


def augment(picture: Image.Image, preset: str, side: int) -> torch.Tensor:
    """One augmented picture, uint8 `[3, side, side]`; chance comes from PyTorch's global generator."""
    if preset in ("crop", "modern"):
        crop = RandomResizedCrop(side, scale=(CROP_AREA, 1.0))
        picture = _flip(crop(picture))
        if preset == "modern":
            picture = TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR)(picture)
        return _tensor(picture)
    if preset == "legacy":
        # Keras's ImageDataGenerator squashes a picture to the input's shape.
        return _legacy(_tensor(picture.resize((side, side), Image.Resampling.BILINEAR)))
    raise ValueError(f"no preset {preset}")


def crop_batch(pictures: torch.Tensor, side: int, generator: torch.Generator) -> torch.Tensor:
    """Preset `crop` for a whole batch of equal pictures: float `[B, 3, H, W]` → `[B, 3, side, side]`.

    Random resized crop (area 0.35…1, aspect 3/4…4/3, bilinear) and horizontal flip. Chance comes
    from `generator` on the CPU, so that every device crops alike.
    """
    count = len(pictures)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(count).uniform_(low, high, generator=generator)

    area, log_aspect = uniform(CROP_AREA, 1.0), uniform(-0.2877, 0.2877)
    width = (area * log_aspect.exp()).sqrt().clamp(max=1.0)
    height = (area / log_aspect.exp()).sqrt().clamp(max=1.0)
    flip = (uniform(0, 1) < 0.5).float() * -2 + 1
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = width * flip
    theta[:, 1, 1] = height
    theta[:, 0, 2] = uniform(-1, 1) * (1 - width)
    theta[:, 1, 2] = uniform(-1, 1) * (1 - height)
    return _sample(pictures, theta, side, "reflection")


def mix(pictures: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup or cutmix, one of them per batch.

    Gives mixed pictures, and how much of each picture is in each of them, `[B, B]`: a product with
    that mixes labels and a teacher's scores likewise.
    """
    count = len(pictures)
    if count < 2:
        return pictures, torch.ones(count, count, device=pictures.device)
    one_of = v2.RandomChoice(
        [v2.MixUp(alpha=0.2, num_classes=count), v2.CutMix(alpha=1.0, num_classes=count)]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mixed: tuple[torch.Tensor, torch.Tensor] = one_of(
            pictures, torch.arange(count, device=pictures.device)
        )
    return mixed


def hide_and_seek(pictures: torch.Tensor, part: float, chance: np.random.Generator) -> torch.Tensor:
    """Hide-and-Seek (Singh and Lee, 2017): cells of a grid take their picture's mean colour.

    A network that must do without some parts learns to use all of them, so that its class
    activation maps cover more of the object. The grid has 2 to 4 cells per row, and `part` of them
    are hidden; a quarter of the pictures stay whole.
    """
    count, side, cells = len(pictures), pictures.shape[2], int(chance.integers(2, 5))
    hidden = chance.random((count, cells, cells)) < part
    hidden[chance.random(count) < 0.25] = False
    # The cell of each pixel, in rows and in columns alike.
    cell = np.arange(side) * cells // side
    mask = torch.from_numpy(hidden[:, cell][:, :, cell])[:, None].to(pictures.device)
    return torch.where(mask, pictures.mean((2, 3), keepdim=True), pictures)


def _legacy(picture: torch.Tensor) -> torch.Tensor:
    """Rotation 40°, shifts 0.2, shear 0.2°, zoom 0.2, horizontal flip; edges repeat (nearest fill)."""

    def uniform(limit: float) -> float:
        return float(torch.empty(1).uniform_(-limit, limit))

    turn, shear = math.radians(uniform(40)), math.radians(uniform(0.2))
    zoom_x, zoom_y = 1 + uniform(0.2), 1 + uniform(0.2)
    if uniform(1) < 0:
        zoom_x = -zoom_x
    rotate = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    slant = torch.tensor([[1.0, -math.sin(shear)], [0.0, math.cos(shear)]])
    matrix = rotate @ slant @ torch.diag(torch.tensor([zoom_x, zoom_y]))
    # Sampling coordinates run from -1 to 1, so that a fifth of a side is 0.4.
    shift = torch.tensor([[uniform(0.4)], [uniform(0.4)]])
    theta = torch.cat([matrix, shift], dim=1)[None]
    turned = _sample(picture[None].float(), theta, picture.shape[-1], "border")
    return turned[0].round().clamp(0, 255).to(torch.uint8)


def _sample(pictures: torch.Tensor, theta: torch.Tensor, side: int, padding: str) -> torch.Tensor:
    shape = [len(pictures), 3, side, side]
    grid = nn.functional.affine_grid(theta.to(pictures.device), shape, align_corners=False)
    return nn.functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode=padding, align_corners=False
    )


def _flip(picture: Image.Image) -> Image.Image:
    if torch.rand(1).item() < 0.5:
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return picture


def _tensor(picture: Image.Image) -> torch.Tensor:
    tensor: torch.Tensor = pil_to_tensor(picture)
    return tensor
