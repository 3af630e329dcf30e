"""Both bundles on 64-bit ARM, under QEMU: what Graviton and ARM boxes at the edge answer.

The kernels that ONNX Runtime chooses there are others than on x86-64, and others again for each
generation, which it tells by the processor's features.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from glimpse_models.bundle.manifest import read_manifest, spec_of
from glimpse_models.graph.io import open_session
from glimpse_models.graph.optimize import optimize_graph
from glimpse_models.measure.classifiers import read_input

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARM = ROOT / "target/arm"
BUNDLES = ("default", "imagenet-lite")
PICTURES = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg")

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Processor:
    """What QEMU calls it, and what `/proc/cpuinfo` says: its number and features."""

    emulated: str
    part: str
    features: str


NEON = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
PROCESSORS = {
    "Cortex-A72, without dot products": Processor("cortex-a72", "0xd08", "fp asimd aes crc32"),
    "Graviton 2": Processor("neoverse-n1", "0xd0c", f"{NEON} asimddp ssbs"),
    "Graviton 3": Processor(
        "max", "0xd40", f"{NEON} asimddp sve asimdfhm jscvt fcma dcpodp i8mm bf16 ssbs"
    ),
}


@pytest.fixture(scope="module")
def arm() -> Path:
    """Debian's Python and ONNX Runtime for ARM, unpacked."""
    made = subprocess.run([HERE / "prepare"], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(made.stdout.strip())
    return ARM


@dataclass(frozen=True)
class Asked:
    """A bundle's model and the same optimized on this processor, pictures, and what is right."""

    models: list[Path]
    pixels: np.ndarray
    right: Outputs


@pytest.fixture(scope="module", params=BUNDLES)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Real pictures as the service sees them, and what this processor answers."""
    bundle = ROOT / "models" / request.param
    source, optimized = bundle / "model.onnx", tmp_path_factory.mktemp("optimized") / "model.onnx"
    optimized.write_bytes(optimize_graph(source.read_bytes()))
    spec = spec_of(read_manifest(bundle))
    pixels = np.stack([read_input(ROOT / "target/pictures" / name, spec) for name in PICTURES])
    session = open_session(source)
    names = [output.name for output in session.get_outputs()]
    right = dict(zip(names, session.run(None, {"image": pixels}), strict=True))
    return Asked([source, optimized], pixels, right)


@pytest.mark.parametrize("name", PROCESSORS)
def test_arm_gives_the_bits_that_this_processor_gives(
    name: str, arm: Path, asked: Asked, tmp_path: Path
) -> None:
    for found in on_arm(PROCESSORS[name], arm, asked.models, asked.pixels, tmp_path):
        assert found.keys() == asked.right.keys()
        for output, right in asked.right.items():
            assert np.array_equal(found[output], right), output


def on_arm(
    processor: Processor, arm: Path, models: list[Path], pixels: np.ndarray, folder: Path
) -> list[Outputs]:
    """Run the models on it."""
    disguise(arm / "root", processor)
    np.save(folder / "pixels.npy", pixels)
    emulator = ["qemu-aarch64-static", "-cpu", processor.emulated, "-L", str(arm / "root")]
    python = ["-E", f"PYTHONPATH={arm / 'site'}", str(arm / "root/usr/bin/python3.11")]
    script: list[Path] = [HERE / "answers.py", folder / "pixels.npy", folder, *models]
    subprocess.run([*emulator, *python, *script], check=True)
    return [dict(np.load(folder / f"{number}.npz")) for number in range(len(models))]


def disguise(root: Path, processor: Processor) -> None:
    """Files of the kernel that QEMU shows in place of this machine's, which is no ARM.

    ONNX Runtime reads them, and crashes on caches of another kind of processor.
    """
    cpu = root / "sys/devices/system/cpu"
    cpu.mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present"):
        (cpu / name).write_text("0\n")
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(
        "processor\t: 0\n"
        f"Features\t: {processor.features}\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        "CPU variant\t: 0x1\n"
        f"CPU part\t: {processor.part}\n"
        "CPU revision\t: 1\n\n"
    )
