"""Feature extraction: an encoder's tokens of every clip and view into a feature store, by one process or several."""

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
from encoders.features.store import DTYPES, FeatureStore, opened_store, save_frame_indices
from encoders.video.base import VideoEncoder, modality_of
from gymqa.errors import GymQAError
from gymqa.frames.modality import mirrored
from gymqa.frames.source import FrameSource, require_modality
from gymqa.io.console import console, progress_bar
from gymqa.io.files import only_writer
from gymqa.runtime.precision import FLOAT32
from gymqa.runtime.runs import require_writable
from gymqa.runtime.seeding import hash_key

BATCH = 64  # largest number of clips per pass, and of rows per shard
SHARD_BYTES = 64 << 20  # approximate size of a shard

Item = tuple[str, int]
"""A clip id and the index of a view."""


def view_key(clip_id: str, view: int) -> str:
    """The key of a clip's view; view 0 is not augmented."""
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
    chosen: bool = False,
) -> FeatureStore:
    """Encode the clips and views missing in the store, and return the store.

    View 0 is deterministic. Further views, augmentations for training on few clips, sample random frames inside the
    encoder's spans and are mirrored half of the time; they depend on clip, view and seed only. The composition of
    batches depends on the wanted clips, not on the number of processes nor on an interruption: the same clips give the
    same bytes (with the same number of threads per process).

    Args:
        encoder: frozen.
        frames: a frame cache or a view of one; clips without frames are left out, with the reason in the store.
        clip_ids: wanted clips.
        folder: of the store.
        views: number of views per clip.
        seed: of the further views.
        dtype: "float32", "bf16" or "fp16", in which tokens are stored; they are read as float32.
        group: this process among several, each of which makes this call.
        chosen: the encoder's precision was chosen, not named by the user; another machine may choose another, so the
            store records it beside the fingerprint.

    Raises:
        GymQAError: frames of another modality than the encoder's, the folder holds features of another encoder,
            frames, seed, dtype or precision, or is being written by another process, the disk is full, or `views` is
            below 1.
    """
    if views < 1:
        raise GymQAError(f"{views} views of a clip cannot be extracted; give 1 or more")
    require_modality(modality_of(encoder), frames, getattr(encoder, "joints_of", ""))
    job = _Job(
        encoder, frames, list(dict.fromkeys(clip_ids)), folder, views, seed, dtype, group or SingleProcess(), chosen
    )
    return job.run()


@dataclass
class _Job:
    """One extraction in one process of the group."""

    encoder: VideoEncoder
    source: FrameSource
    clips: list[str]
    folder: Path
    views: int
    seed: int
    dtype: str
    group: ProcessGroup
    chosen: bool = False
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
        """Lock the folder, remove incomplete files of a killed writer, and create or check the index."""
        held.enter_context(only_writer(require_writable(self.folder), "the feature store"))
        reduced = {} if self.dtype == "float32" else {"dtype": self.dtype}
        fingerprint = {**self.encoder.fingerprint(), **self.source.fingerprint(), "seed": self.seed, **reduced}
        encoder, precision = self.encoder, fingerprint.get("precision")
        if not self._names_precision():
            fingerprint.pop("precision", None)
        shape = (encoder.n_tokens, encoder.dim)
        store = FeatureStore.create_or_open(self.folder, fingerprint, *shape, self.dtype, precision or FLOAT32)
        absent = "it is not in the frame cache"
        store.record_failures(
            {clip: self.source.failures.get(clip, absent) for clip in self.clips if clip not in self.source}
        )
        if self.source.size < encoder.input_size:
            console.print(
                f"frames of {self.source.size} pixels are enlarged to the input size of {encoder.name}, "
                f"{encoder.input_size}; a frame cache of that size would have more detail",
                highlight=False,
            )

    def _names_precision(self) -> bool:
        """Whether the precision belongs into the store's fingerprint: as in the store that is there, or if named."""
        there = opened_store(self.folder)
        return not self.chosen if there is None else "precision" in there.fingerprint

    def plan(self, store: FeatureStore) -> list[list[Item]]:
        """The missing items in batches: consecutive slices of the wanted ones, without those in the store."""
        row = self.encoder.n_tokens * self.encoder.dim * DTYPES[self.dtype].itemsize
        size = min(BATCH, max(1, SHARD_BYTES // row))
        wanted = ((clip, view) for view in range(self.views) for clip in self.clips if clip in self.source)
        batches = iter(lambda: list(islice(wanted, size)), [])
        missing = ([item for item in batch if view_key(*item) not in store] for batch in batches)
        return [batch for batch in missing if batch]

    def encode(self, store: FeatureStore, plan: list[list[Item]]) -> None:
        """Encode this process's batches, every `count`-th, each into a shard."""
        first, own = store.next_number(), range(self.group.index, len(plan), self.group.count)
        done = self.views * sum(clip in self.source for clip in self.clips) - sum(map(len, plan))
        missing = sum(len(plan[index]) for index in own)
        process = f", process {self.group.index + 1} of {self.group.count}" if self.group.count > 1 else ""
        with progress_bar(f"features of {self.encoder.name}{process}", done + missing, done) as bar:
            for index in own:
                self._encode_batch(store, plan[index], first + index)
                bar.advance(len(plan[index]))

    def _encode_batch(self, store: FeatureStore, batch: list[Item], number: int) -> None:
        """Encode a batch into a shard; items with non-finite tokens are left out, with the reason."""
        frames = [view_frames(self.encoder, self.source, clip, view, self.seed) for clip, view in batch]
        tokens = self.encoder.encode(torch.from_numpy(np.concatenate(frames)))
        keys, finite = [view_key(*item) for item in batch], tokens.to(DTYPES[self.dtype]).isfinite().flatten(1).all(1)
        kept = [key for key, fine in zip(keys, finite.tolist(), strict=True) if fine]
        if kept:
            store.add(kept, tokens[finite], number)
        for row in (~finite).nonzero().flatten().tolist():
            self.unusable[keys[row]] = self._why_not_finite(tokens[row])

    def _why_not_finite(self, tokens: Tensor) -> str:
        """The reason why a view's tokens [N, D] cannot be stored."""
        if bool(tokens.isfinite().all()):
            return f"its features are too large for {self.dtype}; extract them in float32 or bf16"
        return f"the encoder {self.encoder.name} gave features that are not finite; try it in float32"

    def end(self, store: FeatureStore) -> None:
        """Write the index, the frame indices, and the reasons for missing clips."""
        store.write_index()
        save_frame_indices(self.folder, self.encoder, self.source, [clip for clip in self.clips if clip in store])
        store.record_failures(self.unusable)
        if self.unusable:
            clip, why = next(iter(self.unusable.items()))
            console.print(f"{len(self.unusable)} views have no features; {clip}: {why}", highlight=False, markup=False)


def view_frames(encoder: VideoEncoder, source: FrameSource, clip_id: str, view: int, seed: int) -> NDArray[Any]:
    """The frames that an encoder samples of one view of a clip: uint8 [1, T, S, S, C], or skeletons [1, T, J, 3]."""
    n_frames = int(source.lengths([clip_id])[0])
    if view == 0:
        return source.gather([clip_id], encoder.frame_indices(n_frames, None)[None])
    rng = np.random.default_rng(int.from_bytes(hash_key("view", clip_id, view, seed), "big"))
    frames = source.gather([clip_id], encoder.frame_indices(n_frames, rng)[None])
    return mirrored(frames, source.modality) if rng.random() < 0.5 else frames
