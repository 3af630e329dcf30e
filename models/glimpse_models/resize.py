"""Make the same bundle for another input side: for benchmarks at 224 pixels.

The network is convolutions and global pooling, so that only the input's shape changes; what the
model was trained on does not, and neither do its metrics hold at the new side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import onnx

from glimpse_models import bundle, journal, wrap
from glimpse_models.classifiers import read_manifest
from glimpse_models.data import read_labels
from glimpse_models.manifest import in_the_making


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `resize`."""
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--resize", type=int, default=256, help="shorter side before the crop")
    parser.add_argument("--out", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Change the declared shapes; the weights stay as they are."""
    manifest = read_manifest(arguments.bundle)
    source = arguments.bundle / "model.onnx"
    model = onnx.load(source)
    wrap.refuse_fused(model, source)
    wrap.resize(model, arguments.side)
    about = {
        "name": f"{manifest['name']}-{arguments.side}",
        "version": manifest["version"],
        "provenance": {"resized_from": manifest["name"], "git_commit": journal.git_commit()},
        "license": manifest["license"],
    }
    labels = read_labels(arguments.bundle / "labels.txt")
    with in_the_making(arguments.out) as making:
        bundle.write(model, labels, making, about, arguments.resize)
