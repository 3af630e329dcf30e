"""Networks of each framework with random weights that tell pictures apart, and their own pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

LABELS = tuple(f"label {number}" for number in range(10))
SPREAD = 2.0
"""Of the logits of one class over pictures, so that labels differ."""

Logits = np.ndarray[Any, np.dtype[np.float32]]
Pipeline = Callable[[Path], Logits]


@dataclass(frozen=True)
class Made:
    """Words for `build --from`, and the framework's own way from a file to logits."""

    words: tuple[str, ...]
    own: Pipeline


def make(source: str, folder: Path, samples: list[Path]) -> Made:
    """A network with random weights, saved in `folder`."""
    torch.manual_seed(1)
    kind, _, name = source.partition(":")
    labels = folder / "labels.txt"
    labels.write_text("".join(f"{label}\n" for label in LABELS))
    return MAKERS[kind](name, folder, labels, samples)


def opened(path: Path) -> Image.Image:
    """As every framework's example opens a file."""
    return Image.open(path).convert("RGB")


def _torchvision(name: str, folder: Path, labels: Path, samples: list[Path]) -> Made:
    import torchvision

    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    network = torchvision.models.get_model(name, weights=None, num_classes=len(LABELS))
    # A file of one's own does not say which of a network's transforms it was trained for.
    member = torchvision.models.get_model_weights(name).DEFAULT.name
    return _saved(f"torchvision:{name}.{member}", network, transform, folder, labels, samples)


def _timm(name: str, folder: Path, labels: Path, samples: list[Path]) -> Made:
    import timm

    network = timm.create_model(name, pretrained=False, num_classes=len(LABELS))
    config = timm.data.resolve_data_config({}, model=network)
    transform = timm.data.create_transform(**config, is_training=False)
    return _saved(f"timm:{name}", network, transform, folder, labels, samples)


def _saved(
    source: str, network: Any, transform: Any, folder: Path, labels: Path, samples: list[Path]
) -> Made:
    own = _pipeline(network, transform)
    spread(network, torch.stack([transform(opened(path)) for path in samples]))
    weights = folder / "weights.pth"
    torch.save(network.state_dict(), weights)
    return Made(("--from", source, "--weights", str(weights), "--labels", str(labels)), own)


def _huggingface(name: str, folder: Path, _labels: Path, samples: list[Path]) -> Made:
    import transformers

    if name == "convnext":  # whose processor crops the centre
        config = transformers.ConvNextConfig(hidden_sizes=[16, 32, 64, 128], depths=[1, 1, 2, 1])
        processor = transformers.ConvNextImageProcessorPil(size={"shortest_edge": 224})
    else:
        config = transformers.ViTConfig(
            hidden_size=96, num_hidden_layers=4, num_attention_heads=3, intermediate_size=192
        )
        processor = transformers.ViTImageProcessorPil()
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: number for number, label in enumerate(LABELS)}
    network = transformers.AutoModelForImageClassification.from_config(config).eval()

    def transform(picture: Image.Image) -> Any:
        return processor(picture, return_tensors="pt")["pixel_values"][0]

    spread(network, torch.stack([transform(opened(path)) for path in samples]))
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return Made(("--from", f"hf:{folder}"), _pipeline(network, transform))


def _keras(name: str, folder: Path, labels: Path, samples: list[Path]) -> Made:
    import keras

    keras.utils.set_random_seed(1)
    build = getattr(keras.applications, name)
    network = build(
        weights=None, input_shape=(96, 96, 3), classes=len(LABELS), classifier_activation=None
    )

    def ready(path: Path) -> Any:
        # Squashed, as Keras' image_dataset_from_directory does, with Pillow's filter.
        picture = opened(path).resize((96, 96), Image.Resampling.BICUBIC)
        return (np.asarray(picture, np.float32) / 127.5 - 1)[None]

    head = network.layers[-1]
    logits = np.concatenate(
        [keras.ops.convert_to_numpy(network(ready(path), training=False)) for path in samples]
    )
    scale = SPREAD / logits.std(axis=0).mean()
    weights, bias = head.get_weights()
    head.set_weights([weights * scale, (bias - logits.mean(axis=0)) * scale])

    def own(path: Path) -> Logits:
        found: Logits = keras.ops.convert_to_numpy(network(ready(path), training=False))[0]
        return found

    file = folder / "model.keras"
    network.save(file)
    stated = ("--normalise", "symmetric", "--resize", "96", "--resize-mode", "squash")
    stated = (*stated, "--crop", "none", "--filter", "bicubic", "--labels", str(labels))
    return Made(("--from", f"keras:{file}", *stated), own)


MAKERS = {"torchvision": _torchvision, "timm": _timm, "hf": _huggingface, "keras": _keras}


def _pipeline(network: Any, transform: Any) -> Pipeline:
    def own(path: Path) -> Logits:
        with torch.inference_mode():
            found = network(transform(opened(path))[None])
        found = getattr(found, "logits", found)
        logits: Logits = found[0].numpy()
        return logits

    return own


def spread(network: Any, pictures: torch.Tensor) -> None:
    """Statistics of batch norms from some pictures, then a last layer whose logits differ by picture."""
    head = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        if not head.weight.any():  # torchvision's ViT starts with zeros
            nn.init.normal_(head.weight, std=0.02)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over all batches
        network.train()
        network(pictures)
        network.eval()
        found = network(pictures)
        logits = getattr(found, "logits", found)
        scale = SPREAD / logits.std(dim=0).mean()
        head.weight.mul_(scale)
        head.bias.sub_(logits.mean(dim=0)).mul_(scale)
