"""A bundle's ResNet → weights that `train` can go on from, where those of its run are gone.

Export merges each batch norm into the convolution before it. How a channel's scale and shift were
divided between the two is lost, but not their product: batch norms with statistics measured on
training pictures give the same answers, but for the rounding of the weights by quantization.

The folder gets `weights.pt` and `run.json`, which records the bundle that they come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from tqdm import tqdm

from glimpse_models.bundle.manifest import spec_of, task_of
from glimpse_models.bundle.provenance import of_bundle
from glimpse_models.bundle.verify import verify
from glimpse_models.data.dataset import HELD_OUT, open_data
from glimpse_models.data.inspect import inspect_and_report, record_of, without_broken
from glimpse_models.data.preprocess import InputSpec
from glimpse_models.data.splits import Split
from glimpse_models.errors import UserError
from glimpse_models.graph.wrap import refuse_optimized
from glimpse_models.measure.classifiers import BATCH, batches_of
from glimpse_models.train import network
from glimpse_models.train.backbone import Backbone, State
from glimpse_models.train.record import write_record

EXPECTED = (
    "to-checkpoint takes bundles whose weights `export` wrote; train others with what made them"
)


@dataclass(frozen=True)
class CheckpointOptions:
    """A bundle, its data set, and how many training pictures batch norms are measured on."""

    bundle: Path
    data: Path
    out: Path
    command: str
    pictures: int = 2000
    held_out: float = HELD_OUT
    seed: int = 1


def to_checkpoint(options: CheckpointOptions) -> None:
    """Write the weights and their record."""
    verified = verify(options.bundle)
    task = task_of(verified.manifest)
    data = open_data(options.data, options.seed, options.held_out, task)
    if data.labels != verified.labels:
        raise UserError(
            f"{options.data} has other classes than {options.bundle}; give its data set"
        )
    spec, folded = spec_of(verified.manifest), constants(options.bundle / "model.onnx")
    model, trained = with_batch_norms(folded, options.bundle)
    options.out.mkdir(parents=True, exist_ok=True)
    findings = inspect_and_report(data, options.out / "pictures.json", "leave-out")
    data = without_broken(data, findings.broken)
    measure(model, trained.network(), data.train.sample(options.pictures, options.seed), spec)
    found = replace(trained, state=model.state_dict(), labels=verified.labels)
    found = replace(found, side=spec.side, resize=spec.resize, task=task)
    found.save(options.out / "weights.pt")
    recipe = {"backbone": trained.backbone, "seed": options.seed, "task": task}
    record = of_bundle(verified, options.command, recipe, record_of(data, findings))
    write_record(options.out, record)


def constants(path: Path) -> State:
    """The weights and biases of convolutions and linear layers, as floats, by their modules' names."""
    model = onnx.load(path)
    refuse_optimized(model, path)
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            whole, scale, zero = (values[name].astype(np.float32) for name in node.input)
            if scale.ndim:  # one per channel, which comes first
                scale, zero = (of.reshape(-1, *(1,) * (whole.ndim - 1)) for of in (scale, zero))
            values[node.output[0]] = (whole - zero) * scale
    found: State = {}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            for kind, name in zip(("weight", "bias"), node.input[1:], strict=False):
                if name not in values:
                    raise UserError(
                        f"{path}: the {kind} of {node.name} is not a constant; {EXPECTED}"
                    )
                found[f"{module_of(node.name)}.{kind}"] = torch.tensor(values[name])
    return found


def module_of(node: str) -> str:
    """`net//layer4/layer4.0/downsample/downsample.0/Conv` → `layer4.0.downsample.0`."""
    names: list[str] = []
    for name in node.removeprefix("net/").strip("/").split("/")[:-1]:
        if names and name.startswith(f"{names[-1]}."):
            names.pop()
        names.append(name)
    return ".".join(names)


def with_batch_norms(folded: State, bundle: Path) -> tuple[nn.Module, network.Trained]:
    """The network, its filters of norm 1 and behind each a batch norm that undoes just that."""
    trained = network.describe_state(folded, bundle)
    model = trained.network().build(trained.classes, trained.head).eval()
    state = model.state_dict()
    for name, value in folded.items():
        if name in state:
            state[name] = value
    for convolution, norm in pairs(model):
        bias = folded.get(f"{convolution}.bias")
        if bias is None or f"{norm}.weight" in folded:
            raise UserError(f"{bundle}: no bias folded into {convolution}; {EXPECTED}")
        weights = folded[f"{convolution}.weight"]
        norms = weights.flatten(1).norm(dim=1)
        norms[norms == 0] = 1
        state[f"{convolution}.weight"] = weights / norms.view(-1, 1, 1, 1)
        # Running mean 0 and variance 1 are what a new batch norm begins with.
        epsilon = cast("nn.BatchNorm2d", model.get_submodule(norm)).eps
        state[f"{norm}.weight"], state[f"{norm}.bias"] = norms * (1 + epsilon) ** 0.5, bias
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{bundle} does not fit {trained.backbone} ({error}); {EXPECTED}"
        ) from error
    return model, trained


def pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Each convolution with the batch norm behind it: torchvision lists them in this order."""
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d)
    ]
    return list(zip(names[::2], names[1::2], strict=True))


def measure(model: nn.Module, backbone: Backbone, pictures: Split, spec: InputSpec) -> None:
    """Give each batch norm the statistics of what it gets, and the scale and shift that undo them."""
    sums: dict[nn.Module, torch.Tensor] = {}

    def add(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        count = torch.full((len(values),), values.shape[1])
        found = torch.stack([count, values.sum(1), values.square().sum(1)])
        sums[norm] = sums.get(norm, 0) + found

    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    batches, total = batches_of(pictures.files, spec), math.ceil(len(pictures) / BATCH)
    with torch.inference_mode():
        for pixels in tqdm(batches, total=total, desc="to-checkpoint", unit="batch", disable=None):
            model(backbone.serving_input(pixels))
    for hook in hooks:
        hook.remove()
    for norm in norms:
        count, first, second = sums[norm]
        mean, variance = first / count, (second / count - (first / count).square()).clamp(min=0)
        state = norm.state_dict()
        # It was scale × value + bias, and stays that.
        scale = state["weight"] / (state["running_var"] + norm.eps).sqrt()
        state["weight"] = scale * (variance + norm.eps).sqrt()
        state["bias"] += scale * (mean - state["running_mean"])
        state["running_mean"], state["running_var"] = mean, variance
        norm.load_state_dict(state)
