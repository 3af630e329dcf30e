"""Write a bundle of schema version 1 anew in the form of version 2: the same weights and labels.

Its graph loses the `If` around the class activation maps and their optional input, so that every
execution provider can compile it, and gets the output `features` and `head.safetensors` instead.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glimpse_models.bundle.manifest import write_bundle
from glimpse_models.bundle.optimize import with_cpu_graph
from glimpse_models.bundle.verify import verify_source
from glimpse_models.errors import UserError
from glimpse_models.graph.io import load_onnx, open_session, random_pictures
from glimpse_models.graph.wrap import refuse_optimized
from glimpse_models.pipeline.bundle import add_outputs

PICTURES = 8


@dataclass(frozen=True)
class UpgradeOptions:
    """A bundle, and the version and folder of the new one."""

    bundle: Path
    version: str
    out: Path
    cpu_graph: bool = True


def upgrade(options: UpgradeOptions) -> None:
    """The same logits to the bit, under a new version."""
    old = verify_source(options.bundle, options.version, options.out)
    source = options.bundle / "model.onnx"
    model = load_onnx(source)
    refuse_optimized(model, source)
    head = add_outputs(model)
    content = dataclasses.replace(old.content, model=model.SerializeToString(), head=head)
    before, after = (open_session(graph) for graph in (old.content.model, content.model))
    pixels = random_pictures(before, PICTURES)
    logits = [session.run(["logits"], {"image": pixels})[0] for session in (before, after)]
    if not np.array_equal(*logits):
        raise UserError(
            f"the new graph gives other logits than {source}; serve the bundle as it is"
        )
    if options.cpu_graph:
        content = with_cpu_graph(content)
    write_bundle(options.out, content, {**old.manifest, "version": options.version})
    print(f"{options.out}: {old.name} {options.version}, the same logits to the bit")
