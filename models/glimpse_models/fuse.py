"""Write a bundle anew with its graph as ONNX Runtime fuses it, which makes cold starts shorter.

A QDQ graph puts int8 operators in terms of float ones, and ONNX Runtime fuses them whenever it
makes a session. Here that is done once. The fused graph is for serving: the steps that change a
model (`unfold`, `resize`, `quantize`, class maps) read the QDQ form, so keep that bundle.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from glimpse_models.bundle import load_onnx
from glimpse_models.classifiers import Pixels, open_session, read_manifest
from glimpse_models.errors import Refused
from glimpse_models.manifest import in_the_making, now, write_manifest
from glimpse_models.verify import entry, verify_before
from glimpse_models.wrap import is_fused

# Its blocked layouts are those of the processor that fuses; all else holds for every processor.
HARDWARE_BOUND = ["NchwcTransformer"]

BATCHES = (1, 2, 5)  # of pictures, on which both graphs must give the same bits
SESSIONS = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fuse`."""
    parser.add_argument("--bundle", type=Path, required=True, help="the bundle's folder, int8 QDQ")
    parser.add_argument("--version", required=True, help="of the new bundle")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle's folder")


def run(arguments: argparse.Namespace) -> None:
    """The same answers and labels under a new version; says what became of a session's start."""
    import onnxruntime

    old = verify_before(arguments.bundle, arguments.version, arguments.out)
    source = arguments.bundle / "model.onnx"
    refuse_other_forms(source)
    manifest = read_manifest(arguments.bundle)
    with in_the_making(arguments.out) as making:
        fused = making / "model.onnx"
        fuse(source, fused)
        hold_against(source, fused)
        shutil.copyfile(arguments.bundle / "labels.txt", making / "labels.txt")
        manifest["version"] = arguments.version
        manifest["created_at"] = now()
        manifest["files"] = {**manifest["files"], "model.onnx": entry(fused)}
        manifest["provenance"] = {
            **manifest.get("provenance", {}),
            "fused_from": {"version": old.version, "sha256": old.sha256},
            "fused_by": f"onnxruntime {onnxruntime.__version__}",
        }
        write_manifest(making, manifest)
        before, after = medians([source, fused])
    print(
        f"{arguments.out}: {old.name} {arguments.version}, the same bits of every output; a session "
        f"is made in {after / before:.2f} of the time (medians of {SESSIONS} each, in turns)"
    )


def refuse_other_forms(path: Path) -> None:
    """Only QDQ has what takes a start's time to fuse."""
    model = load_onnx(path)
    if is_fused(model):
        raise Refused(f"{path} is fused already")
    if not any(node.op_type == "DequantizeLinear" for node in model.graph.node):
        raise Refused(f"{path} is not in QDQ form, the only one to gain by it; quantize it first")


def fuse(source: Path, target: Path) -> None:
    """Let ONNX Runtime write what it runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(
        str(source),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=HARDWARE_BOUND,
    )


def hold_against(source: Path, fused: Path) -> None:
    """Every output of both graphs, to the bit, with and without the class maps."""
    sessions = [open_session(path) for path in (source, fused)]
    side = sessions[0].get_inputs()[0].shape[1]
    chance = np.random.default_rng(1)
    for count in BATCHES:
        pixels: Pixels = chance.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
        for extra in switches(sessions[0]):
            before, after = (session.run(None, {"image": pixels, **extra}) for session in sessions)
            names = [value.name for value in sessions[0].get_outputs()]
            for name, old, new in zip(names, before, after, strict=True):
                if not np.array_equal(old, new):
                    raise Refused(
                        f"the fused graph gives other {name} than {source}; serve the bundle as it is"
                    )


def switches(session: Any) -> list[dict[str, Any]]:
    """What may be given beside the picture: nothing, or that class maps are wanted."""
    optional = [value.name for value in session.get_overridable_initializers()]
    return [{}, {"explain": np.array(True)}] if "explain" in optional else [{}]


def medians(models: list[Path]) -> list[float]:
    """Seconds that a session of each takes to make, from bytes that are in memory."""
    contents = [path.read_bytes() for path in models]
    times: list[list[float]] = [[] for _ in models]
    for _ in tqdm(range(SESSIONS), desc="fuse", unit="pair", disable=None):
        for content, found in zip(contents, times, strict=True):
            started = time.perf_counter()
            open_session(content)
            found.append(time.perf_counter() - started)
    return [float(np.median(found)) for found in times]
