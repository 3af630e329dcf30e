"""A classifier from elsewhere, with the preprocessing that it was validated with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from PIL import Image

from glimpse_models.data.labels import read_labels
from glimpse_models.data.normalization import Normalization
from glimpse_models.data.preprocess import Geometry, InputSpec
from glimpse_models.data.splits import SINGLE
from glimpse_models.errors import UserError

if TYPE_CHECKING:
    from torch import nn

Values = npt.NDArray[np.float32]

DIGEST = re.compile(r"-([0-9a-f]{8,})\.")
"""The start of the sha256 in the name of a published file, as torch.hub reads it."""


@dataclass(frozen=True)
class Asked:
    """What the command line says beside the source's name.

    `normalization`, `resize`, `geometry` and `task` are None where they were not given.
    """

    what: str
    weights: Path | None = None
    labels: Path | None = None
    normalization: Normalization | None = None
    side: int | None = None
    resize: int | None = None
    geometry: Geometry | None = None
    exporter: str = "trace"
    task: str | None = None

    def refuse_preprocessing(self) -> None:
        """The source says its own."""
        if self.normalization or self.resize or self.geometry or self.side:
            raise UserError(
                "this source says how its pictures are prepared; leave the options for that out, "
                "or give the network as onnx:FILE with them"
            )


@dataclass(frozen=True)
class Source:
    """`own` runs the framework's own pipeline, from an upright RGB picture to the output `[C]`."""

    model: onnx.ModelProto
    labels: tuple[str, ...]
    spec: InputSpec
    normalization: Normalization
    own: Callable[[Image.Image], Values]
    pipeline: str
    task: str = SINGLE
    record: dict[str, Any] = field(default_factory=dict)


def of_network(
    network: nn.Module,
    transform: Callable[[Image.Image], Any],
    asked: Asked,
    labels: tuple[str, ...],
    described: tuple[InputSpec, Normalization],
    pipeline: str,
) -> Source:
    """A PyTorch network in evaluation mode with its own transform."""
    import torch

    from glimpse_models.graph.export import export_plain

    def own(picture: Image.Image) -> Values:
        with torch.inference_mode():
            found: Values = network(transform(picture)[None])[0].numpy()
        return found

    spec, normalization = described
    model = export_plain(network, spec.side, asked.exporter)
    record = {"exporter": f"torch {torch.__version__}, {asked.exporter}"}
    task = asked.task or SINGLE
    return Source(model, labels, spec, normalization, own, pipeline, task, record)


def labels_of(asked: Asked, known: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """From the file that was given, else those that come with the weights."""
    if asked.labels is not None:
        return read_labels(asked.labels)
    if not known:
        raise UserError("the classes have no names; give --labels FILE, one label per line")
    return tuple(known)


def state_of(path: Path) -> dict[str, Any]:
    """Weights in a file of PyTorch or safetensors, as names and tensors."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a file of weights")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        content = torch.load(path, "cpu", weights_only=True)
    except ModuleNotFoundError:
        raise
    except Exception as error:  # torch.load raises whatever the broken part of a file raises
        raise UserError(f"{path} is not a file of PyTorch weights: {error}") from error
    for name in ("state_dict", "model", "model_state"):
        content = content.get(name, content) if isinstance(content.get(name), dict) else content
    return dict(content)


def published_as(path: Path, urls: Mapping[str, str]) -> str | None:
    """Which of the published files it is, by its sha256; a file with a published name must match."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; give a file of weights")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for name, url in urls.items():
        start = DIGEST.search(url)
        if start and digest.startswith(start[1]):
            return name
    for name, url in urls.items():
        if path.name == url.rsplit("/", 1)[-1]:
            if start := DIGEST.search(url):
                raise UserError(
                    f"{path} is named as the weights {name}, but its sha256 does not start with {start[1]}; "
                    "fetch it again, or rename it if it is another file"
                )
            return name
    return None


def does_not_fit(path: Path, error: RuntimeError) -> UserError:
    """What PyTorch says first about names and shapes."""
    first = str(error).splitlines()[1:2] or [str(error)]
    return UserError(
        f"{path} does not fit the network ({first[0].strip()}); name the network that it is of, "
        "and with --labels as many labels as it has classes"
    )


def check_classes(what: str, published: int, labels: int) -> None:
    """Published weights have a classifier of their own labels only."""
    if published != labels:
        raise UserError(
            f"the weights of {what} are for {published} classes, and --labels names {labels}; "
            "name the file of the network that was fine-tuned: --weights FILE"
        )


def missing_weights(what: str, url: str, source: str, why: object) -> UserError:
    """Which file to bring, where the weights cannot be downloaded."""
    name = url.rsplit("/", 1)[-1]
    return UserError(
        f"the weights of {what} cannot be downloaded ({why}); fetch {name} from {url} on a machine with a network, "
        f"and name it: --from {source} --weights {name}"
    )
