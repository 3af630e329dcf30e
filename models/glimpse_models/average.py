"""The mean of weights that went on from one another, often better than the last of them alone.

Along one path of fine-tuning the weights circle around where the loss is low, and their mean lies
nearer to it: Izmailov et al., "Averaging Weights Leads to Wider Optima" (2018); Wortsman et al.,
"Model soups" (2022). The statistics of batch norms are averaged with them, which does while the
runs lie close together; `evaluate` says whether they do.

`OUT` gets `weights.pt`, served at the first weights' side, and `run.json`: name its folder last of
the runs of a bundle.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from glimpse_models import journal, network, provenance
from glimpse_models.errors import Refused
from glimpse_models.network import State, Trained


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `average`."""
    parser.add_argument(
        "--weights", type=Path, nargs="+", required=True, help="two or more weights.pt of runs"
    )
    parser.add_argument(
        "--parts", type=float, nargs="+", help="of each in the mean, 1 together (default: equal)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")


def run(arguments: argparse.Namespace) -> None:
    """Write the weights and their record."""
    files: list[Path] = arguments.weights
    parts = arguments.parts or [1 / len(files)] * len(files)
    if len(files) < 2:
        raise Refused("the mean of one is itself; give --weights two files or more")
    if len(parts) != len(files) or min(parts) <= 0 or abs(sum(parts) - 1) > 1e-6:
        raise Refused(
            f"--parts {' '.join(map(str, parts))} are no shares of {len(files)} weights; "
            "give as many numbers above 0, 1 together"
        )
    record = provenance.read_runs([files[0].parent])[0]
    if "bundle" in record:
        raise Refused(f"{files[0]} is of no training run; name first the weights of one")
    trained = [network.read(file) for file in files]
    state = mean(trained, parts, files)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    replace(trained[0], state=state).save(out / "weights.pt")
    named = [journal.short(str(file.absolute())) for file in files]
    record = provenance.of_average(record, journal.command(out), named, parts)
    journal.write_record(out, record)


def mean(trained: list[Trained], parts: list[float], files: list[Path]) -> State:
    """Each tensor's weighted mean, in 64 bits; what only counts (batches seen) is the first's."""
    first = trained[0]
    for other, file in zip(trained, files, strict=True):
        if shapes(other.state) != shapes(first.state) or other.labels != first.labels:
            raise Refused(
                f"{file} is of another network or other classes than {files[0]}; "
                "average runs that went on from one another"
            )
    found: State = {}
    for name, value in first.state.items():
        if value.is_floating_point():
            shares = zip(parts, trained, strict=True)
            value = torch.stack([part * of.state[name].double() for part, of in shares]).sum(0)
        found[name] = value.to(first.state[name].dtype)
    return found


def shapes(state: State) -> dict[str, torch.Size]:
    """The shape of each tensor by its name."""
    return {name: value.shape for name, value in state.items()}
