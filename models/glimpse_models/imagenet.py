"""The 1000-class, 224-pixel bundle from torchvision's ImageNet weights and a folder of pictures.

The weights are torchvision's IMAGENET1K_V2 (80.86 % top-1 by torchvision's own table), downloaded, or
read from a file of the same form. The pictures calibrate the quantization; without labelled ones
for validation the bundle says how often the int8 model agrees with the float one on some of them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import torchvision

from glimpse_models import bundle, export, network, quantize
from glimpse_models.classifiers import open_classifier
from glimpse_models.data import open_data, training_pictures
from glimpse_models.errors import Refused
from glimpse_models.evaluate import logits_of
from glimpse_models.journal import git_commit
from glimpse_models.manifest import in_the_making

SIDE = 224
SEED = 1
ENOUGH = 200  # pictures for the agreement
LICENSE = "weights BSD-3-Clause (torchvision), trained on ImageNet, whose own terms apply"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `imagenet`."""
    parser.add_argument(
        "--pictures",
        type=Path,
        required=True,
        help="folder of some hundred typical photographs, to calibrate with",
    )
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder")
    parser.add_argument(
        "--weights",
        default="imagenet",
        help="a file of torchvision's weights, where there is no network",
    )
    parser.add_argument(
        "--validation",
        type=Path,
        help="ImageNet's validation pictures in 1000 class folders, to measure on",
    )
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--name", help="(default: BACKBONE-imagenet)")
    parser.add_argument("--backbone", choices=network.BACKBONES, default="resnet50")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument(
        "--resize",
        type=int,
        help="shorter side before the crop (default: as torchvision evaluates the weights)",
    )
    parser.add_argument("--calibration", type=int, default=512, help="how many pictures")
    parser.add_argument(
        "--check", type=int, default=500, help="pictures that quantize checks itself on"
    )
    parser.add_argument("--method", choices=quantize.METHODS, default="percentile")


def run(arguments: argparse.Namespace) -> None:
    """Export, quantize, bundle."""
    weights = weights_of(arguments.backbone)
    arguments.name = arguments.name or f"{arguments.backbone}-imagenet"
    arguments.resize = arguments.resize or weights.transforms().resize_size[0]
    names = labels(arguments.backbone)
    state = trained(arguments.weights, arguments.backbone, names)
    with tempfile.TemporaryDirectory() as folder:
        exact, served = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(export.to_onnx(state, arguments.side), exact)
        step(
            quantize,
            check=arguments.check,
            seed=SEED,
            model=exact,
            data=arguments.pictures,
            out=served,
            resize=arguments.resize,
            pictures=arguments.calibration,
            method=arguments.method,
        )
        model = onnx.load(served)
        bundle.add_outputs(model)
        provenance = {
            "training_command": "torchvision's own recipe",
            "git_commit": git_commit(),
            "seed": None,
            "weights": str(weights),
            "int8_agrees_with_fp32": agreement(exact, served, arguments),
        }
        about = {
            "name": arguments.name,
            "version": arguments.version,
            "provenance": provenance,
            "license": LICENSE,
        }
        with in_the_making(arguments.out) as making:
            bundle.write(model, names, making, about, arguments.resize)
            if arguments.validation:
                bundle.add_metrics(making, open_data(arguments.validation, held_out=1.0), exact)
    print(f"{arguments.out}: {arguments.name} {arguments.version}")


def trained(weights: str, backbone: str, names: tuple[str, ...]) -> network.Trained:
    """Torchvision's own, or a file of the same form."""
    if weights == "imagenet":
        return network.Trained(network.imagenet_state(backbone), backbone, "linear", len(names))
    found = network.read(Path(weights))
    if (found.backbone, found.classes) != (backbone, len(names)):
        raise Refused(
            f"{weights} holds a {found.backbone} of {found.classes} classes, not a {backbone} of {len(names)}; "
            "give torchvision's file for --backbone"
        )
    return found


def labels(backbone: str) -> tuple[str, ...]:
    """ImageNet's 1000, in torchvision's order."""
    return tuple(weights_of(backbone).meta["categories"])


def weights_of(backbone: str) -> Any:
    """Torchvision's best weights for the backbone."""
    return torchvision.models.get_model_weights(backbone).DEFAULT


def agreement(exact: Path, served: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The share of pictures with the same top-1; where there are enough, others than quantize saw."""
    pictures = training_pictures(arguments.pictures, seed=SEED)
    seen = set(pictures.sample(arguments.calibration + arguments.check, SEED).files)
    unseen = [row for row, path in enumerate(pictures.files) if path not in seen]
    rows = unseen if len(unseen) >= ENOUGH else list(range(len(pictures)))
    split = pictures.take(rows).sample(ENOUGH, SEED)
    best = [
        logits_of(open_classifier(path, arguments.resize), split)[0].argmax(axis=1)
        for path in (exact, served)
    ]
    return {
        "pictures": len(split),
        "unseen": int(rows is unseen),
        "share": round(float((best[0] == best[1]).mean()), 4),
    }


def step(module: ModuleType, **options: object) -> None:
    """Run another step with its own defaults for what is not given."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args(words))
