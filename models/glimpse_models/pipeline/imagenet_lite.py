"""`models/imagenet-lite`: EfficientNet-Lite0 with ImageNet's 1,000 classes, int8, as a bundle.

Tiny-ImageNet's training pictures calibrate the quantization, and others of them the scores. Its
validation pictures measure what int8 costs and how honest the scores are.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from glimpse_models.bundle.manifest import Manifest, write_bundle
from glimpse_models.data import tiny_imagenet
from glimpse_models.data.dataset import open_data
from glimpse_models.data.splits import DataSet, Split
from glimpse_models.errors import UserError
from glimpse_models.graph.export import trace
from glimpse_models.graph.io import load_onnx
from glimpse_models.graph.quantize import Method, Quantizer
from glimpse_models.graph.wrap import wrap
from glimpse_models.measure.agreement import SURE, Agreement, agreement, columns_of, top
from glimpse_models.measure.classifiers import Logits, batches_of, open_as
from glimpse_models.measure.evaluate import logits_of
from glimpse_models.measure.metrics import Targets, calibration_error, softmax
from glimpse_models.measure.temperature import FEWEST, Calibration, fit_temperature
from glimpse_models.pipeline.bundle import add_outputs, ready_to_serve
from glimpse_models.train import efficientnet_lite as lite
from glimpse_models.train.record import git_commit

NAME = "efficientnet-lite0-imagenet"
SEED = 1
LEAST_AGREEMENT = 0.99
FITTING = 4000  # training pictures, at most, that fit the temperature


@dataclass(frozen=True)
class LiteOptions:
    """`data` is tiny-imagenet-200; `limit` validation pictures are measured, or all."""

    data: Path
    out: Path
    command: str
    weights: Path | None = None
    version: str = "1.0.4"
    pictures: int = 512
    limit: int | None = None
    cpu_graph: bool = True


@dataclass(frozen=True)
class Figures:
    """What the validation pictures say; top-1 and top-5 are among the data set's own classes."""

    data: str
    kept: Agreement
    float_top1: float
    int8_top1: float
    int8_top5: float
    scores: Calibration

    def record(self) -> Manifest:
        """The entry `metrics` of the bundle."""
        return {
            "dataset": f"{self.data} validation, enlarged, among its own classes",
            "images": self.kept.pictures,
            "fp32_top1": round(self.float_top1, 6),
            "int8_top1": round(self.int8_top1, 6),
            "int8_top5": round(self.int8_top5, 6),
            "int8_agrees_with_fp32": self.kept.record(),
        }


def imagenet_lite(options: LiteOptions) -> None:
    """Export, quantize, measure, write the bundle with its card, licence and notice."""
    data = _open(options.data)
    labels = lite.labels()
    columns = columns_of(tiny_imagenet.synonyms_of(options.data), labels)
    with tempfile.TemporaryDirectory() as folder:
        exact, int8 = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        plain = trace(lite.network(options.weights), lite.INPUT.side)
        onnx.save(wrap(plain, len(labels), lite.NORMALIZATION, lite.INPUT.side), exact)
        calibration = data.train.sample(options.pictures, SEED)
        fitting = _fitting(data, calibration)
        batches = list(batches_of(calibration.files, lite.INPUT))
        Quantizer.calibrated(exact, Path(folder), Method(), batches).write(int8, [])
        figures = _measure(exact, int8, data, columns, fitting, options.limit)
        model = load_onnx(int8)
    if figures.kept.sure_share < LEAST_AGREEMENT:
        raise UserError(
            f"int8 keeps the label of {figures.kept.sure_share:.4f} of the pictures that float is sure of, "
            f"below {LEAST_AGREEMENT}; calibrate with more --pictures"
        )
    head = add_outputs(model)
    ready = ready_to_serve(model, labels, lite.INPUT.resize, lite.INPUT.geometry, head)
    about: Manifest = {
        "name": NAME,
        "version": options.version,
        "metrics": figures.record(),
        **figures.scores.entries(),
        "provenance": _provenance(options, data, len(calibration)),
        "license": lite.LICENSE,
    }
    write_bundle(options.out, ready.content_with(options.cpu_graph), {**about, **ready.described})
    for name, text in {
        "MODEL_CARD.md": _card(options, figures, len(calibration)),
        "LICENSE": lite.license_text(),
        "NOTICE": lite.notice(),
    }.items():
        (options.out / name).write_text(text, encoding="utf-8")
    print(f"{options.out}: {NAME} {options.version}, {_kept(figures)}")


def _open(root: Path) -> DataSet:
    if not tiny_imagenet.is_layout_of(root):
        raise UserError(f"{root} is not tiny-imagenet-200: there is no wnids.txt in it")
    return open_data(root)


