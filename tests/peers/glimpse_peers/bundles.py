"""Bundles of growing size: the committed small one, ResNet50 in int8, and float networks of torchvision.

Their weights are random: a start takes as long with any. `python -m glimpse_peers.bundles NAME FOLDER`
makes one, in a process of its own because PyTorch stays in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from glimpse_peers import places

FLOAT = ("resnet18", "resnet50", "resnet152")
CLASSES = 1000
SIDE = 224


def by_size(models: dict[str, Path]) -> dict[str, Path]:
    """The folders by name, smallest first; made once."""
    folders = {
        "imagenet-lite, int8": models["imagenet-lite"],
        "resnet50, int8": models["resnet50"],
    }
    portable = places.TARGET / "bundle-224"
    if models["resnet50"] != portable:
        folders["resnet50, int8, without the graph for the CPU"] = portable
    for name in FLOAT:
        folder = places.OUT / "bundles" / name
        if not (folder / "bundle.json").exists():
            path = os.pathsep.join([str(places.ROOT / "models"), *sys.path])
            command = [sys.executable, "-m", "glimpse_peers.bundles", name, str(folder)]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})
        folders[f"{name}, float32"] = folder
    return folders


def make(name: str, folder: Path) -> None:
    """A network of torchvision as a bundle, not quantized."""
    import onnx
    import torch
    import torchvision
    from glimpse_models.graph.export import trace

    torch.manual_seed(1)
    network = torchvision.models.get_model(name, weights=None, num_classes=CLASSES).eval()
    with tempfile.TemporaryDirectory() as temporary:
        model, labels = Path(temporary) / "float.onnx", Path(temporary) / "labels.txt"
        onnx.save(trace(network, SIDE), model)
        labels.write_text("".join(f"label {number}\n" for number in range(CLASSES)))
        words = ["--model", str(model), "--labels", str(labels), "--name", name]
        words += ["--version", "1.0.0", "--side", str(SIDE), "--resize", "256"]
        words += ["--no-class-maps", "--out", str(folder)]
        subprocess.run([sys.executable, "-m", "glimpse_models", "bundle", *words], check=True)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]))
