"""The published versions of a model; the current one has a star."""

from __future__ import annotations

import json

from glimpse_models.registry.s3 import Repository


def list_versions(uri: str, endpoint: str | None = None) -> None:
    """Print each version, when it was made, its size and top-1."""
    repository = Repository.open(uri, endpoint)
    current = repository.current()
    versions = repository.versions()
    if not versions:
        print(f"nothing is published below {uri}")
    for version in versions:
        found = repository.get(f"{version}/bundle.json")
        if found is None:
            continue
        star = "*" if current is not None and current.version == version else " "
        print(f"{star} {version}  {_about(found[0])}")


def _about(stored: bytes) -> str:
    """In a phrase; one damaged version must not hide the others."""
    try:
        manifest = json.loads(stored)
        size = manifest["files"]["model.onnx"]["bytes"] / 1e6
        match manifest.get("metrics"):
            case {"int8_top1": top1}:
                quality = f"top-1 {top1:.4f}"
            case {"int8_mean_ap": mean_ap}:
                quality = f"mAP {mean_ap:.4f}"
            case _:
                quality = "not measured"
        return f"{manifest['created_at']}  {size:.1f} MB  {quality}"
    except (AttributeError, LookupError, TypeError, ValueError):
        return "its bundle.json is damaged; publish the model again as a new version"
