"""Convolutions as products of matrices: PyTorch's results and gradients, in every geometry."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from glimpse_models.train.backbone import backbone_of
from glimpse_models.train.convolution import as_matrix_products


@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": 1, "bias": False},
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 1, "padding": 1},
        {"kernel_size": 3, "padding": 1, "bias": False},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": 3, "dilation": 2},
        {"kernel_size": (3, 5), "stride": (1, 2), "padding": (0, 2)},
        {"kernel_size": 7, "stride": 2, "padding": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("side", [12, 15])
def test_results_and_gradients_are_those_of_pytorch(geometry: dict[str, object], side: int) -> None:
    torch.manual_seed(1)
    plain = nn.Conv2d(6, 10, **geometry)  # type: ignore[arg-type]
    ours = copy.deepcopy(plain)
    as_matrix_products(ours)
    assert type(ours) is not nn.Conv2d
    found = []
    for layer in (plain, ours):
        pictures = torch.randn(4, 6, side, side, generator=torch.Generator().manual_seed(2))
        pictures = pictures.contiguous(memory_format=torch.channels_last).requires_grad_(True)
        result = layer(pictures)
        (result * torch.arange(result[0].numel()).view(result.shape[1:]).cos()).sum().backward()
        found.append([result, pictures.grad, *(weights.grad for weights in layer.parameters())])
    for theirs, own in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-4)


def test_a_network_keeps_its_names_and_trains_in_16_bits_as_before() -> None:
    torch.manual_seed(1)
    plain = backbone_of("resnet18").build(5)
    ours = copy.deepcopy(plain)
    as_matrix_products(ours)
    assert ours.state_dict().keys() == plain.state_dict().keys()
    pictures, slopes = torch.randn(8, 3, 64, 64), []
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    for network in (plain, ours):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(pictures)
        nn.functional.cross_entropy(logits.float(), torch.arange(8) % 5).backward()
        slopes.append(
            torch.cat([w.grad.flatten() for w in network.parameters() if w.grad is not None])
        )
    # 16 bits have a rounding of 0.4 %; many of them add up.
    assert torch.cosine_similarity(*slopes, dim=0) > 0.99
    assert slopes[0].dtype == slopes[1].dtype == torch.float32


def test_what_has_groups_or_is_frozen_stays() -> None:
    grouped = nn.Conv2d(4, 4, 3, groups=4)
    as_matrix_products(grouped)
    assert type(grouped) is nn.Conv2d
    frozen = nn.Conv2d(4, 4, 3).requires_grad_(False)
    as_matrix_products(frozen)
    pictures = torch.randn(1, 4, 8, 8)
    assert torch.equal(frozen(pictures), nn.Conv2d.forward(frozen, pictures))
