"""The network and its optimiser: one step, one validation, and the state that is saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from glimpse_models.data.preprocess import InputSpec, fit
from glimpse_models.data.splits import DataSet
from glimpse_models.errors import UserError
from glimpse_models.train import network
from glimpse_models.train.augment import hide_and_seek, mix
from glimpse_models.train.batches import Source
from glimpse_models.train.journal import Row
from glimpse_models.train.muon import Muon
from glimpse_models.train.recipe import Recipe
from glimpse_models.train.schedule import rate_at

VALIDATED_AT_ONCE = 250  # pictures


class Learner:
    """A network, its optimiser and, where the recipe asks for one, the average of its weights."""

    def __init__(
        self, model: nn.Module, data: DataSet, recipe: Recipe, steps: int, device: torch.device
    ) -> None:
        """`steps` is the number of all steps of the run."""
        self._classes, self._recipe, self._steps = len(data.labels), recipe, steps
        self._device = device
        self._model = model.to(device)
        self._optimiser = _optimiser(self._model, recipe)
        self._average = _average(self._model, recipe)
        # What would serve: the average, or the network itself.
        self._serving: nn.Module = self._average.module if self._average else self._model
        self._loss = nn.CrossEntropyLoss(
            class_weights(data, recipe.class_weights, device),
            label_smoothing=recipe.label_smoothing,
        )

    def set_training(self, epoch: int) -> None:
        """Training mode; what is frozen keeps the statistics of its batch norms too."""
        frozen = epoch < self._recipe.freeze_epochs
        self._model.train(not frozen)
        self._model.requires_grad_(not frozen)
        for module in network.first_stages(self._model, self._recipe.freeze_stages):
            module.eval().requires_grad_(False)
        network.head_of(self._model).train().requires_grad_(True)

    def step(self, step: int, pictures: torch.Tensor, targets: torch.Tensor) -> float:
        """One step of the optimiser on a batch; gives its loss."""
        recipe = self._recipe
        if recipe.hide_and_seek:
            chance = np.random.default_rng((recipe.seed, step))
            pictures = hide_and_seek(pictures, recipe.hide_and_seek, chance)
        if recipe.augment == "modern":
            seed = hash((recipe.seed, step)) & 0x7FFFFFFF
            pictures, targets = mix(pictures, targets, self._classes, seed)
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate(step)
        loss = self._loss(_forward(self._model, pictures, recipe.precision), targets)
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss became {loss.item()} at step {step}; start anew with a lower --peak-rate"
            )
        loss.backward()
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self._average:
            self._average.update_parameters(self._model)
        return float(loss.item())

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return rate_at(step, self._steps, self._recipe.peak_rate, self._recipe.schedule)

    def validate(self, source: Source, side: int) -> Row:
        """Loss, top-1 and top-5 of what would serve, at an epoch's side."""
        return validate(self._serving, source, self._recipe, side, self._device)

    def serving(self) -> network.State:
        """The weights that would serve."""
        state: network.State = self._serving.state_dict()
        return state

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "ema": self.serving() if self._average else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        if self._average and state.get("ema"):
            self._average.module.load_state_dict(state["ema"])
            self._average.n_averaged.fill_(1)  # the next step averages, it does not copy


def _average(model: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """The exponential moving average of weights and batch norms, where the recipe asks for one."""
    if not recipe.ema:
        return None
    mean = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=mean, use_buffers=True)


def validate(
    model: nn.Module, source: Source, recipe: Recipe, side: int, device: torch.device
) -> Row:
    """Loss, top-1 and top-5 with the serving preprocessing at `side`, in training precision."""
    model.eval()
    spec = InputSpec(side, recipe.resize_at(side))
    loss, top1, top5 = 0.0, 0, 0
    with torch.inference_mode():
        for start in range(0, len(source), VALIDATED_AT_ONCE):
            rows = range(start, min(start + VALIDATED_AT_ONCE, len(source)))
            pixels = torch.stack(
                [torch.from_numpy(fit(source.picture(row), spec).copy()) for row in rows]
            )
            targets = torch.tensor([source.split.targets[row] for row in rows], device=device)
            logits = _forward(
                model, pixels.to(device).permute(0, 3, 1, 2).float() / 255, recipe.precision
            )
            best = logits.topk(min(5, logits.shape[1])).indices
            loss += float(nn.functional.cross_entropy(logits, targets, reduction="sum"))
            top1 += int((best[:, 0] == targets).sum())
            top5 += int((best == targets[:, None]).any(dim=1).sum())
    count = len(source)
    return {"val_loss": loss / count, "top1": top1 / count, "top5": top5 / count}


def class_weights(data: DataSet, kind: str, device: torch.device) -> torch.Tensor | None:
    """`balanced`: inversely to the number of training pictures, 1 on average over pictures."""
    if kind == "none":
        return None
    counts = torch.bincount(torch.tensor(data.train.targets), minlength=len(data.labels))
    return (len(data.train) / (len(data.labels) * counts.clamp(min=1))).to(device)


def _forward(model: nn.Module, pictures: torch.Tensor, precision: str) -> torch.Tensor:
    inputs = network.normalise(pictures).contiguous(memory_format=torch.channels_last)
    with torch.autocast(pictures.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits: torch.Tensor = model(inputs)
    return logits.float()


def _optimiser(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Weight decay for convolution and linear weights, none for biases and batch norm."""
    if recipe.optimiser == "muon":
        return _muon(model, recipe)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.peak_rate)


def _muon(model: nn.Module, recipe: Recipe) -> Muon:
    """Convolutions stand before batch norms: their scale, and so decay, is without effect."""
    convolutions = [p for p in model.parameters() if p.ndim == 4]
    linear = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": convolutions, "orthogonal": True},
        {"params": linear, "weight_decay": recipe.weight_decay},
        {"params": vectors},
    ]
    precision = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    return Muon(groups, recipe.peak_rate, precision)
