"""Features extracted once: an encoder's tokens of every clip into a feature store, by one process or several."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.features.process_group import ProcessGroup, SingleProcess
from encoders.features.store import DTYPES, FeatureStore, save_frame_indices
from encoders.video.base import VideoEncoder, modality_of
from gymqa.errors import GymQAError
from gymqa.frames.modality import mirrored
from gymqa.frames.source import FrameSource, require_modality
from gymqa.io.console import console, progress_bar
from gymqa.io.files import only_writer
from gymqa.runtime.runs import require_writable
from gymqa.runtime.seeding import hash_key

BATCH = 64  # most clips encoded at once, and most rows of a shard
SHARD_BYTES = 64 << 20  # of a shard, about

Item = tuple[str, int]
"""A clip and a view of it."""


def view_key(clip_id: str, view: int) -> str:
    """The key of a clip's view; view 0 is the clip as it is."""
    return clip_id if view == 0 else f"{clip_id}@{view}"


def extract(
    encoder: VideoEncoder,
    frames: FrameSource,
    clip_ids: Sequence[str],
    folder: Path,
    views: int = 1,
    seed: int = 0,
    dtype: str = "float32",
    group: ProcessGroup | None = None,
) -> FeatureStore:
    """Encode what is not yet in the store, and return the store.

    View 0 is deterministic. Further views, for training on few clips, take random frames inside the encoder's spans
    and are mirrored half of the time; they depend on clip, view and seed only. Which clips are encoded together
    depends on the clips wanted, not on the number of processes nor on where an earlier call was stopped: the same
    clips give the same bytes (with as many threads in a process).

    Args:
        encoder: frozen.
        frames: a frame cache or a view of one; clips without frames are left out of the store, which keeps the reason.
        clip_ids: clips wanted.
        folder: of the store.
        views: views of a clip.
        seed: of the further views.
        dtype: "float32", "bf16" or "fp16", in which the tokens are kept; they are read as float32.
        group: this process among several, each of which makes this call.

    Raises:
        GymQAError: frames of another modality than the encoder's, the folder holds features of another encoder,
            frames, seed or dtype, or is being written by another process, the disk is full, or there are fewer than one
            view.
    """
    if views < 1:
        raise GymQAError(f"{views} views of a clip cannot be extracted; give 1 or more")
    require_modality(modality_of(encoder), frames, getattr(encoder, "joints_of", ""))
    job = _Job(encoder, frames, list(dict.fromkeys(clip_ids)), folder, views, seed, dtype, group or SingleProcess())
    return job.run()


