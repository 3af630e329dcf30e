"""Write a bundle anew with its graph optimized for ONNX Runtime, for shorter cold starts."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from glimpse_models.bundle.manifest import write_bundle
from glimpse_models.bundle.verify import verify_source
from glimpse_models.graph.io import open_session
from glimpse_models.graph.optimize import optimize_graph, refuse_other_forms, require_same_outputs

SESSIONS = 7


@dataclass(frozen=True)
class OptimizeOptions:
    """A bundle in QDQ form, and the version and folder of the new one."""

    bundle: Path
    version: str
    out: Path


def optimize(options: OptimizeOptions) -> None:
    """The same answers and labels under a new version; prints the ratio of the session's start."""
    import onnxruntime

    old = verify_source(options.bundle, options.version, options.out)
    source = options.bundle / "model.onnx"
    refuse_other_forms(source)
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "model.onnx"
        optimize_graph(source, optimized)
        require_same_outputs(source, optimized)
        before, after = medians([source, optimized])
        content = dataclasses.replace(old.content, model=optimized.read_bytes())
    provenance = {
        **old.manifest.get("provenance", {}),
        "optimized_from": {"version": old.version, "sha256": old.sha256},
        "optimized_by": f"onnxruntime {onnxruntime.__version__}",
    }
    about = {**old.manifest, "version": options.version, "provenance": provenance}
    write_bundle(options.out, content, about)
    print(
        f"{options.out}: {old.name} {options.version}, the same bits of every output; a session "
        f"is made in {after / before:.2f} of the time (medians of {SESSIONS} each, in turns)"
    )


def medians(models: list[Path]) -> list[float]:
    """Seconds that a session of each takes to make, from bytes that are in memory."""
    contents = [path.read_bytes() for path in models]
    times: list[list[float]] = [[] for _ in models]
    for _ in tqdm(range(SESSIONS), desc="optimize", unit="pair", disable=None):
        for content, found in zip(contents, times, strict=True):
            started = time.perf_counter()
            open_session(content)
            found.append(time.perf_counter() - started)
    return [float(np.median(found)) for found in times]
