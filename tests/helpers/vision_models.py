"""Vision models of transformers, small and random, saved as their owners save them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    Blip2VisionConfig,
    Blip2VisionModel,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    TimesformerConfig,
    TimesformerModel,
    VideoMAEConfig,
    VideoMAEModel,
)

SIZES = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
CLIP_PIXELS = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}


def clip(folder: Path) -> Any:
    """A CLIPVisionModel."""
    return _saved(CLIPVisionModel(CLIPVisionConfig(**SIZES)), folder)


def whole_clip(folder: Path) -> Any:
    """A CLIPModel, text and vision; returns its vision model."""
    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}
    return _saved(CLIPModel(CLIPConfig(text_config=text, vision_config=SIZES, projection_dim=4)), folder).vision_model


def eva(folder: Path) -> Any:
    """A Blip2VisionModel."""
    return _saved(Blip2VisionModel(Blip2VisionConfig(**SIZES, initializer_range=0.5)), folder)


def blip2(folder: Path) -> Any:
    """What a whole, sharded BLIP-2 holds of its vision model; returns that. The other shard is not there at all."""
    model = eva(folder / "alone")
    tensors = {f"vision_model.{name}": tensor for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model-00001-of-00002.safetensors")
    shards = dict.fromkeys(tensors, "model-00001-of-00002.safetensors")
    shards["language_model.lm_head.weight"] = "model-00002-of-00002.safetensors"
    _write(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": shards})
    _write(folder / "config.json", {"model_type": "blip-2", "vision_config": {**SIZES, "model_type": "x"}})
    return model


def video_llava(folder: Path) -> Any:
    """What Video-LLaVA-7B-hf holds of its video tower, by the names it has; returns the tower."""
    model = clip(folder / "alone")
    tensors = {f"video_tower.vision_model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"image_tower.vision_model.{name}": tensor + 1 for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    _write(folder / "config.json", {"model_type": "video_llava", "vision_config": SIZES})
    return model


def languagebind(folder: Path, n_frames: int = 8) -> dict[str, Tensor]:
    """A LanguageBindVideo by the names of its checkpoint; returns its tensors."""
    tensors = {name: value.clone() for name, value in clip(folder / "alone").state_dict().items()}
    for block in range(SIZES["num_hidden_layers"]):
        at = f"encoder.layers.{block}"
        tensors[f"{at}.temporal_embedding"] = torch.randn(1, n_frames, 16)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors[f"{at}.temporal_attn.{name}.weight"] = torch.randn(16, 16) * 0.3
            tensors[f"{at}.temporal_attn.{name}.bias"] = torch.randn(16) * 0.3
        tensors[f"{at}.temporal_layer_norm1.weight"] = torch.rand(16) + 0.5
        tensors[f"{at}.temporal_layer_norm1.bias"] = torch.randn(16) * 0.1
    named = {f"vision_model.{name}": value for name, value in tensors.items()}
    text = {"text_model.final_layer_norm.weight": torch.ones(8), "logit_scale": torch.tensor(1.0)}
    position_ids = {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
    save_file({**named, **text, **position_ids}, folder / "model.safetensors")
    sizes = {**SIZES, "add_time_attn": True, "num_frames": n_frames, "force_patch_dropout": 0.5, "lora_r": 0}
    _write(folder / "config.json", {"model_type": "LanguageBindVideo", "vision_config": sizes})
    return tensors


def videomae(folder: Path) -> Any:
    """A VideoMAEModel of 4 frames in tubes of 2, that normalises pixels in its own way."""
    model = _saved(VideoMAEModel(VideoMAEConfig(**SIZES, num_frames=4, use_mean_pooling=False)), folder)
    pixels = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7], "size": {"shortest_edge": 32}, "resample": 2}
    _write(folder / "preprocessor_config.json", pixels)
    return model


def timesformer(folder: Path) -> Any:
    """A TimesformerModel of 4 frames whose temporal weights are not the zeros it starts with."""
    model = TimesformerModel(TimesformerConfig(**SIZES, num_frames=4))
    for name, parameter in model.named_parameters():
        if "tem" in name or "time" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return _saved(model, folder)


def _saved(model: Any, folder: Path) -> Any:
    """Save a model with weights far from zero, so that nothing passes by being small."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2) if parameter.ndim > 1 else torch.nn.init.normal_(parameter, 0.5, 0.1)
    model.save_pretrained(folder)
    return model.eval()


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values))
