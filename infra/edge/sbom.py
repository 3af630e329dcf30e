"""A CycloneDX 1.6 bill of materials of the edge package: each crate, ONNX Runtime, the model.

Versions, licences and checksums are those of Cargo.lock, `cargo metadata`, and the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BINARY = "glimpse-edge"

Component = dict[str, Any]


def write(path: Path, tree: Path, version: str, arch: str, when: int) -> None:
    """Describe the package staged in `tree`, made at `when` (seconds since 1970)."""
    crates, dependencies = crates_of_binary(arch)
    root = {"type": "application", "bom-ref": "glimpse", "name": "glimpse", "version": version}
    parts = [runtime(tree), model(tree)]
    direct = dependencies.pop(BINARY)
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": root | licensed("MIT OR Apache-2.0"),
        },
        "components": [*crates, *parts],
        "dependencies": [
            {
                "ref": "glimpse",
                "dependsOn": sorted([*direct, *(part["bom-ref"] for part in parts)]),
            },
            *({"ref": ref, "dependsOn": sorted(on)} for ref, on in sorted(dependencies.items())),
        ],
    }
    # The same package has the same number.
    text = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, text).urn
    path.write_text(json.dumps(document, indent=1) + "\n")


def crates_of_binary(arch: str) -> tuple[list[Component], dict[str, set[str]]]:
    """The crates that are built into the binary, and which needs which (by bom-ref)."""
    metadata = cargo_metadata(arch)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    checksums = locked_checksums()
    start = next(crate_id for crate_id, package in packages.items() if package["name"] == BINARY)
    needs: dict[str, set[str]] = {}
    waiting = [start]
    while waiting:
        if (crate_id := waiting.pop()) in needs:
            continue
        built = [
            d["pkg"]
            for d in nodes[crate_id]["deps"]
            if any(k["kind"] is None for k in d["dep_kinds"])
        ]
        needs[crate_id] = set(built)
        waiting += built
    refs = {crate_id: reference(packages[crate_id]) for crate_id in needs} | {start: BINARY}
    components = [
        component(packages[crate_id], checksums) for crate_id in needs if crate_id != start
    ]
    by_ref = {refs[crate_id]: {refs[need] for need in on} for crate_id, on in needs.items()}
    return sorted(components, key=lambda crate: crate["bom-ref"]), by_ref


def cargo_metadata(arch: str) -> dict[str, Any]:
    """What cargo knows, for one processor."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    command += ["--filter-platform", f"{arch}-unknown-linux-gnu"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def locked_checksums() -> dict[tuple[str, str], str]:
    """SHA-256 of each crate's archive."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(p["name"], p["version"]): p["checksum"] for p in lock if "checksum" in p}


def reference(package: dict[str, Any]) -> str:
    """The package URL, which names a crate here."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package: dict[str, Any], checksums: dict[tuple[str, str], str]) -> Component:
    """One crate."""
    found: Component = {"type": "library", "bom-ref": reference(package), "name": package["name"]}
    found["version"] = package["version"]
    if checksum := checksums.get((package["name"], package["version"])):
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        found["purl"] = reference(package)
    # Before SPDX expressions, a slash meant OR.
    return found | licensed(re.sub(r"\s*/\s*", " OR ", package["license"] or ""))


def licensed(expression: str) -> Component:
    """The licence, where there is one."""
    return {"licenses": [{"expression": expression}]} if expression else {}


def runtime(tree: Path) -> Component:
    """The ONNX Runtime library."""
    library = next((tree / "lib").glob("libonnxruntime.so.*"))
    version = library.name.removeprefix("libonnxruntime.so.")
    purl = f"pkg:pypi/onnxruntime@{version}"
    found = {
        "type": "library",
        "bom-ref": purl,
        "name": "onnxruntime",
        "version": version,
        "purl": purl,
    }
    return found | {"hashes": [file_hash(library)]} | licensed("MIT")


def model(tree: Path) -> Component:
    """The default bundle, as its bundle.json describes it."""
    bundle = json.loads((tree / "model/bundle.json").read_text())
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{bundle['name']}@{bundle['version']}",
        "name": bundle["name"],
        "version": bundle["version"],
        "hashes": [file_hash(tree / "model/model.onnx")],
        "licenses": [{"license": {"name": bundle["license"]}}],
    }


def file_hash(path: Path) -> dict[str, str]:
    """SHA-256 of a file."""
    return {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
