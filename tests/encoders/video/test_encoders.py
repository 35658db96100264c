"""Encoders of transformers: what they give is what the model says of the same pixels, and their files are checked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from encoders.video.factory import create_encoder
from encoders.video.hf_encoder import HFEncoder
from encoders.video.registry import EncoderOptions
from gymqa.errors import GymQAError
from tests.helpers import vision_models
from tests.helpers.naming import naming

CLIPS = torch.randint(0, 256, (3, 8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
MAKERS: dict[str, Callable[[Path], Any]] = {
    "clip": vision_models.clip,
    "eva_clip": vision_models.eva,
    "languagebind": vision_models.video_llava,
    "videomae": vision_models.videomae,
    "timesformer": vision_models.timesformer,
}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CLIP = (vision_models.CLIP_PIXELS["image_mean"], vision_models.CLIP_PIXELS["image_std"])


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def encoder(kind: str, folder: Path, **options: Any) -> HFEncoder:
    made = create_encoder(f"{kind}:{folder}", EncoderOptions(**options))
    assert isinstance(made, HFEncoder)
    return made


def normalised(frames: Tensor, values: tuple[list[float], list[float]]) -> Tensor:
    """[B, T, H, W, 3] uint8 -> [B, T, 3, H, W], written again with numpy."""
    mean, std = (np.array(one) for one in values)
    return torch.from_numpy(((frames.numpy() / 255 - mean) / std).transpose(0, 1, 4, 2, 3).astype(np.float32))


def pooled(patches: Tensor, grid: int) -> Tensor:
    """[B, T, 16, D], rows of four -> [B, T, grid², D], by hand."""
    squares, step = patches.unflatten(2, (4, 4)), 4 // grid
    cells = [
        squares[:, :, i * step : (i + 1) * step, j * step : (j + 1) * step].mean((2, 3))
        for i in range(grid)
        for j in range(grid)
    ]
    return torch.stack(cells, 2)


@torch.inference_mode()
def hidden(model: Any, pixels: Tensor, layer: int | None) -> Tensor:
    """A model's hidden states, asked for as transformers offers them."""
    out = model(pixel_values=pixels, output_hidden_states=True)
    states: Tensor = out.last_hidden_state if layer is None else out.hidden_states[layer]
    return states


@pytest.mark.parametrize("kind", ["clip", "eva_clip", "languagebind"])
@pytest.mark.parametrize(("layer", "grid"), [(-2, 2), (-1, 1), (1, 4), (3, 0)])
def test_a_frame_by_frame_encoder_gives_what_the_model_says_of_each_frame(
    kind: str, layer: int, grid: int, tmp_path: Path
) -> None:
    model, made = MAKERS[kind](tmp_path), encoder(kind, tmp_path, layer=layer, grid=grid)
    states = hidden(model, normalised(CLIPS, CLIP).flatten(0, 1), layer).unflatten(0, (3, 8))  # [3, 8, 17, 16]
    expected = torch.cat([states[:, :, :1], pooled(states[:, :, 1:], grid or 4)], 2).flatten(1, 2)
    tokens = made.encode(CLIPS)
    assert tokens.shape == (3, made.n_tokens, made.dim) and tokens.dtype == torch.float32
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)


def test_without_a_layer_the_norm_behind_the_last_block_of_blip2_is_there(tmp_path: Path) -> None:
    model, made = vision_models.eva(tmp_path), encoder("eva_clip", tmp_path, tokens="cls")
    states = hidden(model, normalised(CLIPS, CLIP).flatten(0, 1), None).unflatten(0, (3, 8))
    torch.testing.assert_close(made.encode(CLIPS), states[:, :, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [None, -2])
def test_videomaes_tokens_are_its_tubes_in_order_with_its_own_normalisation(layer: int | None, tmp_path: Path) -> None:
    model, made = vision_models.videomae(tmp_path), encoder("videomae", tmp_path, grid=2, layer=layer)
    pixels = normalised(CLIPS[:, :4], ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]))
    expected = pooled(hidden(model, pixels, layer).unflatten(1, (2, 16)), 2).flatten(1, 2)
    tokens = made.encode(CLIPS[:, :4])
    assert tokens.shape == (3, made.n_tokens, made.dim) == (3, 8, 16)
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)
    assert made.normalisation.mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize("layer", [None, -2])
