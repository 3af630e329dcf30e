"""Average the weights of runs that went on from one another.

The mean is often better than the last of them: Izmailov et al., "Averaging Weights Leads to Wider
Optima" (2018); Wortsman et al., "Model soups" (2022). The statistics of batch norms are averaged
too, which works where the runs lie close together; check it with `evaluate`.

The folder gets `weights.pt`, served at the first weights' side, and `run.json`: name it last of the
runs of a bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from glimpse_models.bundle.provenance import of_average
from glimpse_models.errors import UserError
from glimpse_models.train import network
from glimpse_models.train.backbone import State
from glimpse_models.train.network import Trained
from glimpse_models.train.record import read_runs, short, write_record


@dataclass(frozen=True)
class AverageOptions:
    """`shares` of each file in the mean add up to 1 (default: equal)."""

    weights: tuple[Path, ...]
    out: Path
    command: str
    shares: tuple[float, ...] = ()


def average(options: AverageOptions) -> None:
    """Write the weights and their record."""
    files = options.weights
    if len(files) < 2:
        raise UserError("an average needs two files or more; give --weights two")
    shares = options.shares or (1 / len(files),) * len(files)
    if len(shares) != len(files) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise UserError(
            f"--shares {' '.join(map(str, shares))} do not fit {len(files)} files of weights; "
            "give one number above 0 per file, 1 together"
        )
    record = read_runs([files[0].parent])[0]
    if "bundle" in record:
        raise UserError(
            f"{files[0]} does not come from a training run; name first the weights of one"
        )
    trained = [network.read_weights(file) for file in files]
    state = mean(trained, shares, files)
    options.out.mkdir(parents=True, exist_ok=True)
    replace(trained[0], state=state).save(options.out / "weights.pt")
    named = [short(str(file.absolute())) for file in files]
    write_record(options.out, of_average(record, options.command, named, list(shares)))


def mean(trained: list[Trained], shares: Sequence[float], files: Sequence[Path]) -> State:
    """Each tensor's weighted mean, in 64 bits; what only counts (batches seen) is the first's."""
    first = trained[0]
    for other, file in zip(trained, files, strict=True):
        if shapes(other.state) != shapes(first.state) or other.labels != first.labels:
            raise UserError(
                f"{file} is of another network or other classes than {files[0]}; "
                "average runs that went on from one another"
            )
    found: State = {}
    for name, value in first.state.items():
        if value.is_floating_point():
            pairs = zip(shares, trained, strict=True)
            value = torch.stack([share * of.state[name].double() for share, of in pairs]).sum(0)
        found[name] = value.to(first.state[name].dtype)
    return found


def shapes(state: State) -> dict[str, torch.Size]:
    """The shape of each tensor by its name."""
    return {name: value.shape for name, value in state.items()}
