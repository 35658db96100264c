"""The recognizer: the paper's sizes, elements that do not see each other's time, a start from an image ViT."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones import timesformer
from recognizers.backbones.image.vit import ImageViT, ViTConfig, load_image_vit, normalise
from recognizers.backbones.registry import list_models
from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.backbones.timesformer import DividedBlock, TimeSformer
from recognizers.backbones.vit_weights import resize_positions, start_from_image_vit
from recognizers.factory import load_recognizer, model_config
from tests.helpers.naming import naming

TINY = SeFARConfig(image_size=24, patch_size=12, dim=16, depth=3, heads=2, fusion_dim=8, n_classes=5)


def randomised(config: SeFARConfig = TINY) -> SeFAR:
    """A model whose every parameter is random, so that nothing hides behind a zero."""
    torch.manual_seed(0)
    model = SeFAR(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@pytest.mark.parametrize("elements", [(2, 2, 4), (4, 4), (1, 1, 6), (2, 2, 2, 2), (8,)])
def test_any_combination_gives_elements_pairs_and_one_fused_token(elements: tuple[int, ...]) -> None:
    config = SeFARConfig(image_size=24, dim=16, depth=2, heads=2, fusion_dim=8, n_classes=5, elements=elements)
    model = SeFAR(config).eval()
    frames = torch.randn(3, 8, 3, 24, 24)
    features = model.forward_features(frames)
    assert features.tokens.shape == (3, config.tokens, 8)
    assert model(frames).shape == (3, 5)


@pytest.mark.parametrize(("image_size", "patch_size"), [(8, 8), (24, 8), (112, 16)])
def test_any_image_size_of_whole_patches(image_size: int, patch_size: int) -> None:
    sizes = {"image_size": image_size, "patch_size": patch_size, "dim": 16, "depth": 1, "heads": 2, "n_classes": 5}
    model = SeFAR(SeFARConfig(**sizes)).eval()  # type: ignore[arg-type]
    assert model(torch.randn(1, 8, 3, image_size, image_size)).shape == (1, 5)
    with pytest.raises(GymQAError, match=naming("image_size", image_size + 1, "patch_size", patch_size)):
        SeFAR(SeFARConfig(**{**sizes, "image_size": image_size + 1}))  # type: ignore[arg-type]


@pytest.mark.parametrize("elements", [(), (0, 2), (2, -1)])
def test_elements_without_frames_are_refused(elements: tuple[int, ...]) -> None:
    with pytest.raises(GymQAError, match=naming("elements", elements)):
        SeFARConfig(elements=elements)


def divided_attention_by_the_book(block: Any, x: Tensor, n: int, places: int) -> Tensor:
    """One TimeSformer block on one element, written from the paper: x [1 + n·places, D], time-major."""

    def attend(attn: Any, tokens: Tensor) -> Tensor:
        heads = block.attn.heads
        qkv = F.linear(tokens, attn.qkv.weight, attn.qkv.bias)
        dim = tokens.shape[-1]
        out = []
        for h in range(heads):
            width = dim // heads
            q, k, v = (qkv[:, part * dim + h * width : part * dim + (h + 1) * width] for part in range(3))
            out.append(torch.softmax(q @ k.T / math.sqrt(width), -1) @ v)
        return F.linear(torch.cat(out, -1), attn.proj.weight, attn.proj.bias)

    cls, patches = x[:1], x[1:].view(n, places, -1).clone()
    for p in range(places):
        time = attend(block.temporal_attn, block.temporal_norm1(patches[:, p]))
        patches[:, p] = patches[:, p] + block.temporal_fc(time)
    space = [attend(block.attn, block.norm1(torch.cat([cls, patches[t]]))) for t in range(n)]
    cls = cls + sum(s[:1] for s in space) / n
    patches = torch.stack([patches[t] + space[t][1:] for t in range(n)])
    x = torch.cat([cls, patches.flatten(0, 1)])
    return x + block.mlp(block.norm2(x))


def test_all_elements_at_once_equal_one_element_at_a_time_written_from_the_paper() -> None:
    model = randomised().double()
    backbone = model.backbone
    frames = torch.randn(1, 8, 3, 24, 24, dtype=torch.float64)
    got = backbone(frames)[0]
    first = 0
    for i, n in enumerate(TINY.elements):
        own = frames[0, first : first + n]
        conv = F.conv2d(own, backbone.patch_embed.weight, backbone.patch_embed.bias, stride=12)
        patches = conv.flatten(2).transpose(1, 2) + backbone.pos_embed[0, 1:]  # [n, P, D]
        patches = patches + backbone.time_embed[0, first : first + n, None]
        x = torch.cat([backbone.cls_token[0] + backbone.pos_embed[0, :1], patches.flatten(0, 1)])
        for block in backbone.blocks:
            x = divided_attention_by_the_book(block, x, n, 4)
        torch.testing.assert_close(got[i], backbone.norm(x)[0], rtol=1e-9, atol=1e-9)
        first += n


def test_training_and_evaluation_attention_agree() -> None:
    model = randomised()
    frames = torch.randn(2, 8, 3, 24, 24)
    with torch.inference_mode():
        without_gradient = model(frames)
    torch.testing.assert_close(model(frames), without_gradient, rtol=1e-4, atol=1e-4)


def test_the_rows_that_nobody_reads_change_no_feature_and_no_gradient() -> None:
    model, frames = randomised(), torch.randn(2, 8, 3, 24, 24)
    found = []
    for all_rows in (False, True):
        model.backbone.keeps_patches = all_rows
        model.zero_grad()
        logits = model(frames)
        logits.square().sum().backward()
        found.append((logits, {name: one.grad for name, one in model.named_parameters() if one.grad is not None}))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    assert found[0][1].keys() == found[1][1].keys()
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], rtol=1e-3, atol=1e-4)


def test_time_attention_of_frozen_blocks_is_left_out_where_it_is_zero_and_only_there() -> None:
    model, frames = replace(TINY, frozen_blocks=2).build().eval(), torch.randn(1, 8, 3, 24, 24)
    called: list[str] = []
    blocks: list[Any] = list(model.backbone.blocks)
    for number, block in enumerate(blocks):
        block.temporal_norm1.register_forward_hook(lambda *_, number=number: called.append(str(number)))
    silent = model(frames)
    assert called == ["2"]
    with torch.no_grad():
        blocks[0].temporal_fc.bias.normal_()
    assert not torch.allclose(model(frames), silent) and called == ["2", "0", "2"]


def test_written_out_and_fused_attention_over_time_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomised()
    frames = torch.randn(2, 8, 3, 24, 24)
    written_out = model(frames)
    monkeypatch.setattr(timesformer, "WRITTEN_OUT", 0)
    torch.testing.assert_close(model(frames), written_out, rtol=1e-4, atol=1e-4)


def test_more_sequences_than_a_gpus_grid_takes_are_attended_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = randomised()
    frames = torch.randn(2, 8, 3, 24, 24)
    monkeypatch.setattr(timesformer, "WRITTEN_OUT", 0)
    at_once = model(frames)
    monkeypatch.setattr(timesformer, "ROWS", 3)
    torch.testing.assert_close(model(frames), at_once, rtol=1e-4, atol=1e-4)


def test_fusion_follows_the_papers_formula() -> None:
    model = randomised()
    f = torch.randn(1, 3, 16)
    out = model.fusion(f)

    def project(layer: Any, x: Tensor) -> Tensor:
        return F.layer_norm(
            F.gelu(x @ layer.linear.weight.T + layer.linear.bias), (8,), layer.norm.weight, layer.norm.bias
        )

    s = [project(model.fusion.single, f[:, i]) for i in range(3)]
    p = [project(model.fusion.pair, torch.cat([f[:, i], f[:, j]], -1)) for i, j in ((0, 1), (0, 2), (1, 2))]
    g = project(model.fusion.joint, torch.cat([*p, *s], -1))
    torch.testing.assert_close(out.fused, g)
    torch.testing.assert_close(out.tokens, torch.stack([*s, *p, g], 1))


def test_the_order_of_frames_matters_inside_an_element_but_not_which_fine_element_comes_first_to_the_backbone() -> None:
    model = randomised()
    frames = torch.randn(1, 8, 3, 24, 24)
    swapped = frames[:, [1, 0, 2, 3, 4, 5, 6, 7]]
    before, after = model.backbone(frames), model.backbone(swapped)
    assert not torch.allclose(before[:, 0], after[:, 0], atol=1e-3)
    torch.testing.assert_close(before[:, 1:], after[:, 1:])


def test_drop_path_leaves_whole_branches_out_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    block = DividedBlock(16, 2, drop_path=0.25).train()
    factors = torch.stack([f for f in block._draw(torch.zeros(4000, 1, 1, 16), 3) if f is not None])
    assert factors.unique().tolist() == pytest.approx([0, 4 / 3])
    assert factors.mean().item() == pytest.approx(1, abs=0.02)


def test_starts_from_an_image_vit_and_says_what_became_of_each_tensor() -> None:
    image = ImageViT(ViTConfig(image_size=24, patch_size=12, dim=16, depth=3, heads=2))
    model = TimeSformer(TINY.vit, TINY.elements, 0.1, 0.02)
    report = start_from_image_vit(model, {**image.state_dict(), "head.weight": torch.zeros(2, 16)})
    assert report.left_out == ["head.weight"]
    assert sorted(report.missing) == ["blocks.0.temporal_fc.bias", "blocks.0.temporal_fc.weight"] + [
        f"blocks.{i}.temporal_fc.{part}" for i in (1, 2) for part in ("bias", "weight")
    ] + ["time_embed"]
    weight = "blocks.2.{}.qkv.weight"
    spatial = image.get_parameter(weight.format("attn"))
    torch.testing.assert_close(model.get_parameter(weight.format("temporal_attn")), spatial)
    fresh = TimeSformer(TINY.vit, TINY.elements, 0.1, 0.02)
    kept = fresh.get_parameter(weight.format("temporal_attn")).clone()
    start_from_image_vit(fresh, image.state_dict(), copy_attention=False)
    torch.testing.assert_close(fresh.get_parameter(weight.format("temporal_attn")), kept)


def test_before_training_a_loaded_model_sees_a_repeated_frame_as_the_image_vit_does() -> None:
    image = ImageViT(ViTConfig(image_size=24, patch_size=12, dim=16, depth=3, heads=2)).eval()
    model = TimeSformer(TINY.vit, TINY.elements, 0.0, time_embed_std=0.0).eval()
    start_from_image_vit(model, image.state_dict())
    with torch.no_grad():
        model.get_parameter("blocks.0.temporal_fc.weight").zero_()
    picture = torch.randn(2, 3, 24, 24)
    clip = picture.unsqueeze(1).expand(-1, 8, -1, -1, -1)
    torch.testing.assert_close(model(clip)[:, 2], image(picture)[:, 0], rtol=1e-4, atol=1e-5)


def test_positions_of_another_grid_are_resized_and_the_cls_row_kept() -> None:
    grid = torch.linspace(0, 1, 4).repeat(4, 1).flatten()  # a ramp from left to right
    positions = torch.cat([torch.tensor([9.0]), grid]).view(1, 17, 1)
    resized = resize_positions(positions, 1 + 64)
    assert resized.shape == (1, 65, 1)
    assert resized[0, 0, 0] == 9
    row = resized[0, 1:9, 0]
    assert (row.diff() > 0).all()


def test_a_folder_without_a_recognizer_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("config.json")):
        load_recognizer(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        load_recognizer(tmp_path)


def test_image_vit_saves_loads_and_refuses_a_damaged_file(tmp_path: Path) -> None:
    model = ImageViT(ViTConfig(image_size=24, patch_size=12, dim=16, depth=1, heads=2)).eval()
    model.save_pretrained(tmp_path)
    images = normalise(torch.randint(0, 256, (2, 3, 24, 24)))
    assert images.min() >= -1
    assert images.max() <= 1
    torch.testing.assert_close(load_image_vit(tmp_path)(images), model(images), rtol=1e-4, atol=1e-5)
    (tmp_path / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(GymQAError, match=naming("model.safetensors")):
        load_image_vit(tmp_path)


def test_an_unknown_model_name_is_answered_with_the_closest() -> None:
    assert {"sefar_b", "sefar_s", "sefar_tiny"} <= {*list_models()}
    assert model_config("sefar_tiny", n_classes=7).n_classes == 7
    with pytest.raises(GymQAError, match=naming("sefar_s")):
        model_config("sefar-s")


def test_frozen_blocks_stay_and_the_others_learn() -> None:
    model = TimeSformer(TINY.vit, TINY.elements, 0.0, 0.02, time_blocks=1, frozen_blocks=2)
    frames = torch.randn(2, sum(TINY.elements), 3, TINY.image_size, TINY.image_size)
    model(frames).square().sum().backward()
    learns = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert not any(name.startswith(("blocks.0.", "blocks.1.", "patch_embed.", "pos_embed")) for name in learns)
    assert {"blocks.2.attn.qkv.weight", "time_blocks.0.attn.qkv.weight", "frame_embed"} <= learns


def test_time_blocks_see_the_order_of_frames_inside_an_element_and_no_further() -> None:
    torch.manual_seed(0)
    model = TimeSformer(TINY.vit, (2, 2, 4), 0.0, 0.02, time_blocks=1, frozen_blocks=TINY.depth).eval()
    frames = torch.randn(1, 8, 3, TINY.image_size, TINY.image_size)
    swapped = frames[:, [1, 0, 2, 3, 4, 5, 6, 7]]
    with torch.inference_mode():
        one, other = model(frames), model(swapped)
    assert not torch.allclose(one[:, 0], other[:, 0], atol=1e-3)
    torch.testing.assert_close(one[:, 1:], other[:, 1:])


def test_a_frozen_frame_is_what_the_image_vit_makes_of_it() -> None:
    image = ImageViT(TINY.vit).eval()
    model = TimeSformer(TINY.vit, (1, 1), 0.0, 0.02, frozen_blocks=TINY.depth).eval()
    start_from_image_vit(model, image.state_dict())
    frames = torch.randn(2, 2, 3, TINY.image_size, TINY.image_size)
    with torch.inference_mode():
        expected = image(frames.flatten(0, 1))[:, 0].view(2, 2, -1)
        torch.testing.assert_close(model(frames), expected, atol=1e-5, rtol=1e-4)