def _fitting(data: DataSet, calibration: Split) -> Split:
    """Training pictures for the temperature, which the quantization has not seen."""
    left = data.train.without(set(calibration.files)).sample(FITTING, SEED)
    if len(left) < FEWEST:
        raise UserError(
            f"{len(left)} training pictures are left to fit a temperature on, and {FEWEST} are the fewest; "
            "calibrate with fewer --pictures"
        )
    return left


def _measure(
    exact: Path, int8: Path, data: DataSet, columns: list[int], fitting: Split, limit: int | None
) -> Figures:
    """Both models on the same pictures."""
    split = data.validation.sample(limit, SEED) if limit else data.validation
    float_model, served = (open_as(path, lite.INPUT) for path in (exact, int8))
    before, after = (logits_of(model, split)[0] for model in (float_model, served))
    targets = np.array(split.targets)
    temperature = fit_temperature(logits_of(served, fitting)[0], _known(fitting, columns))
    errors = [_error(after / heat, _known(split, columns)) for heat in (1.0, temperature)]
    return Figures(
        data.name,
        agreement(before, after),
        top(before[:, columns], targets, 1),
        top(after[:, columns], targets, 1),
        top(after[:, columns], targets, 5),
        Calibration(temperature, len(fitting), *errors),
    )


def _known(split: Split, columns: list[int]) -> Targets:
    """The true classes as the model counts them."""
    known: Targets = np.array(columns)[list(split.targets)]
    return known


def _error(logits: Logits, targets: Targets) -> float:
    return calibration_error(softmax(logits), targets)


def _provenance(options: LiteOptions, data: DataSet, pictures: int) -> dict[str, Any]:
    return {
        "training_command": "the authors' own training",
        "command": options.command,
        "git_commit": git_commit(),
        "seed": SEED,
        "weights": f"{lite.version()}, sha256 {lite.WEIGHTS_SHA256}",
        "calibration": f"{pictures} training pictures of {data.name}, minmax, bias correction",
    }


def _kept(figures: Figures) -> str:
    kept = figures.kept
    return (
        f"int8 has the label of float on {100 * kept.sure_share:.2f} % of the {kept.sure:,} pictures where the score "
        f"of float is {SURE} or more, and on {100 * kept.share:.2f} % of all {kept.pictures:,}"
    )


def _card(options: LiteOptions, figures: Figures, pictures: int) -> str:
    drop, scores = 100 * (figures.int8_top1 - figures.float_top1), figures.scores
    return f"""# {NAME} {options.version}

EfficientNet-Lite0 for ImageNet's 1,000 classes, int8, input {lite.INPUT.side} × {lite.INPUT.side} pixels (shorter side resized to {lite.INPUT.resize} with antialiased bicubic, centre cropped, normalised by (x − 127) / 128 in the graph).

- Weights: {lite.version()} from the Python Package Index, whose authors converted them from TensorFlow. EfficientNet's authors state 75.1 % top-1 for them in float on ImageNet's validation pictures; that was not measured again.
- Calibration: {pictures} training pictures of {figures.data}.
- Licence: {lite.LICENSE}. `LICENSE` and `NOTICE` beside this file belong to the weights: keep them with copies.

## Figures

On {figures.kept.pictures:,} validation pictures of {figures.data}, 64 × 64 pixels and enlarged, which calibration did not use. The network was not trained for such blurred pictures, so that the figures show what int8 costs, not how good the network is.

| | float | int8 |
| --- | --- | --- |
| top-1 among the data set's {len(tiny_imagenet.synonyms_of(options.data))} classes | {figures.float_top1:.4f} | {figures.int8_top1:.4f} |
| top-5 among them | | {figures.int8_top5:.4f} |

Quantization changes top-1 by {drop:+.2f} points. {_kept(figures)[0].upper()}{_kept(figures)[1:]}.

## Scores

Logits are divided by the temperature {scores.temperature:.3f}, fitted on {scores.images:,} further training pictures of {figures.data}. On the validation pictures, among all {len(lite.labels()):,} classes, the expected calibration error is {scores.ece_before:.4f} without it and {scores.ece_after:.4f} with it. Those are pictures of 64 × 64 pixels, enlarged: the error on sharp photographs was not measured.

## Limits

It answers one of its 1,000 classes for every picture, also for what it has never seen: there is no class for a person, and many classes are breeds of dogs. ImageNet's pictures come from the web of the 2000s and are unevenly spread over places and people. Measure it on pictures of your own before decisions rest on it.

## How it was made

    {options.command}
"""
