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


def saved_by_big_vision(name: str, path: Path) -> dict[str, torch.Tensor]:
    """Random weights of a vision transformer in a file as its authors publish them: JAX's names and axes."""
    network = timm.create_model(name, pretrained=False)
    torch.manual_seed(1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    state: dict[str, torch.Tensor] = network.state_dict()
    arrays = {key: value.numpy() for key, value in state.items()}
    width, heads = network.embed_dim, network.blocks[0].attn.num_heads
    found = {
        "embedding/kernel": arrays["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": arrays["patch_embed.proj.bias"],
        "cls": arrays["cls_token"],
        "Transformer/posembed_input/pos_embedding": arrays["pos_embed"],
        "Transformer/encoder_norm/scale": arrays["norm.weight"],
        "Transformer/encoder_norm/bias": arrays["norm.bias"],
        "head/kernel": arrays["head.weight"].T,
        "head/bias": arrays["head.bias"],
    }
    for number in range(len(network.blocks)):
        block, own = f"Transformer/encoderblock_{number}", f"blocks.{number}"
        for ours, theirs in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            found[f"{block}/{theirs}/scale"] = arrays[f"{own}.{ours}.weight"]
            found[f"{block}/{theirs}/bias"] = arrays[f"{own}.{ours}.bias"]
        attention = f"{block}/MultiHeadDotProductAttention_1"
        weights = np.split(arrays[f"{own}.attn.qkv.weight"], 3)
        biases = np.split(arrays[f"{own}.attn.qkv.bias"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            found[f"{attention}/{part}/kernel"] = weight.T.reshape(width, heads, -1)
            found[f"{attention}/{part}/bias"] = bias.reshape(heads, -1)
        out = arrays[f"{own}.attn.proj.weight"].T
        found[f"{attention}/out/kernel"] = out.reshape(heads, -1, width)
        found[f"{attention}/out/bias"] = arrays[f"{own}.attn.proj.bias"]
        for layer in range(2):
            dense, linear = f"{block}/MlpBlock_3/Dense_{layer}", f"{own}.mlp.fc{layer + 1}"
            found[f"{dense}/kernel"] = arrays[f"{linear}.weight"].T
            found[f"{dense}/bias"] = arrays[f"{linear}.bias"]
    np.savez(path, **found)
    return state


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


def test_a_file_of_numpy_is_loaded_as_its_authors_write_it(tmp_path: Path) -> None:
    name = f"{VIT}.augreg_in21k_ft_in1k"
    state = saved_by_big_vision(VIT, tmp_path / "weights.npz")
    assert answers(opened(name, tmp_path / "weights.npz"), name, state, 224, 0.9)


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