def test_timesformers_tokens_are_its_cls_then_its_patches_frame_after_frame(layer: int | None, tmp_path: Path) -> None:
    model, made = vision_models.timesformer(tmp_path), encoder("timesformer", tmp_path, grid=0, layer=layer)
    states = hidden(model, normalised(CLIPS[:, :4], IMAGENET), layer)  # [3, 1 + 16 · 4, 16], time innermost
    by_frame = torch.stack([states[:, 1 + t :: 4] for t in range(4)], 1).flatten(1, 2)
    tokens = made.encode(CLIPS[:, :4])
    assert tokens.shape == (3, made.n_tokens, made.dim) == (3, 65, 16)
    torch.testing.assert_close(tokens, torch.cat([states[:, :1], by_frame], 1), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def languagebind_by_hand(tensors: dict[str, Tensor], plain: nn.Module, pixels: Tensor) -> Tensor:
    """LanguageBind's blocks from its paper's words: pixels [T, 3, 32, 32] -> [T, 17, 16], two heads."""

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(name: str, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, (16,), tensors[f"{name}.weight"], tensors[f"{name}.bias"], 1e-5)

    x: Tensor = plain.get_submodule("pre_layrnorm")(plain.get_submodule("embeddings")(pixels))
    for block in range(2):  # of three: the output of the last but one
        at = f"encoder.layers.{block}"
        x = x + tensors[f"{at}.temporal_embedding"][0].unsqueeze(1)
        frames = norm(f"{at}.temporal_layer_norm1", x).transpose(0, 1)  # [17, T, 16]
        q, k, v = (linear(f"{at}.temporal_attn.{one}_proj", frames).unflatten(-1, (2, 8)) for one in "qkv")
        weights = torch.einsum("pthd,pshd->phts", q, k).div(8**0.5).softmax(-1)
        mixed = torch.einsum("phts,pshd->pthd", weights, v).flatten(2)
        x = x + linear(f"{at}.temporal_attn.out_proj", mixed).transpose(0, 1)
        x = plain.get_submodule(at)(x, None)
    return x


def test_languagebinds_frames_attend_to_each_other_in_every_block(tmp_path: Path) -> None:
    tensors, made = vision_models.languagebind(tmp_path), encoder("languagebind", tmp_path, grid=0)
    plain = vision_models.clip(tmp_path / "plain")
    plain.load_state_dict({name: value for name, value in tensors.items() if "temporal" not in name})
    expected = torch.stack([languagebind_by_hand(tensors, plain, one) for one in normalised(CLIPS, CLIP)])
    torch.testing.assert_close(made.encode(CLIPS), expected.flatten(1, 2), rtol=1e-4, atol=1e-4)
    with pytest.raises(GymQAError, match=naming(tmp_path, 8, 4)):
        encoder("languagebind", tmp_path, n_frames=4)


@pytest.mark.parametrize("kind", ["videomae", "timesformer"])
def test_the_order_of_frames_matters_to_video_models(kind: str, tmp_path: Path) -> None:
    MAKERS[kind](tmp_path)
    made, clips = encoder(kind, tmp_path, grid=1), CLIPS[:, :4]
    one, other = made.encode(clips), made.encode(clips.flip(1))
    assert not torch.allclose(one.mean(1), other.mean(1), atol=1e-3)


def test_the_order_of_frames_does_not_matter_to_clip(tmp_path: Path) -> None:
    vision_models.clip(tmp_path)
    made = encoder("clip", tmp_path, tokens="cls")
    torch.testing.assert_close(made.encode(CLIPS.flip(1)), made.encode(CLIPS).flip(1))


def test_only_the_vision_part_of_a_larger_model_is_read(tmp_path: Path) -> None:
    for kind, make in (("clip", vision_models.whole_clip), ("eva_clip", vision_models.blip2)):
        model = make(tmp_path / kind)
        states = hidden(model, normalised(CLIPS, CLIP).flatten(0, 1), 1).unflatten(0, (3, 8))
        made = encoder(kind, tmp_path / kind, layer=1, tokens="cls")
        torch.testing.assert_close(made.encode(CLIPS), states[:, :, 0], rtol=1e-4, atol=1e-5)


def test_frames_are_resized_and_cropped_as_transformers_does_with_pil(tmp_path: Path) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    vision_models.clip(tmp_path)
    settings = {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "resample": 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, **vision_models.CLIP_PIXELS}))
    made = encoder("clip", tmp_path)
    processor = CLIPImageProcessorPil(**settings)
    for side in (24, 40, 96):
        frames = torch.randint(0, 256, (1, 1, side, side, 3), dtype=torch.uint8)
        picture = Image.fromarray(frames[0, 0].numpy())
        expected = torch.from_numpy(np.stack(processor(picture)["pixel_values"]))
        ours = made._preprocess(frames)
        assert ours.shape == (1, 1, 3, 32, 32)
        assert float((ours[0] - expected).abs().max()) < 1.01 / 255 / 0.26  # a level of 256


