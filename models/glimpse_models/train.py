"""Train ResNet50 from scratch on Tiny-ImageNet, on a CPU, resumable after a kill."""

from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from glimpse_models import network
from glimpse_models.data import Split, TinyImageNet, training_batches

CHECKPOINT_EVERY = 100


@dataclass(frozen=True)
class Recipe:
    """SGD with Nesterov momentum under a one-cycle schedule; sides give each epoch's crop in pixels."""

    sides: tuple[int, ...]
    batch: int
    peak_rate: float
    weight_decay: float
    label_smoothing: float
    seed: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    parser.add_argument("--data", type=Path, required=True, help="folder tiny-imagenet-200")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoint, log, weights")
    parser.add_argument("--sides", type=int, nargs="+", default=[40, 40, 40, 48, 64], help="crop side of each epoch")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--peak-rate", type=float, default=0.15)
    parser.add_argument("--weight-decay", type=float, default=5e-5)
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    """Train, or go on from the checkpoint in `--out`; writes `weights.pt` at the end."""
    recipe = Recipe(
        sides=tuple(arguments.sides),
        batch=arguments.batch,
        peak_rate=arguments.peak_rate,
        weight_decay=arguments.weight_decay,
        label_smoothing=arguments.label_smoothing,
        seed=arguments.seed,
    )
    dataset = TinyImageNet(arguments.data)
    train(dataset.train(), dataset.validation(), len(dataset.wnids()), recipe, arguments.out)


def train(split: Split, validation: Split, classes: int, recipe: Recipe, out: Path) -> None:
    """The whole run; every `CHECKPOINT_EVERY` steps and every epoch its state is saved to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    model = network.build(classes)
    optimiser = torch.optim.SGD(_groups(model, recipe.weight_decay), lr=0.01, momentum=0.9, nesterov=True)
    steps_per_epoch = len(split) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=recipe.peak_rate,
        total_steps=steps_per_epoch * len(recipe.sides),
        pct_start=0.2,
        div_factor=10,
        final_div_factor=1000,
        cycle_momentum=False,
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    checkpoint = out / "checkpoint.pt"
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        done = state["done"]

    def save() -> None:
        partial = checkpoint.with_suffix(".part")
        state = {
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
            "done": done,
        }
        torch.save(state, partial)
        os.replace(partial, checkpoint)

    for epoch in range(done // steps_per_epoch, len(recipe.sides)):
        model.train()
        started, first, running = time.monotonic(), done, 0.0
        batches = training_batches(
            split, side=recipe.sides[epoch], batch=recipe.batch, seed=recipe.seed, epoch=epoch, skip=done % steps_per_epoch
        )
        for pictures, targets in batches:
            inputs = network.normalise(pictures).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(inputs)
            loss = loss_of(logits.float(), targets)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            schedule.step()
            done += 1
            running = 0.98 * running + 0.02 * loss.item() if done > first + 1 else loss.item()
            if done % 20 == 0:
                rate = (done - first) * recipe.batch / (time.monotonic() - started)
                print(f"epoch {epoch + 1} step {done} loss {running:.3f} {rate:.0f} pictures/s", flush=True)
            if done % CHECKPOINT_EVERY == 0:
                save()
        save()
        top1, top5 = accuracy(model, validation)
        with (out / "log.csv").open("a", newline="") as log:
            csv.writer(log).writerow([epoch + 1, done, f"{running:.4f}", f"{top1:.4f}", f"{top5:.4f}", round(time.monotonic() - started)])
        print(f"epoch {epoch + 1} done: top-1 {top1:.4f} top-5 {top5:.4f}", flush=True)
    torch.save(model.state_dict(), out / "weights.pt")


def accuracy(model: nn.Module, split: Split, batch: int = 250) -> tuple[float, float]:
    """Top-1 and top-5 of the float model on whole 64-pixel pictures."""
    model.eval()
    top1 = top5 = 0
    with torch.inference_mode():
        for start in range(0, len(split), batch):
            pictures = torch.from_numpy(split.pixels[start : start + batch]).permute(0, 3, 1, 2).float() / 255
            targets = torch.from_numpy(split.targets[start : start + batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(network.normalise(pictures).contiguous(memory_format=torch.channels_last))
            best = logits.float().topk(5).indices
            top1 += int((best[:, 0] == targets).sum())
            top5 += int((best == targets[:, None]).any(dim=1).sum())
    return top1 / len(split), top5 / len(split)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for convolution and linear weights, none for biases and batch norm."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
