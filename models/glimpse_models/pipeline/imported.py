"""From a classifier made elsewhere to a bundle that answers as it does, which a check shows.

Its own pipeline and the bundle get the same pictures, of many aspect ratios. The bundle is written only
where the answers agree.
"""

from __future__ import annotations

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
from glimpse_models.data.dataset import training_pictures
from glimpse_models.data.preprocess import fit
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx
from glimpse_models.graph.quantize import Method
from glimpse_models.graph.scores import labels_of_logits
from glimpse_models.graph.wrap import wrap
from glimpse_models.measure.classifiers import Classifier
from glimpse_models.measure.metrics import softmax
from glimpse_models.measure.several import THRESHOLD, sigmoid
from glimpse_models.pipeline.bundle import add_outputs, ready_to_serve
from glimpse_models.pipeline.quantize import QuantizeOptions, quantize
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
"""Of the largest logit, or of 1: what another order of sums leaves in float32."""

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
    """`source` is KIND:WHAT; with `data`, its pictures calibrate an int8 model."""

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
    threshold: float | None = None
    to: str | None = None
    endpoint: str | None = None
    about_data: str = ""
    limits: str = ""
    license: str | None = None
    cpu_graph: bool = True


@dataclass(frozen=True)
class Checked:
    """The largest difference of a logit, or of a score where the source gives scores."""

    pictures: int
    difference: float
    same_label: int
    of: str

    def record(self, pipeline: str) -> Manifest:
        """For the provenance."""
        return {
            "against": pipeline,
            "pictures": self.pictures,
            "same_label": self.same_label,
            "largest_difference": float(f"{self.difference:.2g}"),
            "of": self.of,
        }


def open_source(source: str, asked: Asked) -> Source:
    """By the kind before the colon."""
    kind = source.partition(":")[0]
    if kind not in KINDS or not asked.what:
        raise UserError(f"--from {source} is not KIND:WHAT; kinds are {', '.join(KINDS)}")
    return KINDS[kind](asked)


def import_model(options: ImportOptions) -> None:
    """Wrap, check, quantize where there are pictures, write, verify, publish; a card beside it."""
    check_name(options.name)
    check_version(options.version)
    if options.to:
        Repository.open(options.to, options.endpoint)  # refuses a wrong address before the work
    source = open_source(options.source, options.asked)
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
    if options.data is not None:
        model = _quantized(model, source, options.data, options)
    add_outputs(model)
    ready = ready_to_serve(model, labels, source.spec.resize, source.spec.geometry)
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
        },
        "license": options.license or "unknown; the source's own terms apply",
    }
    write_bundle(out, ready.content_with(options.cpu_graph), {**about, **ready.described})
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
    # Sums of float32 differ by what the largest of them makes them differ.
    difference = float(np.abs(own - ours).max() / max(1.0, np.abs(own).max()))
    if not difference <= TOLERANCE:
        raise UserError(
            f"the bundle does not answer as {source.pipeline}: a {of} differs by {difference:.2g}, above {TOLERANCE}; "
            "try the other --exporter, or report the network"
        )
    same = int((own.argmax(axis=1) == ours.argmax(axis=1)).sum())
    return Checked(len(pictures), difference, same, of)


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


def _quantized(
    model: onnx.ModelProto, source: Source, data: Path, options: ImportOptions
) -> onnx.ModelProto:
    training_pictures(data, SEED)  # refuses an empty folder before the work
    with tempfile.TemporaryDirectory() as folder:
        exact, int8 = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, exact)
        spec = source.spec
        how = QuantizeOptions(
            exact,
            data,
            int8,
            task=source.task,
            pictures=options.pictures,
            check=options.check,
            method=Method(options.method),
            resize=spec.resize,
            geometry=spec.geometry,
        )
        quantize(how)
        return load_onnx(int8)


def _thresholds(asked: float | None, source: Source) -> Manifest:
    """One for all labels: `calibrate` fits one for each, on labelled pictures."""
    if asked is not None and source.task == SINGLE:
        raise UserError(f"--threshold is for several labels per picture; give --task {MULTI} too")
    if asked is not None and not 0 <= asked <= 1:
        raise UserError(f"--threshold {asked} is not a score; give 0 to 1")
    if source.task == SINGLE:
        return {}
    return {"thresholds": [THRESHOLD if asked is None else asked] * len(source.labels)}
