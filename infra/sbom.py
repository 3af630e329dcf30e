#!/usr/bin/env python3
"""CycloneDX bills of materials: the crates, C code in them, ONNX Runtime, the model.

    infra/sbom.py OUT [--arch x86_64]

writes those of the functions and of the layer that template.yaml deploys, and of the functions as images, which
infra/image/build puts into them; infra/edge/package.py writes the edge package's, which its container image holds
too. cargo-cyclonedx describes the crates; what cargo does not know is added here.
"""

from __future__ import annotations

import argparse
import copy
import functools
import hashlib
import json
import os
import subprocess
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VERSION = "0.5.9"
# What is deployed to Lambda → the folder of its crate.
FUNCTIONS = {"http-function": "functions/http-api", "s3-events-function": "functions/s3-events"}

Component = dict[str, Any]
Document = dict[str, Any]

# Crate that compiles C code of other projects into the binary → these projects and their licences.
VENDORED = {
    "ring": {
        "BoringSSL": "Apache-2.0 AND ISC",
        "fiat-crypto": "MIT OR Apache-2.0 OR BSD-1-Clause",
    },
    "turbojpeg-sys": {"libjpeg-turbo": "IJG AND BSD-3-Clause AND Zlib"},
}


def main() -> None:
    """Write the bills of what is deployed to Lambda."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder that they are written to")
    parser.add_argument("--arch", default="x86_64", choices=["x86_64", "aarch64"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    version, when = workspace_version(), source_date()
    library = next((ROOT / "target/onnxruntime" / arguments.arch).glob("libonnxruntime.so.*"), None)
    if library is None:
        sys.exit(f"infra/fetch/fetch.py onnxruntime --arch {arguments.arch} was not run")
    out: Path = arguments.out
    for name, folder in FUNCTIONS.items():
        document = crates_of_binary(folder, arguments.arch, when)
        write(out / f"{name}.cdx.json", copy.deepcopy(document), name, version, [])
        name += "-image"
        write(out / f"{name}.cdx.json", document, name, version, [runtime(library)])
    name = "onnxruntime-layer"
    write(out / f"{name}.cdx.json", empty(name, when), name, version, [runtime(library)])


def write(path: Path, document: Document, name: str, version: str, parts: list[Component]) -> None:
    """Write the bill of `name`: the crates of `document`, the C code that they bring, and `parts`."""
    root = document["metadata"]["component"]
    root |= {"name": name, "version": version}
    root.pop("components", None)
    document["components"] += parts
    needs = {entry["ref"]: entry for entry in document["dependencies"]}
    needs[root["bom-ref"]].setdefault("dependsOn", []).extend(part["bom-ref"] for part in parts)
    for crate in list(document["components"]):
        for part in vendored(crate):
            document["components"].append(part)
            needs[crate["bom-ref"]].setdefault("dependsOn", []).append(part["bom-ref"])
    # The same package has the same number, wherever it is built.
    text = json.dumps(document, sort_keys=True).replace(f"file://{ROOT}", "file://.")
    document = json.loads(text)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, text).urn
    path.write_text(json.dumps(document, indent=1) + "\n")


def workspace_version() -> str:
    """The one version of the workspace."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    return str(manifest["workspace"]["package"]["version"])


def source_date() -> int:
    """When the source was committed, in seconds since 1970 (or SOURCE_DATE_EPOCH)."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def empty(name: str, when: int) -> Document:
    """A bill without crates."""
    time = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    root = {"type": "library", "bom-ref": name, "name": name}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": time, "component": root},
        "components": [],
        "dependencies": [{"ref": name}],
    }


def crates_of_binary(folder: str, arch: str, when: int) -> Document:
    """The crates in the binary of the crate in `folder`, and which needs which, by cargo-cyclonedx."""
    subprocess.run([ROOT / "infra/tools/cargo-install", "cargo-cyclonedx", VERSION], check=True)
    name = f"sbom-{os.getpid()}"  # a file of this name appears beside each Cargo.toml
    command: list[str | Path] = [ROOT / "target/tools/bin/cargo-cyclonedx", "cyclonedx", "-q"]
    command += ["--format", "json", "--spec-version", "1.5", "--no-build-deps"]
    command += ["--target", f"{arch}-unknown-linux-gnu", "--override-filename", name]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(when)}
    try:
        subprocess.run(command, cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
        found: Document = json.loads((ROOT / folder / f"{name}.json").read_text())
    finally:
        for place in ("crates/*", "functions/*", "examples", "tests", "tests/*"):
            for made in ROOT.glob(f"{place}/{name}.json"):
                made.unlink()
    found.pop("serialNumber", None)
    return found


def licensed(expression: str) -> Component:
    """A licence, as an SPDX expression."""
    return {"licenses": [{"expression": expression}]}


def vendored(crate: Component) -> list[Component]:
    """The projects whose C code a crate brings."""
    return [
        {
            "type": "library",
            "bom-ref": f"vendored:{name}@{crate['name']}-{crate['version']}",
            "name": name,
            **version_of(name),
            "description": f"C and assembly in the crate {crate['name']} {crate['version']}",
        }
        | licensed(licence)
        for name, licence in VENDORED.get(crate["name"], {}).items()
    ]


def version_of(project: str) -> dict[str, str]:
    """Where the project's own files say it; ring takes BoringSSL's as they are on some day."""
    if project != "libjpeg-turbo":
        return {}
    cmake = (crate_source("turbojpeg-sys") / project / "CMakeLists.txt").read_text()
    return {"version": cmake.split("set(VERSION ", 1)[1].split(")", 1)[0]}


def crate_source(crate: str) -> Path:
    """The folder of a crate's source."""
    manifest = next(one["manifest_path"] for one in packages() if one["name"] == crate)
    return Path(manifest).parent


@functools.cache
def packages() -> list[dict[str, Any]]:
    """The workspace's crates and their dependencies, by cargo."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(run.stdout)["packages"]
    return found


def runtime(library: Path) -> Component:
    """The ONNX Runtime library."""
    version = library.name.removeprefix("libonnxruntime.so.")
    return wheel("onnxruntime", version, library, "MIT")


def wheel(package: str, version: str, library: Path, licence: str) -> Component:
    """A library out of a wheel of the Python Package Index."""
    purl = f"pkg:pypi/{package}@{version}"
    found = {
        "type": "library",
        "bom-ref": purl,
        "name": package,
        "version": version,
        "purl": purl,
    }
    return found | {"hashes": [file_hash(library)]} | licensed(licence)


def model(folder: Path) -> Component:
    """A bundle, as its bundle.json describes it."""
    bundle = json.loads((folder / "bundle.json").read_text())
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{bundle['name']}@{bundle['version']}",
        "name": bundle["name"],
        "version": bundle["version"],
        "hashes": [file_hash(folder / "model.onnx")],
        "licenses": [{"license": {"name": bundle["license"]}}],
    }


def file_hash(path: Path) -> dict[str, str]:
    """SHA-256 of a file."""
    return {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}


if __name__ == "__main__":
    main()
