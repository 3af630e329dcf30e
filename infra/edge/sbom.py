"""A CycloneDX bill of materials of the edge package: the crates, C code in them, ONNX Runtime, the model.

cargo-cyclonedx describes the crates; what cargo does not know is added here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSION = "0.5.9"
CRATE = "glimpse-edge"

Component = dict[str, Any]

# Crate that compiles another project's source into the binary → that project, its folder in the crate, its
# licence. The project's version stands in its CMakeLists.txt.
VENDORED = {
    "turbojpeg-sys": ("libjpeg-turbo", "libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib"),
}


def write(path: Path, tree: Path, version: str, arch: str, when: int) -> None:
    """Describe the package staged in `tree`, made at `when` (seconds since 1970)."""
    document = crates_of_binary(arch, when)
    root = document["metadata"]["component"]
    root |= {"name": "glimpse", "version": version}
    root.pop("components", None)
    parts = [runtime(tree), model(tree)]
    document["components"] += parts
    needs = {entry["ref"]: entry for entry in document["dependencies"]}
    needs[root["bom-ref"]]["dependsOn"] += [part["bom-ref"] for part in parts]
    for crate in list(document["components"]):
        if crate["name"] in VENDORED:
            part = vendored(crate)
            document["components"].append(part)
            needs[crate["bom-ref"]].setdefault("dependsOn", []).append(part["bom-ref"])
    # The same package has the same number, wherever it is built.
    text = json.dumps(document, sort_keys=True).replace(f"file://{ROOT}", "file://.")
    document = json.loads(text)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_URL, text).urn
    path.write_text(json.dumps(document, indent=1) + "\n")


def crates_of_binary(arch: str, when: int) -> dict[str, Any]:
    """What cargo-cyclonedx says of the crates in the binary, and of which needs which."""
    subprocess.run([ROOT / "infra/tools/cargo-install", "cargo-cyclonedx", VERSION], check=True)
    name = f"sbom-{os.getpid()}"  # a file of this name appears beside each Cargo.toml
    command: list[str | Path] = [ROOT / "target/tools/bin/cargo-cyclonedx", "cyclonedx", "-q"]
    command += ["--format", "json", "--spec-version", "1.5", "--no-build-deps"]
    command += ["--target", f"{arch}-unknown-linux-gnu", "--override-filename", name]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(when)}
    try:
        subprocess.run(command, cwd=ROOT, check=True, env=environment, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads((ROOT / f"functions/edge/{name}.json").read_text())
    finally:
        for folder in ("crates/*", "functions/*", "examples", "tests", "tests/*"):
            for made in ROOT.glob(f"{folder}/{name}.json"):
                made.unlink()
    found.pop("serialNumber", None)
    return found


def licensed(expression: str) -> Component:
    """A licence, as an SPDX expression."""
    return {"licenses": [{"expression": expression}]}


def vendored(crate: Component) -> Component:
    """A project whose source a crate brings."""
    name, _, licence = VENDORED[crate["name"]]
    cmake = (vendored_source(crate["name"]) / "CMakeLists.txt").read_text()
    version = cmake.split("set(VERSION ", 1)[1].split(")", 1)[0]
    found = {"type": "library", "bom-ref": f"vendored:{name}@{version}", "name": name}
    return found | {"version": version} | licensed(licence)


def vendored_source(crate: str) -> Path:
    """The folder of the other project's source, which holds its notices too."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    packages = json.loads(run.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == crate)
    return Path(manifest).parent / VENDORED[crate][1]


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
