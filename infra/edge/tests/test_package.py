"""What is in the package, and that it is described truly."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ARCH, EDGE, ROOT
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

NAME = f"glimpse-1.0.0-{ARCH}-linux"


def test_every_file_has_its_checksum(packages: Path) -> None:
    tree = packages / NAME
    lines = (tree / "SHA256SUMS").read_text().splitlines()
    named = {line.split("  ", 1)[1] for line in lines}
    there = {
        str(path.relative_to(tree))
        for path in tree.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert named == there - {"SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tree, check=True)


def test_the_same_inputs_make_the_same_archive(packages: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [
        EDGE / "package.py",
        "--arch",
        ARCH,
        "--version",
        "1.0.0",
        "--out",
        tmp_path,
    ]
    subprocess.run([*command, "--binary", packages / "glimpse"], check=True)
    first, second = (folder / f"{NAME}.tar.gz" for folder in (packages, tmp_path))
    assert (
        hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()
    )
    with tarfile.open(first) as archive:
        owners = {(member.uid, member.gid) for member in archive}
        assert owners == {(0, 0)}
        assert all(member.name == NAME or member.name.startswith(f"{NAME}/") for member in archive)


def test_another_model_is_packed_with_its_licence(packages: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [EDGE / "package.py", "--arch", ARCH, "--version", "1.0.0"]
    command += ["--out", tmp_path, "--binary", packages / "glimpse", "--model"]
    subprocess.run([*command, "imagenet-lite"], check=True)
    tree = tmp_path / NAME
    bundle = json.loads((tree / "model/bundle.json").read_text())
    assert bundle["name"] == "efficientnet-lite0-imagenet"
    assert {"LICENSE", "NOTICE"} <= {path.name for path in (tree / "model").iterdir()}
    bill = json.loads((tree / "sbom.cdx.json").read_text())
    assert bundle["name"] in {component["name"] for component in bill["components"]}
    done = subprocess.run([*command, "none"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MODEL names one of them" in done.stderr


def test_the_bill_of_materials_is_valid_and_names_what_is_inside(packages: Path) -> None:
    bill = json.loads((packages / NAME / "sbom.cdx.json").read_text())
    names = {component["name"] for component in bill["components"]}
    assert {
        "onnxruntime",
        "libjpeg-turbo",
        "BoringSSL",
        "fiat-crypto",
        "resnet50-tiny-imagenet",
        "glimpse-classifier",
        "ort",
        "axum",
        "clap",
    } <= names
    holds(bill)


def test_what_is_deployed_to_lambda_has_bills_of_materials(tmp_path: Path) -> None:
    subprocess.run([ROOT / "infra/sbom.py", tmp_path, "--arch", ARCH], check=True)
    inside = {
        "http-function": {"libjpeg-turbo", "BoringSSL", "glimpse-classifier", "lambda_http"},
        "http-function-image": {"libjpeg-turbo", "onnxruntime", "lambda_http"},
        "s3-events-function": {"libjpeg-turbo", "glimpse-classifier", "lambda_runtime"},
        "s3-events-function-image": {"libjpeg-turbo", "onnxruntime", "lambda_runtime"},
        "onnxruntime-layer": {"onnxruntime"},
    }
    assert {path.name.removesuffix(".cdx.json") for path in tmp_path.iterdir()} == set(inside)
    for name, expected in inside.items():
        bill = json.loads((tmp_path / f"{name}.cdx.json").read_text())
        assert expected <= {component["name"] for component in bill["components"]}, name
        assert bill["metadata"]["component"]["name"] == name
        holds(bill)


def holds(bill: dict[str, Any]) -> None:
    """A bill is valid, has what is in a binary alone, and every licence."""
    text = json.dumps(bill)
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    names = {component["name"] for component in bill["components"]}
    assert "insta" not in names, "what only tests need is not in the binary"
    assert str(ROOT) not in text, "the package does not say where it was built"
    refs = {
        bill["metadata"]["component"]["bom-ref"],
        *(component["bom-ref"] for component in bill["components"]),
    }
    for entry in bill["dependencies"]:
        assert {entry["ref"], *entry.get("dependsOn", [])} <= refs
    for component in bill["components"]:
        assert component["licenses"], component["name"]


def test_the_greengrass_recipe_names_the_archives_that_are_made(packages: Path) -> None:
    recipe = yaml.safe_load((packages / NAME / "recipe.yaml").read_text())
    assert recipe["RecipeFormatVersion"] == "2020-01-25"
    assert recipe["ComponentVersion"] == "1.0.0"
    archives = [
        artifact["Uri"] for manifest in recipe["Manifests"] for artifact in manifest["Artifacts"]
    ]
    assert archives == [
        f"s3://ARTIFACTS/glimpse-1.0.0-{arch}-linux.tar.gz" for arch in ("x86_64", "aarch64")
    ]
    for manifest, archive in zip(recipe["Manifests"], archives, strict=True):
        assert archive.rsplit("/", 1)[1] in manifest["Lifecycle"]["Install"]["Script"]


@pytest.fixture
def openvino(packages: Path, provider: str) -> Path:
    """The folder with the package of OpenVINO."""
    assert (packages / provider).is_dir()
    return packages


def test_a_provider_is_packed_with_its_licences(openvino: Path) -> None:
    tree = openvino / f"glimpse-openvino-1.0.0-{ARCH}-linux"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tree, check=True)
    names = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert {
        "lib/libonnxruntime_providers_openvino_plugin.so",
        "lib/libopenvino_intel_cpu_plugin.so",
        "licenses/third-party-programs.txt",
        "licenses/onnxruntime-ep-openvino-METADATA",
        "licenses/openvino-LICENSE",
        "licenses/runtime-third-party-programs.txt",
        "licenses/onednn_third-party-programs.txt",
        "licenses/onetbb_third-party-programs.txt",
        "glimpse.service.conf",
        "install.sh",
    } <= names
    assert "Apache License" in (tree / "licenses/third-party-programs.txt").read_text()
    # libhwloc.so and libtbb.so are packed.
    of_threads = (tree / "licenses/onetbb_third-party-programs.txt").read_text(errors="replace")
    assert "Portable Hardware Locality (hwloc)" in of_threads
    # The libraries of OpenVINO carry the version of the wheel that has their licences: 2026.4.1 → 2641.
    version = (ROOT / "infra/fetch/openvino.txt").read_text().split()[0].split("==")[1]
    assert f"lib/libopenvino.so.{version[2:].replace('.', '')}" in names
    bill = json.loads((tree / "sbom.cdx.json").read_text())
    parts = [part["name"] for part in bill["components"]]
    assert parts == ["onnxruntime-ep-openvino", "openvino"]
    holds(bill)


def test_a_provider_is_installed_beside_the_program(openvino: Path, tmp_path: Path) -> None:
    tree = openvino / f"glimpse-openvino-1.0.0-{ARCH}-linux"
    plugin = "libonnxruntime_providers_openvino_plugin.so"
    place = {"DESTDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run([tree / "install.sh"], env=place, check=True)
    settings = tmp_path / "etc/systemd/system/glimpse.service.d/openvino.conf"
    library = f"/usr/local/lib/glimpse-openvino/lib/{plugin}"
    assert f"GLIMPSE_PROVIDER=openvino={library}\n" in settings.read_text()
    assert (tmp_path / library[1:]).is_file()
    subprocess.run([tree / "install.sh", "--uninstall"], env=place, check=True)
    assert not settings.exists()
    assert not (tmp_path / library[1:]).exists()
    deb = next(openvino.glob("glimpse-openvino_1.0.0-1_*.deb"))
    subprocess.run(["dpkg-deb", "--extract", deb, tmp_path / "deb"], check=True)
    settings = tmp_path / "deb/usr/lib/systemd/system/glimpse.service.d/openvino.conf"
    named = settings.read_text().split("GLIMPSE_PROVIDER=openvino=")[1].split()[0]
    assert (tmp_path / "deb" / named[1:]).is_file()
