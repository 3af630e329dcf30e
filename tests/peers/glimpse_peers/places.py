"""Where the checkout keeps what a measurement needs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = ROOT / "target"
BASELINE = ROOT / "tests" / "baseline"
OUT = TARGET / "peers"
RESULTS = OUT / "results.json"
PICTURES = OUT / "pictures"
DOCS = ROOT / "docs"
CONTAINERS = ROOT / "tests" / "pictures"
"""Has what makes HEIF containers."""

LITE = ROOT / "models" / "imagenet-lite"
KERAS = OUT / "keras"
EMULATOR = TARGET / "tools" / "aws-lambda-rie"
LIBRARY = TARGET / "onnxruntime" / platform.machine() / "libonnxruntime.so"


def bundle() -> Path:
    """The default model at 224 pixels; the same with a graph for the CPU provider, where there is one."""
    both = TARGET / "bundle-224-optimized"
    return both if (both / "model.cpu.onnx").is_file() else TARGET / "bundle-224"


def profile() -> Path:
    """The folder of the programs, by the profile that `GLIMPSE_BENCH_PROFILE` names."""
    name = os.environ.get("GLIMPSE_BENCH_PROFILE") or "release"
    return TARGET / ("debug" if name == "dev" else name)


def example(name: str) -> Path:
    """A helper of the harness; it does not run in what is compared, so it needs no long build."""
    return TARGET / "debug" / "examples" / name


def python(environment: str) -> Path:
    """The interpreter of a peer's environment."""
    return TARGET / f"venv-{environment}" / "bin" / "python"


def graph(bundle: Path) -> str:
    """The graph of a bundle that the CPU provider of this ONNX Runtime is given."""
    return "model.cpu.onnx" if (bundle / "model.cpu.onnx").is_file() else "model.onnx"


def fetched(bundle: Path) -> tuple[str, ...]:
    """The files that a start of Glimpse reads of a bundle."""
    return ("bundle.json", "labels.txt", graph(bundle))
