"""The model card of a classifier that was made elsewhere, from what its import recorded."""

from __future__ import annotations

from pathlib import Path

from glimpse_models.bundle.card import geometry
from glimpse_models.bundle.manifest import Manifest, spec_of, task_of
from glimpse_models.bundle.verify import VerifiedBundle
from glimpse_models.data.splits import MULTI


def write_import_card(
    bundle: VerifiedBundle, kind: str, out: Path, about_data: str = "", limits: str = ""
) -> None:
    """Source, preprocessing, check, scores and limits; `kind` is int8 or float."""
    manifest = bundle.manifest
    parts = [
        f"# {bundle.name} {bundle.version}",
        _about(bundle, kind),
        _source(manifest, about_data),
        _check(manifest, kind),
        _scores(manifest, bundle.labels),
        "## Limits\n\n"
        + (
            limits
            or "Not measured here on labelled pictures: measure it on pictures of your own (`evaluate`) before decisions rest on it."
        ),
        f"## How it was made\n\n    {manifest['provenance']['command']}\n\n"
        f"Code: commit {manifest['provenance']['git_commit']}. sha256 of bundle.json: {bundle.sha256}.",
    ]
    out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _about(bundle: VerifiedBundle, kind: str) -> str:
    shape, several = bundle.manifest["input"], task_of(bundle.manifest) == MULTI
    what = "labels, several per picture" if several else "classes"
    return (
        f"A classifier made elsewhere, for {len(bundle.labels)} {what}, {kind}, input {shape['width']} × {shape['height']} pixels "
        f"({geometry(spec_of(bundle.manifest))})."
    )


def _source(manifest: Manifest, about_data: str) -> str:
    record = manifest["provenance"]
    named = {"Kind": "source", "Weights": "weights", "Exporter": "exporter"}
    lines = [f"- {title}: {record[name]}." for title, name in named.items() if record.get(name)]
    lines += [f"- Data: {about_data}"] if about_data else []
    return "\n".join([*lines, f"- Licence: {manifest['license']}."])


def _check(manifest: Manifest, kind: str) -> str:
    found = manifest["provenance"]["checked"]
    rounded = " The int8 model was made of the float one after that." if kind == "int8" else ""
    return (
        f"## Check\n\nBefore it was written, {found['against']} and the float bundle got the same {found['pictures']} pictures of noise, "
        f"of many aspect ratios. The largest difference of a {found['of']} was {found['largest_difference']:.2g}, and {found['same_label']} of them "
        f"got the same label.{rounded}"
    )


def _scores(manifest: Manifest, labels: tuple[str, ...]) -> str:
    if task_of(manifest) != MULTI:
        return "## Scores\n\nNot calibrated: scores are the softmax of the logits."
    limits = dict(zip(labels, manifest["thresholds"], strict=True))
    same = set(limits.values())
    said = (
        f"every label holds from {same.pop()} on"
        if len(same) == 1
        else ", ".join(f"{label} holds from {limit}" for label, limit in limits.items())
    )
    return (
        f"## Scores\n\nNot calibrated: scores are the sigmoids of the logits, and {said}. `calibrate` fits a temperature and a threshold "
        "for each label on labelled pictures."
    )
