"""From a folder of pictures to a bundle, its model card and, if asked, a published version.

Every choice has a default and is printed. The single steps do the same with more options.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from glimpse_models.bundle.card import CardOptions, write_card
from glimpse_models.bundle.head import FILE as HEAD
from glimpse_models.bundle.names import check_name, check_version
from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.bundle.verify import verify
from glimpse_models.data.dataset import open_data, require_task
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError
from glimpse_models.graph.quantize import Method
from glimpse_models.measure.faithfulness import FaithfulnessOptions, faithfulness
from glimpse_models.pipeline.bundle import BundleOptions, bundle
from glimpse_models.pipeline.defaults import Choice, choose_recipe
from glimpse_models.pipeline.export import ExportOptions, export
from glimpse_models.pipeline.quantize import QuantizeOptions, quantize
from glimpse_models.registry.publish import PublishOptions, publish
from glimpse_models.registry.s3 import Repository
from glimpse_models.train.record import read_runs
from glimpse_models.train.train import TrainOptions, train


@dataclass(frozen=True)
class BuildOptions:
    """`runs` are finished ones, which take the place of training; `to` is `s3://BUCKET/PREFIX`."""

    data: Path
    name: str
    version: str
    command: str
    out: Path | None = None
    work: Path | None = None
    to: str | None = None
    endpoint: str | None = None
    runs: tuple[Path, ...] = ()
    task: str | None = None
    loss: str | None = None
    weights: str = "auto"
    side: int | None = None
    epochs: int | None = None
    backbone: str | None = None
    held_out: float = 0.2
    seed: int = 1
    broken: str = "leave-out"
    pictures: int = 512
    check: int = 2000
    method: str = Method.name
    device: str | None = None
    workers: int = 0
    threads: int | None = None
    about_data: str | None = None
    limits: str | None = None
    license: str | None = None
    cpu_graph: bool = True


@dataclass(frozen=True)
class Folders:
    """Where the files of a build go."""

    work: Path
    bundle: Path

    @classmethod
    def of(cls, options: BuildOptions) -> Folders:
        """As asked for; else a folder named after the bundle, or beside the last run's files."""
        named = Path(f"{options.name}-{options.version}")
        work = options.work or (options.runs[-1] / "bundled" if options.runs else named)
        return cls(work, options.out or work / "bundle")

    @property
    def card(self) -> Path:
        """Beside the bundle, which holds only what is served."""
        return self.bundle.parent / "MODEL_CARD.md"


def build(options: BuildOptions) -> None:
    """Train, export, quantize, bundle, write the card, verify, publish."""
    check_name(options.name)
    check_version(options.version)
    if options.to:
        Repository.open(
            options.to, options.endpoint
        )  # refuses a wrong address before hours of work
    folders = Folders.of(options)
    read_runs(options.runs)
    folders.work.mkdir(parents=True, exist_ok=True)
    runs = options.runs or (_trained(options, folders),)
    data = _data_of(options, runs)
    exact, int8 = folders.work / "float.onnx", folders.work / "int8.onnx"
    with _step("export", f"{runs[-1].name}/weights.pt → {exact}"):
        side = options.side if options.runs else None
        export(ExportOptions(exact, weights=runs[-1] / "weights.pt", side=side))
    with _step("quantize", "to int8, calibrated and checked with training pictures"):
        quantize(
            QuantizeOptions(
                exact,
                options.data,
                int8,
                run=RunOptions(runs[-1]),
                pictures=options.pictures,
                check=options.check,
                method=Method(options.method),
            )
        )
    with _step("bundle", "measured on the validation pictures, which fit the temperature too"):
        bundle(
            BundleOptions(
                int8,
                folders.bundle,
                options.name,
                options.version,
                task=options.task,
                data=options.data,
                float_model=exact,
                report=folders.work / "report",
                runs=runs,
                license=options.license,
                cpu_graph=options.cpu_graph,
            )
        )
    explained = _faithfulness(options, folders, runs)
    with _step("card", f"{folders.card}"):
        write_card(
            CardOptions(
                folders.bundle,
                runs,
                folders.work / "report" / "report.json",
                folders.card,
                faithfulness=explained,
                made_by=options.command if options.runs else "",
                about_data=data.terms if options.about_data is None else options.about_data,
                limits=data.limits if options.limits is None else options.limits,
            )
        )
    with _step("verify", "every file against its checksum, then a run"):
        verify(folders.bundle)
    if options.to:
        with _step("publish", f"to {options.to}"):
            publish(PublishOptions(folders.bundle, options.to, options.endpoint))
    print(f"bundle: {folders.bundle}\ncard: {folders.card}")
    if not options.to:
        print(
            f"to publish it: glimpse-models publish --bundle {folders.bundle} --to s3://BUCKET/{options.name}"
        )


def _trained(options: BuildOptions, folders: Folders) -> Path:
    """The folder of the run, finished."""
    out = folders.work / "run"
    data = open_data(options.data, options.seed, options.held_out, options.task)
    require_task(options.data, data, options.task)
    choice = choose_recipe(
        Choice(
            options.weights,
            options.side,
            options.epochs,
            options.backbone,
            options.device,
            options.seed,
        ),
        len(data.train),
    )
    with _step(
        "train", f"{len(data.train)} pictures of {len(data.labels)} classes, {choice.reason}"
    ):
        train(
            TrainOptions(
                options.data,
                out,
                options.command,
                recipe=replace(choice.recipe, loss=options.loss),
                task=options.task,
                held_out=options.held_out,
                broken=options.broken,
                device=options.device,
                workers=options.workers,
                threads=options.threads,
            )
        )
    return out


def _data_of(options: BuildOptions, runs: tuple[Path, ...]) -> DataSet:
    """The data set, with the held-out pictures of the last run."""
    return RunOptions(runs[-1]).read().open(options.data)


def _faithfulness(options: BuildOptions, folders: Folders, runs: tuple[Path, ...]) -> Path | None:
    """The figures of the class activation maps, for the card; nothing where there are none."""
    if not (folders.bundle / HEAD).exists():
        return None
    figures = folders.work / "faithfulness.json"
    with _step("faithfulness", "of the class activation maps"):
        faithfulness(
            FaithfulnessOptions(
                folders.bundle, options.data, RunOptions(runs[-1]), at_least=0, json=figures
            )
        )
    return figures


@contextmanager
def _step(name: str, about: str) -> Iterator[None]:
    """Say what begins, and how long it took; an error names its step."""
    print(f"— {name}: {about}", flush=True)
    started = time.monotonic()
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    print(f"  {name} took {time.monotonic() - started:.0f} s", flush=True)
