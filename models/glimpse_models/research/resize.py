"""Write the same bundle for another input side: for benchmarks at 224 pixels.

The network is convolutions and global pooling, so that only the input's shape changes. The metrics
and the calibration do not hold at the new side, and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glimpse_models.bundle.manifest import read_manifest, write_bundle
from glimpse_models.data.labels import read_labels
from glimpse_models.graph import features, wrap
from glimpse_models.graph.io import load_onnx
from glimpse_models.pipeline.bundle import add_outputs, ready_to_serve
from glimpse_models.train.record import git_commit


@dataclass(frozen=True)
class ResizeOptions:
    """`side` of the input and `resize`, the shorter side before the crop, in pixels."""

    bundle: Path
    out: Path
    side: int = 224
    resize: int = 256


def resize(options: ResizeOptions) -> None:
    """Change the declared shapes; the weights stay as they are."""
    manifest = read_manifest(options.bundle)
    source = options.bundle / "model.onnx"
    model = load_onnx(source)
    wrap.refuse_optimized(model, source)
    features.remove_features(model)  # whose places are others now
    wrap.resize(model, options.side)
    head = add_outputs(model)
    labels = read_labels(options.bundle / "labels.txt")
    ready = ready_to_serve(model, labels, options.resize, head=head)
    about = {
        "name": f"{manifest['name']}-{options.side}",
        "version": manifest["version"],
        "provenance": {"resized_from": manifest["name"], "git_commit": git_commit()},
        "license": manifest["license"],
    }
    write_bundle(options.out, ready.content_with(cpu_graph=False), {**about, **ready.described})
