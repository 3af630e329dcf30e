"""The default bundle on 64-bit ARM, under QEMU: what Graviton and ARM boxes at the edge answer.

The kernels that ONNX Runtime chooses there are others than on x86-64, and others again for each
generation, which it tells by the processor's features.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from glimpse_models.bundle.head import FILE as HEAD
from glimpse_models.bundle.head import read_head
from glimpse_models.bundle.manifest import read_manifest, spec_of
from glimpse_models.graph.features import OUTPUT as FEATURES
from glimpse_models.graph.io import load_onnx, open_session
from glimpse_models.graph.optimize import optimize_graph
from glimpse_models.graph.outputs import maps_of
from glimpse_models.measure.classifiers import read_input

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ARM = ROOT / "target/arm"
BUNDLE = ROOT / "models/default"
PICTURES = ("chelsea.png", "coffee.png", "astronaut.png")

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


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The bundle's model, and the same optimized on this processor."""
    source, optimized = BUNDLE / "model.onnx", tmp_path_factory.mktemp("optimized") / "model.onnx"
    optimized.write_bytes(optimize_graph(source.read_bytes()))
    return [source, optimized]


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Real pictures as the service sees them."""
    spec = spec_of(read_manifest(BUNDLE))
    return np.stack([read_input(ROOT / "target/pictures" / name, spec) for name in PICTURES])


@pytest.fixture(scope="module")
def here(models: list[Path], pixels: np.ndarray) -> Outputs:
    """What this processor answers."""
    session = open_session(models[0])
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, {"image": pixels})
    return dict(zip(names, found, strict=True))


@pytest.fixture(scope="module")
def near(models: list[Path], here: Outputs) -> dict[str, float]:
    """How far apart an output may be: 2 % of its range, which is five steps of the features' 255.

    Sums of integers are exact everywhere; rounding to them may go the other way.
    """
    graph = load_onnx(models[0]).graph
    scale = next(node for node in graph.node if node.output[0] == FEATURES).input[1]
    step = next(tensor for tensor in graph.initializer if tensor.name == scale)
    return {
        "logits": 0.02 * float(np.abs(here["logits"]).max()),
        FEATURES: 0.02 * 255 * float(numpy_helper.to_array(step)),
    }


@pytest.mark.parametrize("name", PROCESSORS)
def test_arm_answers_as_this_processor_does(
    name: str,
    arm: Path,
    models: list[Path],
    pixels: np.ndarray,
    here: Outputs,
    near: dict[str, float],
    tmp_path: Path,
) -> None:
    plain, optimized = on_arm(PROCESSORS[name], arm, models, pixels, tmp_path)
    assert plain["logits"].argmax(axis=1).tolist() == here["logits"].argmax(axis=1).tolist()
    for output, found in here.items():
        assert np.allclose(plain[output], found, rtol=0, atol=near[output]), output
        assert np.array_equal(optimized[output], plain[output]), f"{output} of the optimized graph"
    head = read_head((BUNDLE / HEAD).read_bytes())
    maps = maps_of(here[FEATURES], head)
    assert np.abs(maps_of(plain[FEATURES], head) - maps).max() <= 0.01 * np.abs(maps).max()


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
