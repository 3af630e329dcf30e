"""Fit a temperature to a bundle, with several labels thresholds too, and write the bundle anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from glimpse_models.bundle.manifest import write_bundle
from glimpse_models.bundle.provenance import RunOptions
from glimpse_models.bundle.verify import verify_source
from glimpse_models.errors import UserError
from glimpse_models.measure.classifiers import open_classifier, several
from glimpse_models.measure.evaluate import answers
from glimpse_models.measure.several import calibration_of
from glimpse_models.measure.temperature import FEWEST


@dataclass(frozen=True)
class CalibrateOptions:
    """A bundle, the data set that it was trained on, and the new version."""

    bundle: Path
    data: Path
    version: str
    out: Path
    run: RunOptions = field(default_factory=RunOptions)


def calibrate(options: CalibrateOptions) -> None:
    """The same model and labels under a new version, with a temperature and perhaps thresholds."""
    old = verify_source(options.bundle, options.version, options.out)
    classifier = open_classifier(options.bundle)
    data = options.run.read().open(options.data, several([classifier]))
    logits, _ = answers(classifier, data.validation, data.labels)
    found = calibration_of(logits, data.validation)
    if found is None:
        raise UserError(
            f"{len(data.validation)} validation pictures are too few to fit a temperature; give {FEWEST} or more"
        )
    about = {**old.manifest, "version": options.version, **found.entries()}
    write_bundle(options.out, old.content, about)
    print(f"{options.out}: {old.name} {options.version}, {found}")
