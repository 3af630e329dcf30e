"""What `build --from timm:NAME` loads and how it prepares pictures, with timm itself but no network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from glimpse_models.data.preprocess import InputSpec
from glimpse_models.errors import UserError
from glimpse_models.sources.source import Asked, Source
from glimpse_models.sources.timm import open_timm

timm = pytest.importorskip("timm")

LARGER = "resnet10t.c3_in1k"
"""Trained at 176 pixels, validated at 224."""
NATIVE = "test_resnet.r160_in1k"
VIT = "vit_tiny_patch16_224"


def opened(what: str, weights: Path | None = None, labels: Path | None = None) -> Source:
    """Without the export, which has nothing to do with the choice of weights."""
    with mock.patch("glimpse_models.graph.export.export_plain", return_value=onnx.ModelProto()):
        return open_timm(Asked(what, weights, labels))


def saved(name: str, path: Path, **options: Any) -> dict[str, torch.Tensor]:
    """Random weights in a file, under timm's names."""
    torch.manual_seed(1)
    state = timm.create_model(name, pretrained=False, **options).state_dict()
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(state, path)
    else:
        torch.save(state, path)
    found: dict[str, torch.Tensor] = state
    return found


def answers(
    source: Source, name: str, state: dict[str, torch.Tensor], side: int, crop: float
) -> bool:
    """Whether the source's own pipeline is timm's network with these weights, at this size."""
    classes = len(source.labels)
    network = timm.create_model(name, pretrained=False, num_classes=classes)
    network.load_state_dict(state)
    config = timm.data.resolve_data_config(
        {"input_size": (3, side, side), "crop_pct": crop}, model=network
    )
    transform = timm.data.create_transform(**config, is_training=False)
    chance = np.random.default_rng(1)
    picture = Image.fromarray(chance.integers(0, 256, (240, 300, 3), dtype=np.uint8))
    with torch.inference_mode():
        expected = network.eval()(transform(picture)[None])[0].numpy()
    return bool(np.allclose(source.own(picture), expected, atol=1e-5))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Three."""
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee\ncat\n")
    return path


@pytest.mark.parametrize("name", [VIT, "resnet50.tv_in1k"])
def test_without_a_network_the_file_that_timm_would_take_is_named(name: str) -> None:
    offline = mock.patch(
        "timm.models._builder.load_state_dict_from_hf", side_effect=OSError("no route")
    )
    with offline, pytest.raises(UserError) as refused:
        opened(name)
    full = f"{VIT}.augreg_in21k_ft_in1k" if name == VIT else name
    assert f"https://huggingface.co/timm/{full}/resolve/main/model.safetensors" in str(
        refused.value
    )
    assert f"--from timm:{full} --weights model.safetensors" in str(refused.value)


def test_the_file_of_the_hub_is_loaded_also_where_timms_own_url_is_of_numpy(tmp_path: Path) -> None:
    state = saved(VIT, tmp_path / "model.safetensors")
    source = opened(VIT, tmp_path / "model.safetensors")
    assert answers(source, VIT, state, 224, 0.9)


def test_a_file_with_its_authors_names_is_renamed_by_timms_filter(tmp_path: Path) -> None:
    state = saved("convnext_atto", tmp_path / "timm.pth")
    authors = {}
    for key, value in state.items():
        name = key.replace("stem.", "downsample_layers.0.").replace(".blocks.", ".")
        name = name.replace(".conv_dw.", ".dwconv.").replace(".mlp.fc", ".pwconv")
        for number in range(1, 4):
            name = name.replace(f"stages.{number}.downsample.", f"downsample_layers.{number}.")
        authors[name.replace("head.fc.", "head.").replace("head.norm.", "norm.")] = value
    assert set(authors) != set(state)
    torch.save({"model": authors}, tmp_path / "authors.pth")
    source = opened("convnext_atto", tmp_path / "authors.pth")
    assert answers(source, "convnext_atto", state, 288, 0.95)


def test_weights_are_served_at_the_size_that_they_are_validated_at(tmp_path: Path) -> None:
    state = saved(LARGER, tmp_path / "whole.safetensors")
    source = opened(LARGER, tmp_path / "whole.safetensors")
    assert source.spec == InputSpec(224, 235, filter="bicubic")
    assert "for 224 × 224 pixels, the test size" in source.pipeline
    assert answers(source, LARGER, state, 224, 0.95)


def test_a_fine_tuned_network_keeps_the_training_size_and_its_classifier(
    tmp_path: Path, labels: Path
) -> None:
    state = saved(LARGER, tmp_path / "fine.pth", num_classes=3)
    source = opened(LARGER, tmp_path / "fine.pth", labels)
    assert (
        "for 176 × 176 pixels, the training size, as the network was fine-tuned" in source.pipeline
    )
    assert answers(source, LARGER, state, 176, 0.875)
    assert source.record["weights"] == f"fine.pth, prepared as timm {LARGER}"


def test_a_network_of_one_size_keeps_it(tmp_path: Path) -> None:
    with mock.patch("timm.data.resolve_data_config", wraps=larger):
        source = opened("test_vit.r160_in1k", saved_vit(tmp_path))
    assert source.spec.side == 160
    assert "the training size, as the network takes no other" in source.pipeline


REAL = timm.data.resolve_data_config


def larger(*words: Any, use_test_size: bool = False, **more: Any) -> dict[str, Any]:
    """As if the network had been validated at a larger size, too."""
    found: dict[str, Any] = REAL(*words, **more)
    return {**found, "input_size": (3, 192, 192)} if use_test_size else found


def saved_vit(folder: Path) -> Path:
    """A vision transformer, whose position embedding fixes the size."""
    saved("test_vit.r160_in1k", folder / "vit.pth")
    return folder / "vit.pth"


def test_a_file_of_weights_that_are_prepared_differently_needs_its_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pth"
    saved("resnet18", path)
    with pytest.raises(UserError, match=r"--from with one of timm:resnet18\.a1_in1k, timm"):
        opened("resnet18", path)
    source = opened("resnet18.tv_in1k", path)
    assert (source.spec.side, source.spec.filter) == (224, "bilinear")
    assert source.record["weights"] == "model.pth, prepared as timm resnet18.tv_in1k"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    from timm.models import _registry

    config = _registry._model_pretrained_cfgs["resnet18.a3_in1k"]
    monkeypatch.setattr(config, "url", f"https://example.org/resnet18-{digest[:8]}.pth")
    assert "resnet18.a3_in1k" in opened("resnet18", path).record["weights"]


def test_what_does_not_fit_is_refused(tmp_path: Path, labels: Path) -> None:
    saved(NATIVE, tmp_path / "whole.pth")
    with pytest.raises(UserError, match="does not fit the network"):
        opened(NATIVE, tmp_path / "whole.pth", labels)
    with pytest.raises(UserError, match="is not a file of weights for timm's test_convnext"):
        opened("test_convnext.r160_in1k", tmp_path / "whole.pth")
    (tmp_path / "broken.pth").write_text("weights")
    with pytest.raises(UserError, match="is not a file of weights"):
        opened(NATIVE, tmp_path / "broken.pth")
    with pytest.raises(UserError, match="does not exist"):
        opened(NATIVE, tmp_path / "none.pth")
    with pytest.raises(UserError, match=r"are for 1000 classes, and --labels names 3"):
        opened(NATIVE, None, labels)
    with pytest.raises(UserError, match=r"no weights resnet18\.none; it has .*resnet18\.a1_in1k"):
        opened("resnet18.none")
