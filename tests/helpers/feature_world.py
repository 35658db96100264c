"""Frames of noise in a cache's own files, and an encoder small enough for any test."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.video.image import ImageEncoder
from gymqa.frames.cache import FrameCache
from recognizers.backbones.image.vit import ImageViT, ViTConfig

VIT = ViTConfig(image_size=16, patch_size=8, dim=16, depth=2, heads=2)


def clip_id(number: int) -> str:
    """The id of a clip of `noise_cache`."""
    return f"V_E_000000_000009_A_{number:04d}_{number + 1:04d}"


def noise_cache(folder: Path, clips: int, size: int = 16, frames: int = 12) -> FrameCache:
    """Clips of noise, of different lengths."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (clips, frames, size, size, 3), dtype=np.uint8)
    noise.tofile(folder / "frames.bin")
    lengths = [5 + number % 8 for number in range(clips)]
    sums = [zlib.crc32(clip[:length].tobytes()) for clip, length in zip(noise, lengths, strict=True)]
    lines: list[dict[str, Any]] = [{"size": size, "max_frames": frames, "reading": 3}]
    lines += [
        {"clip_id": clip_id(number), "slot": number, "frames": lengths[number], "crc32": sums[number]}
        for number in range(clips)
    ]
    (folder / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return FrameCache(folder)


def image_encoder(folder: Path) -> ImageEncoder:
    """An ImageViT of random weights as an encoder."""
    torch.manual_seed(0)
    ImageViT(VIT).save_pretrained(folder)
    return ImageEncoder(folder)
