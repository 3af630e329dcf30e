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

import onnx
import torchvision

from glimpse_models import bundle, export, network, quantize
from glimpse_models.classifiers import open_classifier
from glimpse_models.data import open_data, training_pictures
from glimpse_models.evaluate import logits_of
from glimpse_models.journal import git_commit

BACKBONE = "resnet50"
SIDE, RESIZE = 224, 232  # torchvision's evaluation transform for these weights
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
    parser.add_argument("--name", default="resnet50-imagenet")
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--resize", type=int, default=RESIZE)
    parser.add_argument("--calibration", type=int, default=512, help="how many pictures")
    parser.add_argument(
        "--check", type=int, default=500, help="pictures that quantize checks itself on"
    )
    parser.add_argument("--method", choices=quantize.METHODS, default="percentile")


def run(arguments: argparse.Namespace) -> None:
    """Export, quantize, bundle."""
    with tempfile.TemporaryDirectory() as folder:
        exact, served = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(export.to_onnx(trained(arguments.weights), arguments.side), exact)
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
        bundle.add_class_maps(model)
        provenance = {
            "training_command": "torchvision's recipe for IMAGENET1K_V2",
            "git_commit": git_commit(),
            "seed": None,
            "weights": "ResNet50_Weights.IMAGENET1K_V2",
            "int8_agrees_with_fp32": agreement(exact, served, arguments),
        }
        about = {
            "name": arguments.name,
            "version": arguments.version,
            "provenance": provenance,
            "license": LICENSE,
        }
        bundle.write(model, labels(), arguments.out, about, arguments.resize)
        if arguments.validation:
            bundle.add_metrics(arguments.out, open_data(arguments.validation, held_out=1.0), exact)
    print(f"{arguments.out}: {arguments.name} {arguments.version}")


def trained(weights: str) -> network.Trained:
    """Torchvision's own, or a file of the same form."""
    if weights != "imagenet":
        return network.read(Path(weights))
    return network.Trained(network.imagenet_state(BACKBONE), BACKBONE, "linear", len(labels()))


def labels() -> tuple[str, ...]:
    """ImageNet's 1000, in torchvision's order."""
    names = torchvision.models.get_model_weights(BACKBONE).DEFAULT.meta["categories"]
    return tuple(names)


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
