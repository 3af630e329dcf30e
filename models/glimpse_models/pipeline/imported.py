"""From a classifier made elsewhere to a bundle that answers as it does, which a check shows.

Its own pipeline and the bundle get the same pictures, of many aspect ratios. The bundle is written only
where the answers agree.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image

from glimpse_models.bundle.import_card import write_import_card
from glimpse_models.bundle.manifest import Manifest, write_bundle
from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.bundle.verify import verify
from glimpse_models.data.dataset import open_pictures
from glimpse_models.data.inspect import inspect_and_report, record_of, without_broken
from glimpse_models.data.preprocess import fit
from glimpse_models.data.splits import MULTI, SINGLE, DataSet
from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx
from glimpse_models.graph.quantize import Method
from glimpse_models.graph.scores import labels_of_logits
from glimpse_models.graph.wrap import wrap
from glimpse_models.measure.classifiers import Classifier
from glimpse_models.measure.evaluate import table
from glimpse_models.measure.metrics import softmax
from glimpse_models.measure.several import THRESHOLD, sigmoid
from glimpse_models.pipeline.bundle import Ready, add_outputs, measure, ready_to_serve
from glimpse_models.pipeline.quantize import QuantizeOptions, quantize_with
from glimpse_models.registry.publish import PublishOptions, publish
from glimpse_models.registry.s3 import Repository
from glimpse_models.sources.huggingface import open_huggingface
from glimpse_models.sources.keras import open_keras
from glimpse_models.sources.onnx_file import open_onnx
from glimpse_models.sources.source import Asked, Source
from glimpse_models.sources.timm import open_timm
from glimpse_models.sources.torchvision import open_torchvision
from glimpse_models.train.record import git_commit

KINDS: dict[str, Callable[[Asked], Source]] = {
    "timm": open_timm,
    "torchvision": open_torchvision,
    "hf": open_huggingface,
    "keras": open_keras,
    "onnx": open_onnx,
}

TOLERANCE = 1e-3
"""Of a logit, or of a score: above what another order of sums leaves in float32."""
LARGE = 100.0
"""No trained classifier has such logits; above, float32 is coarser, and TOLERANCE is of the largest logit."""

SHAPES = (
    (320, 240),
    (240, 320),
    (500, 375),
    (640, 200),
    (180, 600),
    (257, 255),
    (97, 89),
    (1024, 768),
)
SEED = 1

Logits = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImportOptions:
    """`source` is KIND:WHAT; with `data`, its pictures calibrate an int8 model.

    Data that have the model's labels measure it too.
    """

    source: str
    asked: Asked
    name: str
    version: str
    command: str
    out: Path | None = None
    work: Path | None = None
    data: Path | None = None
    pictures: int = 512
    check: int = 2000
    method: str = Method.name
    broken: str = "leave-out"
    threshold: float | None = None
    to: str | None = None
    endpoint: str | None = None
    about_data: str = ""
    limits: str = ""
    license: str | None = None
    cpu_graph: bool = True


@dataclass(frozen=True)
class Checked:
    """The largest difference of a logit, or of a score where the source gives scores; and what is allowed."""

    pictures: int
    difference: float
    allowed: float
    same_label: int
    of: str

    def record(self, pipeline: str) -> Manifest:
        """For the provenance."""
        return {
            "against": pipeline,
            "pictures": self.pictures,
            "same_label": self.same_label,
            "largest_difference": float(f"{self.difference:.2g}"),
            "allowed_difference": float(f"{self.allowed:.2g}"),
            "of": self.of,
        }


def open_source(source: str, asked: Asked) -> Source:
    """By the kind before the colon."""
    kind = source.partition(":")[0]
    if kind not in KINDS or not asked.what:
        raise UserError(f"--from {source} is not KIND:WHAT; kinds are {', '.join(KINDS)}")
    return KINDS[kind](asked)


def import_model(options: ImportOptions) -> None:
    """Wrap, check, quantize and measure where there are pictures, write, verify, publish.

    A card is written beside the bundle.
    """
    check_name(options.name)
    check_version(options.version)
    if options.to:
        Repository.open(options.to, options.endpoint)  # refuses a wrong address before the work
    source = open_source(options.source, options.asked)
    # Before the work: this refuses an empty folder.
    data = open_pictures(options.data, SEED, task=source.task) if options.data else None
    work = options.work or Path(f"{options.name}-{options.version}")
    out = options.out or work / "bundle"
    thresholds = _thresholds(options.threshold, source)
    model = wrap(
        source.model, len(source.labels), source.normalization, source.spec.side, source.task
    )
    labels = labels_of_logits(model, source.labels)
    exact = ready_to_serve(model, labels, source.spec.resize, source.spec.geometry)
    found = check(source, exact.classifier(options.name, source.task))
    print(
        f"checked against {source.pipeline}: the largest difference of a {found.of} is {found.difference:.2g} "
        f"on {found.pictures} pictures"
    )
    int8 = None if data is None else _quantized(exact, data, source.task, options)
    if int8 is not None:
        model = int8.model
    head = add_outputs(model)
    ready = ready_to_serve(model, labels, source.spec.resize, source.spec.geometry, head)
    measured = _measured(exact, ready, int8, source.task, options)
    about: Manifest = {
        "name": options.name,
        "version": options.version,
        "task": source.task,
        **thresholds,
        "provenance": {
            "training_command": "made elsewhere",
            "command": options.command,
            "git_commit": git_commit(),
            "seed": None,
            "source": options.source.partition(":")[0],
            **source.record,
            # Of the float model, also where the bundle's is int8.
            "checked": found.record(source.pipeline),
            **({} if int8 is None else {"quantization": int8.record}),
        },
        "license": options.license or "unknown; the source's own terms apply",
    }
    content = ready.content_with(options.cpu_graph)
    write_bundle(out, content, {**about, **ready.described, **measured})
    kind = "int8" if ready.quantized else "float"
    card = out.parent / "MODEL_CARD.md"
    write_import_card(verify(out), kind, card, options.about_data, options.limits)
    if options.to:
        publish(PublishOptions(out, options.to, options.endpoint))
    print(f"{out}: {options.name} {options.version}, {len(labels)} classes, {kind}\ncard: {card}")


def check(source: Source, served: Classifier) -> Checked:
    """Both on the same pictures; refuses a bundle that answers otherwise."""
    pictures = sample_pictures()
    own = np.stack([source.own(picture) for picture in pictures]).astype(np.float64)
    pixels = [fit(picture, served.spec)[None] for picture in pictures]
    ours = np.concatenate([served.logits(one) for one in pixels]).astype(np.float64)
    of = "logit"
    if source.task == MULTI:
        if not np.allclose(own, ours, atol=TOLERANCE) and own.min() >= 0 and own.max() <= 1:
            of, ours = "score", sigmoid(ours)
    elif own.shape[1] == 1 or _are_scores(own):
        of, ours = "score", softmax(ours.astype(np.float32))
    if own.shape[1] == 1 and source.task == SINGLE:
        # Of two labels, the one output is the score of the second.
        ours = ours[:, 1:] if len(source.labels) == 2 else ours[:, :1]
        own = own if _are_scores(own) else 1 / (1 + np.exp(-own))
    difference = float(np.abs(own - ours).max())
    largest = float(np.abs(own).max())
    allowed = TOLERANCE * largest if largest > LARGE else TOLERANCE
    if not difference <= allowed:
        raise UserError(
            f"the bundle does not answer as {source.pipeline}: a {of} differs by {difference:.2g}, above {allowed:.2g} "
            f"(the largest is {largest:.2g}); "
            "try the other --exporter, or report the network"
        )
    same = int((own.argmax(axis=1) == ours.argmax(axis=1)).sum())
    return Checked(len(pictures), difference, allowed, same, of)


def sample_pictures() -> list[Image.Image]:
    """Blurred and sharp noise of many aspect ratios, on which wrong preprocessing shows."""
    chance = np.random.default_rng(SEED)
    pictures = []
    for width, height in SHAPES:
        coarse = chance.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
        large = np.asarray(
            Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        )
        grain = chance.integers(-40, 41, (height, width, 3))
        pictures.append(Image.fromarray((large + grain).clip(0, 255).astype(np.uint8)))
    return pictures


def _are_scores(own: Logits) -> bool:
    if own.min() < 0 or own.max() > 1:
        return False
    return own.shape[1] == 1 or bool(np.allclose(own.sum(axis=1), 1, atol=1e-3))


@dataclass(frozen=True)
class Int8:
    """The quantized model, its record, and the data in the order of its labels, if they have them."""

    model: onnx.ModelProto
    record: Manifest
    labelled: DataSet | None


def _quantized(exact: Ready, data: DataSet, task: str, options: ImportOptions) -> Int8:
    """Calibrated with the training pictures that can be decoded."""
    if exact.quantized:
        raise UserError(f"{options.source} is quantized already; leave --data out")
    labelled = _labelled(exact, data, task, options)
    with tempfile.TemporaryDirectory() as folder:
        findings = inspect_and_report(data, Path(folder) / "pictures.json", options.broken)
        if labelled is not None:
            labelled = without_broken(labelled, findings.broken)
        data = labelled or data.without({data.root / name for name in findings.broken})
        if not len(data.train):
            raise UserError(f"no training picture of {options.data} can be decoded; add some")
        path, out = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        path.write_bytes(exact.content.model)
        how = QuantizeOptions(
            path,
            data.root,
            out,
            pictures=options.pictures,
            check=options.check,
            method=Method(options.method),
        )
        # Labels that are not the model's would measure a drop that says nothing.
        pictures = data.train if labelled else data.train.without_labels()
        found = quantize_with(pictures, how, exact.spec, task, SEED)
        print(f"int8: {found}")
        record = {
            "method": options.method,
            "pictures": found.pictures,
            "data": record_of(data, findings),
        }
        return Int8(load_onnx(out), record, labelled)


def _labelled(exact: Ready, data: DataSet, task: str, options: ImportOptions) -> DataSet | None:
    """The data in the order of the model's labels; nothing where they cannot measure it, which is said."""
    if set(data.labels) != set(exact.labels) or len(data.labels) != len(exact.labels):
        why = f"{options.data} does not have the model's labels"
    elif data.task != task:
        why = f"{options.data} is {data.task} and the model {task}"
    elif options.threshold is not None:
        why = "--threshold is given, and measuring fits thresholds; leave it out"
    else:
        return data.with_labels(exact.labels)
    print(f"neither measured nor calibrated: {why}", file=sys.stderr)
    return None


def _measured(
    exact: Ready, ready: Ready, int8: Int8 | None, task: str, options: ImportOptions
) -> Manifest:
    """Metrics and temperature, with several labels thresholds, where the data have labels."""
    if int8 is None or int8.labelled is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        path.write_bytes(exact.content.model)
        served = ready.classifier(f"{options.name} {options.version}", task)
        rows, measured = measure(served, int8.labelled, path)
    print(table(rows))
    return measured


def _thresholds(asked: float | None, source: Source) -> Manifest:
    """One for all labels: `calibrate` fits one for each, on labelled pictures."""
    if asked is not None and source.task == SINGLE:
        raise UserError(f"--threshold is for several labels per picture; give --task {MULTI} too")
    if asked is not None and not 0 <= asked <= 1:
        raise UserError(f"--threshold {asked} is not a score; give 0 to 1")
    if source.task == SINGLE:
        return {}
    return {"thresholds": [THRESHOLD if asked is None else asked] * len(source.labels)}
