"""A world small enough to train in: clips of a bar that goes down or up, and settings that learn it in seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatches
from recognizers.ssl.algorithms import algorithm_named
from recognizers.ssl.augment import AugmentConfig

MODEL = SeFARConfig(image_size=16, patch_size=8, dim=16, depth=2, heads=2, fusion_dim=16, n_classes=2, drop_path=0.1)
MILD = AugmentConfig(crop_area=(0.8, 1.0), operations=1, magnitude=3.0)
CONFIG = TrainConfig(
    model=MODEL, augment=MILD, initial="none", steps=12, warm_up_steps=3, labelled_batch=6, unlabelled_batch=6,
    learning_rate=3e-3, checkpoint_every=4, log_every=2, tracker="none",
    precision="float32",
)  # fmt: skip

PLAIN = replace(  # nothing is drawn but clips and frames, which all processes draw alike
    CONFIG,
    algorithm=algorithm_named("supervised"),
    model=replace(MODEL, head_dropout=0.0, drop_path=0.0),
    augment=AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0),
)

World = tuple[FrameCache, Splits]
CLIPS = [Clip(f"V{i:02d}_E_000000_000009_A_0000_0001", f"V{i:02d}", i % 2) for i in range(36)]


def make_world(folder: Path) -> None:
    """Clips of a bright bar going down (class 0) or up (class 1): told apart by the order of frames only."""
    rng = np.random.default_rng(0)
    for clip in CLIPS:
        frames = np.full((16, 32, 32, 3), rng.integers(20, 90), np.uint8)
        for t in range(16):
            row = 2 * min(14, t + int(rng.integers(0, 2)))
            frames[t if clip.label == 0 else 15 - t, row : row + 4] = rng.integers(190, 250)
        write_video(folder / "videos" / f"{clip.id}.mp4", frames, 10)
    paths = {clip.id: folder / "videos" / f"{clip.id}.mp4" for clip in CLIPS}
    FrameCache.build(folder / "cache", paths, paths.__getitem__, 16, 16, workers=1)


def read_world(folder: Path) -> World:
    """The frames that `make_world` left in a folder, and the splits of their clips."""
    unlabelled = [replace(clip, label=None) for clip in CLIPS[10:24]]
    return FrameCache(folder / "cache"), Splits(CLIPS[:10], unlabelled, CLIPS[24:])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    mine, other = weights(a), weights(b)
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


@contextmanager
def stopped_at(stop: int) -> Iterator[None]:
    """Stop the training inside, as Ctrl-C does, when it loads the clips of a step; it must come so far."""
    at = ClipBatches.at

    def stops(self: ClipBatches, step: int) -> object:
        if step == stop:
            raise KeyboardInterrupt
        return at(self, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipBatches, "at", stops)
        with pytest.raises(KeyboardInterrupt):
            yield
