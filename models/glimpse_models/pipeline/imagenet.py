"""The 1000-class, 224-pixel bundle from torchvision's ImageNet weights and a folder of pictures.

The weights are torchvision's IMAGENET1K_V2 (80.86 % top-1 by torchvision's own table), downloaded, or
read from a file of the same form. The pictures calibrate the quantization; without labelled ones
for validation the bundle records how often the int8 model agrees with the float one on some of them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import torchvision

from glimpse_models.bundle.manifest import Manifest, write_bundle
from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.data.dataset import open_data, training_pictures
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.export import export_weights
from glimpse_models.graph.io import load_onnx
from glimpse_models.graph.quantize import Method
from glimpse_models.measure.classifiers import open_classifier
from glimpse_models.measure.evaluate import logits_of
from glimpse_models.pipeline.bundle import add_outputs, measure, ready_to_serve
from glimpse_models.pipeline.quantize import QuantizeOptions, quantize
from glimpse_models.train import network
from glimpse_models.train.backbone import backbone_of
from glimpse_models.train.record import git_commit

SEED = 1
ENOUGH = 200  # pictures for the agreement
LICENSE = "weights BSD-3-Clause (torchvision), trained on ImageNet, whose own terms apply"


@dataclass(frozen=True)
class ImagenetOptions:
    """`pictures` calibrate, `validation` (ImageNet's, in 1000 class folders) measures."""

    pictures: Path
    out: Path
    weights: str = "imagenet"
    validation: Path | None = None
    version: str = "1.0.0"
    name: str | None = None
    backbone: str = "resnet50"
    side: int = 224
    resize: int | None = None
    calibration: int = 512
    check: int = 500
    cpu_graph: bool = True
    method: Method = field(default_factory=lambda: Method("percentile"))


def imagenet(options: ImagenetOptions) -> None:
    """Export, quantize, bundle."""
    weights = weights_of(options.backbone)
    name = options.name or f"{options.backbone}-imagenet"
    resize = options.resize or int(weights.transforms().resize_size[0])
    names = labels(options.backbone)
    state = trained(options.weights, options.backbone, names)
    with tempfile.TemporaryDirectory() as folder:
        exact, int8 = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(export_weights(state, options.side), exact)
        quantize(
            QuantizeOptions(
                model=exact,
                data=options.pictures,
                out=int8,
                run=RunOptions(seed=SEED),
                pictures=options.calibration,
                check=options.check,
                method=options.method,
                resize=resize,
            )
        )
        model = load_onnx(int8)
        head = add_outputs(model)
        ready = ready_to_serve(model, names, resize, head=head)
        about: Manifest = {
            "name": name,
            "version": options.version,
            "provenance": {
                "training_command": "torchvision's own recipe",
                "git_commit": git_commit(),
                "seed": None,
                "weights": str(weights),
                "int8_agrees_with_fp32": agreement(exact, int8, resize, options),
            },
            "license": LICENSE,
        }
        if options.validation:
            data = open_data(options.validation, held_out=1.0)
            about |= measure(ready.classifier(f"{name} {options.version}", SINGLE), data, exact)[1]
        write_bundle(
            options.out, ready.content_with(options.cpu_graph), {**about, **ready.described}
        )
    print(f"{options.out}: {name} {options.version}")


def trained(weights: str, backbone: str, names: tuple[str, ...]) -> network.Trained:
    """Torchvision's own, or a file of the same form."""
    if weights == "imagenet":
        return network.Trained(backbone_of(backbone).pretrained(), backbone, "linear", len(names))
    found = network.read_weights(Path(weights))
    if (found.backbone, found.classes) != (backbone, len(names)):
        raise UserError(
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


def agreement(exact: Path, int8: Path, resize: int, options: ImagenetOptions) -> dict[str, float]:
    """The share of pictures with the same top-1; where there are enough, others than quantize used."""
    pictures = training_pictures(options.pictures, seed=SEED)
    seen = set(pictures.sample(options.calibration + options.check, SEED).files)
    unseen = [row for row, path in enumerate(pictures.files) if path not in seen]
    rows = unseen if len(unseen) >= ENOUGH else list(range(len(pictures)))
    split = pictures.take(rows).sample(ENOUGH, SEED)
    best = [
        logits_of(open_classifier(path, resize), split)[0].argmax(axis=1) for path in (exact, int8)
    ]
    return {
        "pictures": len(split),
        "unseen": int(rows is unseen),
        "share": round(float((best[0] == best[1]).mean()), 4),
    }
