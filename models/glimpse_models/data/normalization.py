"""What pixels become before the first layer of a network: the one place of these numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Normalization:
    """(picture in 0…1 − mean) / std, in the order of the network's channels."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False


# ImageNet's statistics, as torchvision and timm use them.
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

# Also Keras's modes "tf" (symmetric) and "caffe", plain 0…1, and plain 0…255.
NORMALIZATIONS = {
    "imagenet": IMAGENET,
    "symmetric": Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "caffe": Normalization((103.939 / 255, 116.779 / 255, 123.68 / 255), (1 / 255,) * 3, bgr=True),
    "unit": Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "bytes": Normalization((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
