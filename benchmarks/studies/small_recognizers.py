"""Small configs of all registered recognizers for CPU training: few channels, 48 px (own file: a test imports it)."""

from dataclasses import replace
from typing import Any

from recognizers.backbones.base import ModelConfig
from recognizers.backbones.registry import list_models
from recognizers.factory import model_config

_SIZES: dict[str, dict[str, Any]] = {
    "sefar": {"patch_size": 8, "dim": 128, "depth": 4, "heads": 4, "fusion_dim": 64},
    "trn": {"frame_dim": 64, "relation_dim": 128, "segments": 8, "frame_dropout": 0.2},
    "actionvlad": {"segments": 8, "clusters": 8},
    "lstm": {"segments": 8, "hidden": 128},
    "c3d": {"n_frames": 8, "wide": 256},
    "resnet3d": {"n_frames": 8},
    "i3d": {"n_frames": 8},
    "slowfast": {"n_frames": 16},
    "stgcn": {"skeleton": "gymsim15", "n_frames": 16, "dropout": 0.2},
    "two_stream": {"stack": 5},
    "two_stream_3d_fused": {"segments": 3, "stack": 5, "fused_dim": 64},
    "two_stream_i3d": {"n_frames": 8},
}
"""By family, beside 48 pixels, 16 channels after the first layer, and a dropout of 0.2 before the head."""


def small_recognizers() -> dict[str, ModelConfig]:
    """Configs by name; recognizers with equal small configs share one entry, names joined by commas."""
    names: dict[str, list[str]] = {}
    configs: dict[str, ModelConfig] = {}
    for name in list_models():
        config = _small(model_config(name))
        names.setdefault(repr(config), []).append(name)
        configs[repr(config)] = config
    return {", ".join(of_one): configs[key] for key, of_one in names.items()}


def _small(config: ModelConfig) -> ModelConfig:
    changes = {"image_size": 48, "head_dropout": 0.2, "n_classes": 24, **_SIZES.get(config.family, {})}
    if config.modality == "pose":
        del changes["image_size"]
    if config.family != "sefar":
        changes["width"] = 16
    return replace(config, **changes)
