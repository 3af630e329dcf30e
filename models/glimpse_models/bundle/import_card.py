"""The model card of a classifier that was made elsewhere, from what its import recorded."""

from __future__ import annotations

from pathlib import Path

from glimpse_models.bundle.card import geometry
from glimpse_models.bundle.manifest import Manifest, spec_of, task_of
from glimpse_models.bundle.verify import VerifiedBundle
from glimpse_models.data.splits import MULTI

FIGURES = {
    "fp32_top1": "top-1 before quantization",
    "int8_top1": "top-1",
    "int8_top5": "top-5",
    "fp32_mean_ap": "mAP before quantization",
    "int8_mean_ap": "mAP",
    "int8_f1": "mean F1",
}

_MEASURED = "It was trained elsewhere: pictures that it is measured on may have trained it, which makes figures look better than they are."


def write_import_card(
    bundle: VerifiedBundle, kind: str, out: Path, about_data: str = "", limits: str = ""
) -> None:
    """Source, preprocessing, check, figures, scores and limits; `kind` is int8 or float."""
    manifest = bundle.manifest
    parts = [
        f"# {bundle.name} {bundle.version}",
        _about(bundle, kind),
        _source(manifest, about_data),
        _check(manifest, kind),
        *_quantization(manifest),
        *_figures(manifest),
        _scores(manifest, bundle.labels),
        "## Limits\n\n"
        + (
            limits
            or (_MEASURED if "metrics" in manifest else "")
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


def _quantization(manifest: Manifest) -> list[str]:
    found = manifest["provenance"].get("quantization")
    if found is None:
        return []
    data = found["data"]
    broken = len(data.get("broken", ()))
    left = f" {broken:,} pictures that cannot be decoded were left out." if broken else ""
    return [
        f"## Quantization\n\nCalibrated by {found['method']} with {found['pictures']:,} of the {data['train']:,} training pictures of "
        f"{data['name']}, whose fingerprint is {data['fingerprint']}.{left}"
    ]


def _figures(manifest: Manifest) -> list[str]:
    found = manifest.get("metrics")
    if found is None:
        return []
    lines = [f"- {title}: {found[name]:.4f}." for name, title in FIGURES.items() if name in found]
    return [
        "\n".join(
            (f"## Figures\n\nOn {found['images']:,} pictures ({found['dataset']}):\n", *lines)
        )
    ]


def _scores(manifest: Manifest, labels: tuple[str, ...]) -> str:
    several = task_of(manifest) == MULTI
    scores = "sigmoids" if several else "softmax"
    fitted = manifest.get("calibration")
    if fitted is None:
        about = f"Not calibrated: scores are the {scores} of the logits"
    else:
        about = (
            f"Scores are the {scores} of the logits divided by the temperature {fitted['temperature']:.3f}, fitted on {fitted['images']:,} pictures; "
            f"on others, the expected calibration error is {fitted['ece_before']:.4f} without it and {fitted['ece_after']:.4f} with it"
        )
    if not several:
        return f"## Scores\n\n{about}."
    limits = dict(zip(labels, manifest["thresholds"], strict=True))
    same = set(limits.values())
    said = (
        f"every label holds from {same.pop()} on"
        if len(same) == 1
        else ", ".join(f"{label} holds from {limit}" for label, limit in limits.items())
    )
    advice = (
        ""
        if fitted
        else " `calibrate` fits a temperature and a threshold for each label on labelled pictures."
    )
    return f"## Scores\n\n{about}, and {said}.{advice}"