@dataclass
class _Job:
    """One extraction, as one process sees it."""

    encoder: VideoEncoder
    source: FrameSource
    clips: list[str]
    folder: Path
    views: int
    seed: int
    dtype: str
    group: ProcessGroup
    unusable: dict[str, str] = field(default_factory=dict)

    def run(self) -> FeatureStore:
        """Extract what is missing, together with the other processes; process 0 opens and closes the store."""
        main = self.group.index == 0
        with ExitStack() as held:
            refusal = None
            if main:
                try:
                    self.begin(held)
                except GymQAError as error:
                    refusal = str(error)
            self.group.agree(refusal)
            store = FeatureStore(self.folder)
            plan = self.plan(store)
            self.group.collect({})  # all have read the store before any writes to it
            self.encode(store, plan)
            self.unusable = self.group.collect(self.unusable)
            store = FeatureStore(self.folder)
            if main:
                self.end(store)
        return store

    def begin(self, held: ExitStack) -> None:
        """Take the folder's lock, remove what a killed writer left half-written, and make or check the index."""
        held.enter_context(only_writer(require_writable(self.folder), "the feature store"))
        for left in self.folder.glob(".shard-*"):
            left.unlink()
        reduced = {} if self.dtype == "float32" else {"dtype": self.dtype}
        fingerprint = {**self.encoder.fingerprint(), **self.source.fingerprint(), "seed": self.seed, **reduced}
        encoder = self.encoder
        store = FeatureStore.create_or_open(self.folder, fingerprint, encoder.n_tokens, encoder.dim, self.dtype)
        absent = "it is not in the frame cache"
        store.record_failures(
            {clip: self.source.failures.get(clip, absent) for clip in self.clips if clip not in self.source}
        )
        if self.source.size < encoder.input_size:
            console.print(
                f"frames of {self.source.size} pixels are enlarged to the {encoder.input_size} that {encoder.name} "
                "sees; a frame cache of that size would show it more",
                highlight=False,
            )

    def plan(self, store: FeatureStore) -> list[list[Item]]:
        """What is missing, in batches: consecutive parts of all that is wanted, less what is there."""
        row = self.encoder.n_tokens * self.encoder.dim * DTYPES[self.dtype].itemsize
        size = min(BATCH, max(1, SHARD_BYTES // row))
        wanted = ((clip, view) for view in range(self.views) for clip in self.clips if clip in self.source)
        batches = iter(lambda: list(islice(wanted, size)), [])
        missing = ([item for item in batch if view_key(*item) not in store] for batch in batches)
        return [batch for batch in missing if batch]

    def encode(self, store: FeatureStore, plan: list[list[Item]]) -> None:
        """Encode this process's share of the batches, every `count`-th, each into a shard."""
        first, own = store.next_number(), range(self.group.index, len(plan), self.group.count)
        there = self.views * sum(clip in self.source for clip in self.clips) - sum(map(len, plan))
        missing = sum(len(plan[place]) for place in own)
        shared = f", process {self.group.index + 1} of {self.group.count}" if self.group.count > 1 else ""
        with progress_bar(f"features of {self.encoder.name}{shared}", there + missing, there) as bar:
            for place in own:
                self._encode_batch(store, plan[place], first + place)
                bar.advance(len(plan[place]))

    def _encode_batch(self, store: FeatureStore, batch: list[Item], number: int) -> None:
        """Encode some clips into a shard; those whose tokens are not finite are left out, with the reason."""
        frames = [view_frames(self.encoder, self.source, clip, view, self.seed) for clip, view in batch]
        tokens = self.encoder.encode(torch.from_numpy(np.concatenate(frames)))
        keys, finite = [view_key(*item) for item in batch], tokens.to(DTYPES[self.dtype]).isfinite().flatten(1).all(1)
        kept = [key for key, fine in zip(keys, finite.tolist(), strict=True) if fine]
        if kept:
            store.add(kept, tokens[finite], number)
        for row in (~finite).nonzero().flatten().tolist():
            self.unusable[keys[row]] = self._why_not_finite(tokens[row])

    def _why_not_finite(self, tokens: Tensor) -> str:
        """Why a view's tokens [N, D] cannot be kept."""
        if bool(tokens.isfinite().all()):
            return f"its features are too large for {self.dtype}; extract them in float32 or bf16"
        return f"the encoder {self.encoder.name} gave features that are not finite; try it in float32"

    def end(self, store: FeatureStore) -> None:
        """Write the index, which frames were taken, and why clips are missing."""
        store.write_index()
        save_frame_indices(self.folder, self.encoder, self.source, [clip for clip in self.clips if clip in store])
        store.record_failures(self.unusable)
        if self.unusable:
            clip, why = next(iter(self.unusable.items()))
            console.print(f"{len(self.unusable)} views have no features; {clip}: {why}", highlight=False, markup=False)


def view_frames(encoder: VideoEncoder, source: FrameSource, clip_id: str, view: int, seed: int) -> NDArray[Any]:
    """The frames an encoder is shown of one view of a clip: uint8 [1, T, S, S, C], or skeletons [1, T, J, 3]."""
    n_frames = int(source.lengths([clip_id])[0])
    if view == 0:
        return source.gather([clip_id], encoder.frame_indices(n_frames, None)[None])
    rng = np.random.default_rng(int.from_bytes(hash_key("view", clip_id, view, seed), "big"))
    frames = source.gather([clip_id], encoder.frame_indices(n_frames, rng)[None])
    return mirrored(frames, source.modality) if rng.random() < 0.5 else frames
