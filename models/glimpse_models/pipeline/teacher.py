"""Opens a teacher for `train --teacher`, and keeps its answers to a data set on disk.

A bundle, an ONNX file with the serving input, or KIND:WHAT of a classifier made elsewhere that says
its own preprocessing, as timm:NAME. The files of answers are named after what they depend on: the
teacher's digest, its preprocessing, and the content of the training pictures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from glimpse_models.bundle.manifest import spec_of, task_of
from glimpse_models.bundle.verify import verify
from glimpse_models.data import tiny_imagenet
from glimpse_models.data.arrays import save_array
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError
from glimpse_models.graph.io import input_side, load_onnx
from glimpse_models.graph.scores import labels_of_logits
from glimpse_models.graph.wrap import is_wrapped, wrap
from glimpse_models.measure.classifiers import Ask, Classifier, batches_of, served
from glimpse_models.pipeline.imported import KINDS, open_source
from glimpse_models.sources.source import Asked
from glimpse_models.train.teaching import Embeddings, Logits, Taught


@dataclass(frozen=True)
class OpenedTeacher:
    """A network with its digest; `cache` is the folder for the files of answers.

    Labels are empty and the task is None where the network does not say them.
    """

    classifier: Classifier
    sha256: str
    cache: Path

    @property
    def name(self) -> str:
        """For records."""
        return f"{self.classifier.name} (sha256 {self.sha256})"

    def answers(self, data: DataSet, fingerprint: str, embedded: bool) -> Taught:
        """From files, if there are some of this teacher and these pictures; else computed into them."""
        if self.classifier.task not in (None, data.task):
            raise UserError(
                f"the teacher is a {self.classifier.task} classifier and the data set a {data.task} one; give another --teacher"
            )
        ask = self.classifier.embedded if embedded else None
        if embedded and ask is None:
            raise UserError(
                f"the teacher {self.classifier.name} gives no embeddings; give a bundle of it, or leave --teacher-embedding out"
            )
        columns = self._columns(data)
        kept = self.cache / f"teacher-{self._key(data, fingerprint)}.npy"
        vectors = kept.with_suffix(".embeddings.npy")
        if not kept.is_file() or (embedded and not vectors.is_file()):
            found = self._compute(data, ask)
            self.cache.mkdir(parents=True, exist_ok=True)
            if found.embeddings is not None:
                save_array(vectors, found.embeddings)
            save_array(kept, found.logits)
        logits: Logits = np.load(kept)
        if columns is None and logits.shape[1] != len(data.labels):
            raise UserError(
                f"the teacher knows {logits.shape[1]} classes, which have no names, and the data set {len(data.labels)}; give a bundle of it"
            )
        if columns is not None:
            logits = logits[:, columns]
        if not embedded:
            return Taught(logits)
        return Taught(logits, np.load(vectors, mmap_mode="r"))

    def _columns(self, data: DataSet) -> list[int] | None:
        """The teacher's index of each class of the data set, by its name."""
        if not self.classifier.labels:
            return None
        known = {label: index for index, label in enumerate(self.classifier.labels)}
        names: list[list[str]] = [[label] for label in data.labels]
        if tiny_imagenet.is_layout_of(data.root):
            names = tiny_imagenet.synonyms_of(data.root)
        found = [next((known[one] for one in each if one in known), None) for each in names]
        columns = [column for column in found if column is not None]
        if len(columns) < len(found):
            lacking = data.labels[found.index(None)]
            raise UserError(
                f"the teacher {self.classifier.name} does not know the class {lacking}; give one that knows all classes of the data set"
            )
        if len(set(columns)) < len(columns):
            raise UserError(
                "two classes of the data set are one class of the teacher; give another --teacher"
            )
        return columns

    def _key(self, data: DataSet, fingerprint: str) -> str:
        names = [path.relative_to(data.root).as_posix() for path in data.train.files]
        parts = [self.sha256, repr(self.classifier.spec), fingerprint, *names]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _compute(self, data: DataSet, ask: Ask | None) -> Taught:
        """The mean of the answers to each picture and to its mirror image; with embeddings by `ask`."""
        logits: list[Logits] = []
        embeddings: list[Embeddings] = []
        with tqdm(total=len(data.train), desc="teacher", unit="picture", disable=None) as bar:
            for pixels in batches_of(data.train.files, self.classifier.spec):
                views = (pixels, np.ascontiguousarray(pixels[:, :, ::-1]))
                if ask is None:
                    said = tuple(map(self.classifier.logits, views))
                else:
                    said, vectors = zip(*map(ask, views), strict=True)
                    embeddings.append(np.mean(vectors, axis=0).astype(np.float16))
                logits.append(np.mean(said, axis=0))
                bar.update(len(pixels))
        return Taught(np.concatenate(logits), np.concatenate(embeddings) if embeddings else None)


def open_teacher(what: str, cache: Path) -> OpenedTeacher:
    """By its form; its answers go into `cache`."""
    path = Path(what)
    if path.is_dir():
        return _of_bundle(path, cache)
    if path.suffix == ".onnx":
        return _of_onnx(path, cache)
    if what.partition(":")[0] in KINDS:
        return _of_source(what, cache)
    raise UserError(
        f"--teacher {what} is not a bundle's folder, an .onnx file or KIND:WHAT as timm:NAME; give one of them"
    )


def _of_bundle(folder: Path, cache: Path) -> OpenedTeacher:
    found = verify(folder)
    name, spec = f"{found.name} {found.version}", spec_of(found.manifest)
    task = task_of(found.manifest)
    return _opened(found.content.model, name, spec, cache, found.labels, task, found.sha256)


def _of_onnx(path: Path, cache: Path) -> OpenedTeacher:
    model = load_onnx(path)
    if not is_wrapped(model):
        raise UserError(
            f"{path} does not say how its pictures are prepared; make a bundle of it with build --from onnx:{path}"
        )
    side = input_side(model)
    return _opened(path.read_bytes(), path.name, InputSpec(side, side), cache)


def _of_source(what: str, cache: Path) -> OpenedTeacher:
    source = open_source(what, Asked(what.partition(":")[2]))
    model = wrap(
        source.model, len(source.labels), source.normalization, source.spec.side, source.task
    )
    labels = labels_of_logits(model, source.labels)
    return _opened(model.SerializeToString(), what, source.spec, cache, labels, source.task)


def _opened(
    model: bytes,
    name: str,
    spec: InputSpec,
    cache: Path,
    labels: tuple[str, ...] = (),
    task: str | None = None,
    sha256: str | None = None,
) -> OpenedTeacher:
    classifier = served(model, name, spec, quantized=False)
    classifier = replace(classifier, labels=labels, task=task)
    return OpenedTeacher(classifier, sha256 or hashlib.sha256(model).hexdigest(), cache)