def test_a_clips_tokens_do_not_depend_on_how_many_are_encoded(tmp_path: Path) -> None:
    vision_models.clip(tmp_path)
    made = encoder("clip", tmp_path)
    many = CLIPS.repeat(8, 1, 1, 1, 1)  # 192 frames: three passes
    torch.testing.assert_close(made.encode(many)[-1], made.encode(CLIPS)[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_bf16_is_near_and_is_said_in_the_fingerprint(tmp_path: Path) -> None:
    vision_models.clip(tmp_path)
    exact, quick = encoder("clip", tmp_path), encoder("clip", tmp_path, precision="bf16")
    error = (exact.encode(CLIPS) - quick.encode(CLIPS)).abs().mean() / exact.encode(CLIPS).abs().mean()
    assert 0 < float(error) < 0.03
    assert quick.fingerprint() == {**exact.fingerprint(), "precision": "bf16"}


def test_the_fingerprint_follows_weights_pixels_and_options(tmp_path: Path) -> None:
    for name in ("a", "b"):
        vision_models.clip(tmp_path / name)
    found = [encoder("clip", tmp_path / "a").fingerprint(), encoder("clip", tmp_path / "b").fingerprint()]
    found += [encoder("clip", tmp_path / "a", **one).fingerprint() for one in ({"grid": 1}, {"n_frames": 4})]
    (tmp_path / "a" / "preprocessor_config.json").write_text('{"do_normalize": false}')
    found.append(encoder("clip", tmp_path / "a").fingerprint())
    assert len({json.dumps(one) for one in found}) == len(found)


def test_tensors_left_over_missing_or_of_another_shape_are_named(tmp_path: Path) -> None:
    vision_models.clip(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    changes: list[tuple[str, dict[str, Tensor]]] = [
        ("more", {**tensors, "more": torch.zeros(2)}),
        ("post_layernorm.bias", {name: one for name, one in tensors.items() if name != "post_layernorm.bias"}),
        ("post_layernorm.bias", {**tensors, "post_layernorm.bias": torch.zeros(3)}),
    ]
    for said, changed in changes:
        save_file(changed, tmp_path / "model.safetensors")
        with pytest.raises(GymQAError, match=naming(tmp_path, said)):
            encoder("clip", tmp_path)


def damage(folder: Path, what: str) -> None:
    """Make one thing wrong in a CLIP's folder."""
    config = json.loads((folder / "config.json").read_text())
    weights, pixels = folder / "model.safetensors", folder / "preprocessor_config.json"
    if what == "no weights":
        weights.unlink()
    elif what == "pickle":
        weights.rename(folder / "pytorch_model.bin")
    elif what == "half":
        weights.write_bytes(weights.read_bytes()[:100])
    elif what == "no config":
        (folder / "config.json").unlink()
    elif what == "shard outside":
        (folder / "model.safetensors.index.json").write_text('{"weight_map": {"x": "../model.safetensors"}}')
    elif what == "sizes":
        (folder / "config.json").write_text(json.dumps({**config, "hidden_size": "wide"}))
    elif what == "heads":
        (folder / "config.json").write_text(json.dumps({**config, "num_attention_heads": 3}))
    elif what == "oblong":
        pixels.write_text('{"size": {"height": 32, "width": 40}}')
    elif what == "other size":
        pixels.write_text('{"size": {"shortest_edge": 224}, "crop_size": 224}')
    elif what == "deviation":
        pixels.write_text('{"image_std": [0, 1, 1]}')
    elif what == "nearest":
        pixels.write_text('{"resample": 0}')


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no weights", ("model.safetensors",)),
        ("pickle", ("pytorch_model.bin", "model.safetensors")),
        ("half", ("model.safetensors",)),
        ("no config", ("config.json",)),
        ("shard outside", ("model.safetensors.index.json",)),
        ("sizes", ("config.json", "hidden_size")),
        ("heads", ("config.json", "(16)", "(3)")),
        ("oblong", ([32, 40],)),
        ("other size", (224, 32)),
        ("deviation", ([0, 1, 1], "preprocessor_config.json")),
        ("nearest", ("PIL", 0, "bilinear", "bicubic")),
    ],
)
def test_wrong_files_are_told_in_one_sentence(what: str, said: tuple[object, ...], tmp_path: Path) -> None:
    vision_models.clip(tmp_path)
    damage(tmp_path, what)
    with pytest.raises(GymQAError, match=naming(*said)) as refused:
        encoder("clip", tmp_path)
    assert "\n" not in str(refused.value)


def test_a_model_of_another_architecture_is_refused_by_every_kind(tmp_path: Path) -> None:
    for kind, make in MAKERS.items():
        make(tmp_path / kind)
        others = [other for other in MAKERS if other != kind]
        for other in others:
            with pytest.raises(GymQAError, match=naming(tmp_path / kind, "type")):
                encoder(other, tmp_path / kind)


@pytest.mark.parametrize(
    ("spec", "options", "said"),
    [
        ("clpi:x", {}, ("clpi", "clip")),
        ("sefar", {}, ("sefar", "sefar:FOLDER")),
        ("image", {"layer": -1}, ("image", "layer")),
        ("videomae:{folder}", {"n_frames": 8}, ("videomae", "n_frames", "layer")),
        ("clip:{folder}/nothing here", {}, ("nothing here",)),
        ("clip:{folder}", {"layer": 4}, ("layer 4", 3)),
        ("clip:{folder}", {"layer": 0}, ("layer 0", 3)),
        ("clip:{folder}", {"grid": 5}, ("4 × 4", "grid 5")),
        ("clip:me/model@", {}, ("me/model@",)),
    ],
)
def test_wrong_words_are_told_in_one_sentence(
    spec: str, options: dict[str, Any], said: tuple[object, ...], tmp_path: Path
) -> None:
    vision_models.clip(tmp_path)
    with pytest.raises(GymQAError, match=naming(*said)):
        create_encoder(spec.format(folder=tmp_path), EncoderOptions(**options))


def test_videomae_has_no_cls_token(tmp_path: Path) -> None:
    vision_models.videomae(tmp_path)
    with pytest.raises(GymQAError, match=naming(tmp_path, "CLS")):
        encoder("videomae", tmp_path, tokens="cls")


@pytest.mark.parametrize(
    "values", [{"n_frames": 0}, {"tokens": "all"}, {"grid": -1}, {"precision": "int8"}], ids=lambda one: next(iter(one))
)
def test_options_that_nothing_has_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(GymQAError, match=naming(*values.values())):
        EncoderOptions(**values)
