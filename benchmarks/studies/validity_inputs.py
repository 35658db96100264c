"""Inputs of gymsim_validity.py: frame features, and segments of RGB and optical flow, computed once for each clip."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gymqa.finegym.annotations import Clip, Release, read_element_list
from gymqa.frames.cache import FrameCache
from gymqa.frames.sampling import uniform
from gymqa.frames.video import decode
from gymqa.io.console import progress_bar
from gymqa.io.files import atomic_path
from gymqa.runtime.workers import end_with_parent
from recognizers.backbones.image.vit import load_image_vit, normalise

SEGMENTS = 8  # of a clip, for the networks trained from scratch
STACK = 5  # flow fields a segment, as TSN takes them
SIDE = 48  # pixels
BOUND = 16.0  # pixels of displacement, at the video's size, that flow is clipped to


@dataclass(frozen=True)
class Examples:
    """Clips of one part: element and event labels [N], source videos, ids."""

    ids: list[str]
    videos: list[str]
    elements: NDArray[np.int64]
    events: NDArray[np.int64]


def read_examples(release: Release, part: str) -> Examples:
    """The clips of `train` or `val`, in the list's order."""
    taxonomy = release.taxonomy
    path = release.annotations / f"{taxonomy.setting}_{part}_element.txt"
    clips: list[Clip] = read_element_list(path, len(taxonomy))
    labels = np.array([clip.label for clip in clips], np.int64)
    events = sorted({element.event for element in taxonomy.elements})
    of_label = np.array([events.index(element.event) for element in taxonomy.elements], np.int64)
    return Examples([c.id for c in clips], [c.video_id for c in clips], labels, of_label[labels])


def frame_features(cache: FrameCache, ids: Sequence[str], out: Path) -> None:
    """The shipped image ViT's CLS token of every cached frame: float16 [N, max_frames, D]; the rest repeats the last.

    The ViT is frozen; it was trained on poses and apparatus, not on elements.
    """
    vit = load_image_vit().eval()
    found = np.zeros((len(ids), cache.max_frames, vit.config.dim), np.float16)
    with progress_bar("frame features", len(ids)) as bar, torch.inference_mode():
        for place, clip_id in enumerate(ids):
            frames = torch.from_numpy(cache.get(clip_id)).permute(0, 3, 1, 2)
            tokens = vit(normalise(frames))[:, 0].half().numpy()
            found[place, : len(tokens)], found[place, len(tokens) :] = tokens, tokens[-1]
            bar.advance()
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.save(file, found)


def segments(release: Release, ids: Sequence[str], rgb: Path, flow: Path, workers: int) -> None:
    """Write RGB [N, SEGMENTS, 3, S, S] and flow [N, SEGMENTS, 2 * STACK, S, S], bytes, of the same moments."""
    paths = [release.clip_path(clip_id) for clip_id in ids]
    pictures, motion = [], []
    with (
        progress_bar("segments and flow", len(ids)) as bar,
        ProcessPoolExecutor(workers, initializer=end_with_parent) as pool,
    ):
        for frames, fields in pool.map(_segments_of, paths, chunksize=16):
            pictures.append(frames)
            motion.append(fields)
            bar.advance()
    for path, arrays in ((rgb, pictures), (flow, motion)):
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.stack(arrays))


def _segments_of(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """RGB and flow of one clip: the middle frame of each span, and the flow fields that begin around it."""
    cv2.setNumThreads(1)
    frames = decode(path)
    moments = uniform(len(frames), SEGMENTS)
    around = np.arange(STACK) - STACK // 2
    starts = np.clip(moments[:, None] + around, 0, len(frames) - 2)  # [SEGMENTS, STACK]
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    fields = {start: _flow(grey[start], grey[start + 1]) for start in np.unique(starts)}
    stacks = np.stack([np.concatenate([fields[start] for start in row]) for row in starts])
    pictures = [cv2.resize(frames[moment], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for moment in moments]
    return np.stack(pictures).transpose(0, 3, 1, 2).astype(np.uint8), stacks


def _flow(first: Any, second: Any) -> NDArray[np.uint8]:
    """DIS flow between two grey frames as uint8 [2, S, S]: 128 is no motion, 1 and 255 are BOUND pixels."""
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    field = solver.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    small = cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(small * (127.0 / BOUND) + 128), 0, 255).astype(np.uint8).transpose(2, 0, 1)
