"""A start from published image ViTs: transformers' and timm's files, and what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.image.vit import ImageViT, ViTConfig
from recognizers.backbones.image_checkpoints import (
    find_image_weights,
    image_weights_hash,
    initialise_backbone,
    read_image_checkpoint,
)
from recognizers.backbones.timesformer import TimeSformer
from recognizers.backbones.vit_weights import resize_positions
from tests.helpers.naming import naming

TINY = ViTConfig(image_size=24, patch_size=12, dim=16, depth=2, heads=2)
FRESH = ["blocks.0.temporal_fc.bias", "blocks.0.temporal_fc.weight"]
FRESH += ["blocks.1.temporal_fc.bias", "blocks.1.temporal_fc.weight", "time_embed"]


def single_frames(config: ViTConfig = TINY, frames: int = 1) -> TimeSformer:
    """A backbone whose elements are single frames; once time attention is the identity, it is an image ViT."""
    return TimeSformer(config, (1,) * frames, drop_path=0.0, time_embed_std=0.0).eval()


def without_time(model: TimeSformer) -> TimeSformer:
    """Let attention over time add nothing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "temporal_fc" in name:
                parameter.zero_()
    return model


def transformers_vit(**changes: Any) -> Any:
    """The real ViTModel of transformers, small, its every parameter random."""
    from transformers import ViTConfig as TransformersConfig
    from transformers import ViTModel

    sizes = {"image_size": 24, "patch_size": 12, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = ViTModel(TransformersConfig(**{**sizes, "intermediate_size": 64, "layer_norm_eps": 1e-6, **changes})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Any]:
    """A folder as a model of the Hub has it, and the model."""
    model = transformers_vit()
    model.save_pretrained(tmp_path / "vit")
    return tmp_path / "vit", model


def timm_tensors() -> dict[str, Tensor]:
    """The state dict of a timm `vit_*_patch*` of the same sizes, with its classifier."""
    torch.manual_seed(1)
    own = {name: torch.randn_like(tensor) * 0.3 for name, tensor in ImageViT(TINY).state_dict().items()}
    tensors = {name.replace("patch_embed.", "patch_embed.proj."): tensor for name, tensor in own.items()}
    return {**tensors, "head.weight": torch.zeros(3, 16), "head.bias": torch.zeros(3)}


def image_vit_of(tensors: dict[str, Tensor]) -> ImageViT:
    """Our image ViT with a timm checkpoint's weights."""
    model = ImageViT(TINY).eval()
    names = {name.replace("patch_embed.proj.", "patch_embed."): tensor for name, tensor in tensors.items()}
    model.load_state_dict({name: tensor for name, tensor in names.items() if not name.startswith("head.")})
    return model


def test_a_frame_is_to_the_backbone_what_it_is_to_transformers_vit(saved: tuple[Path, Any]) -> None:
    folder, theirs = saved
    model = single_frames(frames=2)
    report = initialise_backbone(model, folder)
    assert report.left_out == ["pooler.dense.bias", "pooler.dense.weight"] and report.resized == []
    assert sorted(report.missing) == FRESH
    frames = torch.rand(3, 2, 3, 24, 24) * 2 - 1
    with torch.inference_mode():
        expected = theirs(pixel_values=frames.flatten(0, 1)).last_hidden_state[:, 0].unflatten(0, (3, 2))
        torch.testing.assert_close(without_time(model)(frames), expected, rtol=0, atol=1e-5)


def test_a_classifier_of_transformers_loads_its_vit_and_leaves_out_its_head(tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    inner = transformers_vit()
    whole = ViTForImageClassification(inner.config).eval()
    whole.vit.load_state_dict(inner.state_dict(), strict=False)
    whole.save_pretrained(tmp_path)
    report = initialise_backbone(model := single_frames(), tmp_path)
    assert report.left_out == ["classifier.bias", "classifier.weight"]
    frames = torch.rand(2, 1, 3, 24, 24)
    with torch.inference_mode():
        expected = whole.vit(pixel_values=frames[:, 0]).last_hidden_state[:, :1]
        torch.testing.assert_close(without_time(model)(frames), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("form", ["folder", "safetensors", "pth", "wrapped"])
def test_timms_names_load_from_a_folder_a_file_and_a_pth(tmp_path: Path, form: str) -> None:
    tensors = timm_tensors()
    path = tmp_path / {"folder": "model.safetensors", "safetensors": "vit.safetensors"}.get(form, "jx_vit.pth")
    if path.suffix == ".safetensors":
        save_file(tensors, path)
        (tmp_path / "config.json").write_text(json.dumps({"architecture": "vit_tiny_patch12_24", "num_classes": 3}))
    else:
        torch.save({"model": tensors} if form == "wrapped" else tensors, path)
    model = single_frames()
    report = initialise_backbone(model, tmp_path if form == "folder" else str(path))
    assert sorted(report.left_out) == ["head.bias", "head.weight"] and sorted(report.missing) == FRESH
    assert "2 of the checkpoint left out (head.bias, head.weight)" in report.sentence()
    frames = torch.rand(2, 1, 3, 24, 24)
    with torch.inference_mode():
        expected = image_vit_of(tensors)(frames[:, 0])[:, :1]
        torch.testing.assert_close(without_time(model)(frames), expected, rtol=0, atol=1e-5)


def test_positions_are_resized_to_another_image_size_and_said_so(saved: tuple[Path, Any]) -> None:
    folder, _ = saved
    model = single_frames(ViTConfig(image_size=48, patch_size=12, dim=16, depth=2, heads=2))
    report = initialise_backbone(model, folder)
    assert report.resized == ["pos_embed"] and "1 of them resized (pos_embed)" in report.sentence()
    stored = load_file(folder / "model.safetensors")["embeddings.position_embeddings"]
    torch.testing.assert_close(model.pos_embed.detach(), resize_positions(stored, 17))


def test_a_deeper_checkpoint_gives_its_first_blocks(tmp_path: Path) -> None:
    transformers_vit(num_hidden_layers=3).save_pretrained(tmp_path)
    report = initialise_backbone(single_frames(), tmp_path)
    assert sorted(report.missing) == FRESH
    assert {name.split(".")[1] for name in report.left_out if name.startswith("blocks")} == {"2"}


@pytest.mark.parametrize("by", ["transformers", "timm", "rescaled only"])
def test_pixels_normalised_otherwise_give_the_same_features(tmp_path: Path, by: str) -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    tensors = timm_tensors()
    save_file(tensors, tmp_path / "model.safetensors")
    if by == "timm":
        (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": mean, "std": std}}))
    else:
        told: dict[str, Any] = (
            {"image_mean": mean, "image_std": std} if by == "transformers" else {"do_normalize": False}
        )
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    if by == "rescaled only":
        mean, std = [0.0] * 3, [1.0] * 3
    initialise_backbone(model := single_frames(), tmp_path)
    pixels = torch.rand(2, 3, 24, 24)
    theirs = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    with torch.inference_mode():
        ours = without_time(model)((2 * pixels - 1).unsqueeze(1))
        torch.testing.assert_close(ours, image_vit_of(tensors)(theirs)[:, :1], rtol=0, atol=2e-5)


def test_the_shipped_vit_keeps_its_name_and_its_bits() -> None:
    found = read_image_checkpoint("shipped")
    assert found.heads == 4
    stored = load_file(find_image_weights("shipped"))
    assert all(torch.equal(found.tensors[name], tensor.float()) for name, tensor in stored.items())


def test_the_hash_follows_the_weights(tmp_path: Path) -> None:
    tensors = timm_tensors()
    save_file(tensors, tmp_path / "model.safetensors")
    before = image_weights_hash(tmp_path)
    assert image_weights_hash(str(tmp_path / "model.safetensors")) == before
    save_file({**tensors, "head.bias": torch.ones(3)}, tmp_path / "model.safetensors")
    assert image_weights_hash(tmp_path) != before


def with_tensor(name: str, *shape: int) -> dict[str, Tensor]:
    """A timm checkpoint with one tensor more, or another."""
    return {**timm_tensors(), name: torch.ones(shape)}


WRONG: dict[str, tuple[dict[str, Tensor], tuple[object, ...]]] = {
    "layer scale": (with_tensor("blocks.0.ls1.gamma", 16), ("blocks.0.ls1.gamma",)),
    "wide MLP": (with_tensor("blocks.1.mlp.fc1.weight", 32, 16), ("blocks.1.mlp.fc1.weight",)),
    "width": (with_tensor("cls_token", 1, 1, 32), (32, 16)),
    "two tokens": (with_tensor("pos_embed", 1, 6, 16), ([1, 6, 16],)),
    "no ViT": ({"conv1.weight": torch.ones(4, 3, 7, 7)}, ("conv1.weight", "timm", "transformers")),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_checkpoint_of_another_architecture_is_refused_and_the_model_stays(tmp_path: Path, what: str) -> None:
    tensors, named = WRONG[what]
    save_file(tensors, tmp_path / "model.safetensors")
    model = single_frames()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(GymQAError, match=naming(*named)):
        initialise_backbone(model, tmp_path)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "named"), [({"num_attention_heads": 4}, ("heads", 4, 2)), ({"hidden_act": "relu"}, ("relu", "gelu"))]
)
def test_what_the_weights_do_not_show_is_read_from_the_configuration(
    tmp_path: Path, changes: dict[str, Any], named: tuple[object, ...]
) -> None:
    transformers_vit(**changes).save_pretrained(tmp_path)
    with pytest.raises(GymQAError, match=naming(*named)):
        initialise_backbone(single_frames(), tmp_path)


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_pth_that_runs_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    torch.save({"cls_token": Harmful(tmp_path / "made")}, tmp_path / "bad.pth")
    with pytest.raises(GymQAError, match=naming("bad.pth")):
        initialise_backbone(single_frames(), tmp_path / "bad.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("mean", [[0.5], ["a", "b", "c"], [float("nan")] * 3, 0.5])
def test_a_normalisation_that_is_none_is_refused(tmp_path: Path, mean: object) -> None:
    save_file(timm_tensors(), tmp_path / "model.safetensors")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": mean}))
    with pytest.raises(GymQAError, match=naming(tmp_path, mean)):
        read_image_checkpoint(tmp_path)


def test_what_is_not_there_or_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("model.safetensors")):
        find_image_weights(tmp_path)
    with pytest.raises(GymQAError, match=naming("none.pth")):
        find_image_weights(str(tmp_path / "none.pth"))
    (tmp_path / "vit.npz").touch()
    with pytest.raises(GymQAError, match=naming("vit.npz", ".safetensors", ".pth")):
        find_image_weights(tmp_path / "vit.npz")
    (tmp_path / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(GymQAError, match=naming("model.safetensors")):
        read_image_checkpoint(tmp_path)
