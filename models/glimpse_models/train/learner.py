"""The network and its optimiser: one step, one validation, and the state that is saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from glimpse_models.data.preprocess import InputSpec, fit
from glimpse_models.data.splits import MULTI, SINGLE
from glimpse_models.errors import UserError
from glimpse_models.train.augment import hide_and_seek, mix
from glimpse_models.train.average_precision import f1_of, mean_average_precision
from glimpse_models.train.backbone import State, backbone_of
from glimpse_models.train.batches import Batch, Source, targets_of
from glimpse_models.train.journal import Row
from glimpse_models.train.loss import binary_cross_entropy, loss_of
from glimpse_models.train.muon import Muon
from glimpse_models.train.pictures import Pictures
from glimpse_models.train.recipe import Recipe
from glimpse_models.train.schedule import rate_at
from glimpse_models.train.teaching import Hint, Lesson

VALIDATED_AT_ONCE = 250  # pictures


class Learner:
    """A network, its optimiser and, where the recipe asks for one, the average of its weights."""

    def __init__(
        self,
        model: nn.Module,
        pictures: Pictures,
        recipe: Recipe,
        steps: int,
        device: torch.device,
    ) -> None:
        """`steps` is the number of all steps of the run."""
        data, taught = pictures.data, pictures.taught
        self._classes, self._recipe, self._steps = len(data.labels), recipe, steps
        self._device, self._backbone = device, backbone_of(recipe.backbone)
        self._model = model.to(device)
        self._optimiser = _optimiser(self._model, recipe)
        self._average = _average(self._model, recipe)
        # What would serve: the average, or the network itself.
        self._serving: nn.Module = self._average.module if self._average else self._model
        self._loss = loss_of(recipe, data, device)
        self._lesson: Lesson | None = None
        self._hint: Hint | None = None
        if taught is not None:
            self._lesson = Lesson.of(taught.logits, recipe, device)
            if taught.embeddings is not None:
                head = self._backbone.head_of(self._model)
                self._hint = Hint(taught.embeddings, head, recipe.teacher_embedding).to(device)

    def set_training(self, epoch: int) -> None:
        """Training mode; what is frozen keeps the statistics of its batch norms too."""
        frozen = epoch < self._recipe.freeze_epochs
        self._model.train(not frozen)
        self._model.requires_grad_(not frozen)
        for module in self._backbone.first_stages(self._model, self._recipe.freeze_stages):
            module.eval().requires_grad_(False)
        self._backbone.head_of(self._model).train().requires_grad_(True)

    def step(self, step: int, batch: Batch) -> float:
        """One step of the optimiser on a batch; gives its loss."""
        recipe, (pictures, targets, rows) = self._recipe, batch
        scores = None if self._lesson is None else self._lesson.scores[rows]
        if recipe.hide_and_seek:
            chance = np.random.default_rng((recipe.seed, step))
            pictures = hide_and_seek(pictures, recipe.hide_and_seek, chance)
        # A mixture of pictures with several labels has no labels that the losses know.
        if recipe.augment == "modern" and recipe.task == SINGLE:
            seed = hash((recipe.seed, step)) & 0x7FFFFFFF
            pictures, shares = mix(pictures, seed)
            targets = shares @ nn.functional.one_hot(targets, self._classes).float()
            scores = None if scores is None else shares @ scores
        rate = self.rate(step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        logits = _forward(self._model, self._backbone.normalise(pictures), recipe.precision)
        loss = self._loss(logits, targets)
        if self._lesson is not None and scores is not None:
            loss = self._lesson.with_labels(loss, logits, scores)
        if self._hint is not None:
            loss = loss + self._hint.loss(rows)
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss became {loss.item()} at step {step}; start anew with a lower --peak-rate"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self._hint is not None:
            self._hint.step(rate / recipe.peak_rate)
        if self._average:
            self._average.update_parameters(self._model)
        return float(loss.item())

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return rate_at(step, self._steps, self._recipe.peak_rate, self._recipe.schedule)

    def validate(self, source: Source, side: int) -> Row:
        """Loss and figures of what would serve, at an epoch's side."""
        return validate(self._serving, source, self._recipe, side, self._device)

    def serving(self) -> State:
        """The weights that would serve."""
        state: State = self._serving.state_dict()
        return state

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "model": self._model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "ema": self.serving() if self._average else None,
            "hint": self._hint.state() if self._hint else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        if self._average and state.get("ema"):
            self._average.module.load_state_dict(state["ema"])
            self._average.n_averaged.fill_(1)  # the next step averages, it does not copy
        if self._hint is not None:
            self._hint.load(state["hint"])


def _average(model: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """The exponential moving average of weights and batch norms, where the recipe asks for one."""
    if not recipe.ema:
        return None
    mean = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=mean, use_buffers=True)


def validate(
    model: nn.Module, source: Source, recipe: Recipe, side: int, device: torch.device
) -> Row:
    """Loss and figures with the serving preprocessing at `side`, in training precision.

    Top-1 and top-5, or with several labels mean average precision and mean F1 at a score of 0.5.
    """
    model.eval()
    spec, backbone = InputSpec(side, recipe.resize_at(side)), backbone_of(recipe.backbone)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(source), VALIDATED_AT_ONCE):
            rows = range(start, min(start + VALIDATED_AT_ONCE, len(source)))
            pixels = torch.stack(
                [torch.from_numpy(fit(source.picture(row), spec).copy()) for row in rows]
            )
            inputs = pixels.to(device).permute(0, 3, 1, 2).float() / 255
            parts.append(_forward(model, backbone.normalise(inputs), recipe.precision).cpu())
    logits = torch.cat(parts)
    targets = targets_of(source.split, logits.shape[1])
    return _figures_of_sets(logits, targets) if recipe.task == MULTI else _figures(logits, targets)


def _figures(logits: torch.Tensor, targets: torch.Tensor) -> Row:
    best = logits.topk(min(5, logits.shape[1])).indices
    return {
        "val_loss": float(nn.functional.cross_entropy(logits, targets)),
        "top1": int((best[:, 0] == targets).sum()) / len(targets),
        "top5": int((best == targets[:, None]).any(dim=1).sum()) / len(targets),
    }


def _figures_of_sets(logits: torch.Tensor, targets: torch.Tensor) -> Row:
    true, scores = targets.bool().numpy(), logits.numpy()
    return {
        "val_loss": float(binary_cross_entropy(logits, targets)),
        "mean_ap": mean_average_precision(scores, true),
        "f1": float(f1_of(scores >= 0, true).mean()),
    }


def _forward(model: nn.Module, pictures: torch.Tensor, precision: str) -> torch.Tensor:
    inputs = pictures.contiguous(memory_format=torch.channels_last)
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
