"""Control conditions: one, frozen, shuffled or reversed frames, another clip, no video; shuffled frames for training.

A model that scores the same on shuffled frames does not use the movement; one that scores the same on another clip's
frames does not use the video.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.frames.sampling import ClipTimes, Indices
from gymqa.frames.source import FrameSource, whole_frames
from gymqa.frames.video import Frames
from gymqa.runtime.seeding import SeededRandom, hash_key

NONE, NO_VIDEO, ONE_FRAME, FROZEN = "none", "no-video", "one-frame", "frozen"
SHUFFLED, REVERSED, MISMATCHED = "shuffled", "reversed", "mismatched"
CONTROLS = (NONE, NO_VIDEO, ONE_FRAME, FROZEN, SHUFFLED, REVERSED, MISMATCHED)
Shown = tuple[str, tuple[int, ...]]
"""The clip whose frames were shown ("" for the question's own clip), and their indices in order."""
_KEYS = ("control", "control_seed", "control_clips")  # keys that a control adds to a fingerprint


class ControlledFrames:
    """A FrameSource that applies a control to the frames of another.

    one-frame: the clip is reduced to its middle frame. frozen: every frame is the middle one. shuffled: the frames
    gathered from a clip are permuted. reversed: the clip runs backward. mismatched: the frames are those of another
    clip, which shows another element, or is of another video where the clips have no elements.

    Args:
        source: a frame cache, for example.
        control: one of CONTROLS except "no-video", which uses no frames.
        seed: seed of "shuffled" and "mismatched".
        elements: clip id -> element (or video); "mismatched" draws a clip of another one among these.

    Raises:
        GymQAError: an unknown control, "no-video", or "mismatched" with fewer than two elements.
    """

    def __init__(
        self, source: FrameSource, control: str, seed: int = 0, elements: Mapping[str, Hashable] | None = None
    ) -> None:
        require_control(control)
        if control == NO_VIDEO:
            raise GymQAError("the control no-video uses no frames; ask the model without any")
        self._source, self._control, self._seed = source, control, seed
        self._partners: dict[str, str] = {}
        if control == MISMATCHED:
            present = {clip: element for clip, element in (elements or {}).items() if clip in source}
            self._partners = partners(present, seed)

    @property
    def folder(self) -> Path:
        """That of the source."""
        return self._source.folder

    @property
    def modality(self) -> Modality:
        """That of the source."""
        return self._source.modality

    @property
    def format(self) -> str:
        """That of the source."""
        return self._source.format

    @property
    def size(self) -> int:
        """Pixels of a side of the square frames."""
        return self._source.size

    @property
    def failures(self) -> Mapping[str, str]:
        """Clip id -> why it has no frames; failures of the source are failures under a control, too."""
        return self._source.failures

    def fingerprint(self) -> dict[str, Any]:
        """The source's fingerprint with the control's name and seed, and for "mismatched" the pairs of clips."""
        made = self._source.fingerprint()
        if self._control == NONE:
            return made
        made = {**made, "control": self._control, "control_seed": self._seed}
        if self._control == MISMATCHED:
            made["control_clips"] = hash_key(*(word for pair in sorted(self._partners.items()) for word in pair)).hex()
        return made

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._source and (self._control != MISMATCHED or clip_id in self._partners)

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]; 1 under "one-frame"."""
        lengths = self._source.lengths(self._shown(clip_ids))
        return np.ones_like(lengths) if self._control == ONE_FRAME else lengths

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[Any]:
        """Selected frames of a batch of clips: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a clip is not in the source.
            IndexError: a clip has fewer frames.
        """
        lengths = self.lengths(clip_ids)
        if ((indices < 0) | (indices >= lengths[:, None])).any():
            raise IndexError(f"clips of {lengths.tolist()} frames have no frames {indices.tolist()}")
        return self._source.gather(self._shown(clip_ids), self._source_indices(clip_ids, indices))

    def whole(self, clip_id: str, indices: Indices) -> Frames:
        """Whole frames of a clip: indices [N] -> uint8 [N, H, W, 3].

        Raises:
            GymQAError: the clip is not in the source, or the source has no whole frames.
        """
        clip, positions = self.shown(clip_id, indices)
        return whole_frames(self._source).whole(clip, positions)

    def times(self, clip_id: str) -> ClipTimes | None:
        """Times at which `whole` shows a clip's frames: those of the shown clip, whatever it shows at them.

        Raises:
            GymQAError: the clip is not in the source, or the source has no whole frames.
        """
        clip = self._shown([clip_id])[0]
        times = whole_frames(self._source).times(clip)
        if times is None or self._control != ONE_FRAME:
            return times
        middle = float(times.seconds[self._source.lengths([clip])[0] // 2])
        return ClipTimes(times.fps, times.duration, 1, 1, (middle,))

    def shown(self, clip_id: str, indices: Indices) -> tuple[str, Indices]:
        """The clip whose frames `gather` returns for indices [N] of a clip, and the indices in that clip [N]."""
        return self._shown([clip_id])[0], self._source_indices([clip_id], indices[None])[0]

    def _source_indices(self, clip_ids: Sequence[str], indices: Indices) -> Indices:
        """Indices [B, N] in the shown clips that replace these indices [B, N]."""
        if self._control in (ONE_FRAME, FROZEN):
            return np.repeat(self._source.lengths(clip_ids)[:, None] // 2, indices.shape[1], axis=1)
        if self._control == REVERSED:
            return self.lengths(clip_ids)[:, None] - 1 - indices
        if self._control == SHUFFLED:
            return np.stack([shuffled(row, clip, self._seed) for clip, row in zip(clip_ids, indices, strict=True)])
        return indices

    def _shown(self, clip_ids: Sequence[str]) -> Sequence[str]:
        """The clips whose frames replace those of these clips."""
        if self._control != MISMATCHED:
            return clip_ids
        for clip in clip_ids:
            if clip not in self._partners:
                raise GymQAError(f"clip {clip} has no clip of another element to be exchanged with; give its element")
        return [self._partners[clip] for clip in clip_ids]


def shown_of(source: FrameSource, clip_id: str, indices: Indices) -> Shown:
    """The clip and indices that a source returns for indices [N] of a clip; only a control changes them."""
    if not isinstance(source, ControlledFrames):
        return "", tuple(indices.tolist())
    clip, positions = source.shown(clip_id, indices)
    return "" if clip == clip_id else clip, tuple(positions.tolist())


def require_control(name: str, more: Iterable[str] = ()) -> None:
    """Check the name of a control of the frames.

    Args:
        name: the control.
        more: further controls that could have been meant, for the message.

    Raises:
        GymQAError: there is no such control.
    """
    if name not in CONTROLS:
        raise GymQAError(f"there is no control {name!r}; choose one of {', '.join((*CONTROLS, *more))}")


def shuffled(indices: Indices, clip_id: str, seed: int) -> Indices:
    """Permute the distinct frames among indices [N]; repeated frames move together.

    The permutation depends on the clip, the seed and the number of distinct frames, and is never the identity for two
    or more.
    """
    frames, positions = np.unique(indices, return_inverse=True)
    return frames[permutation(len(frames), clip_id, seed)][positions.reshape(indices.shape)]


def permutation(n: int, clip_id: str, seed: int) -> Indices:
    """A permutation [n] seeded by n, clip and seed; never the identity for n >= 2."""
    order, rng = np.arange(n), SeededRandom("shuffled", clip_id, seed)
    drawn = order
    while n > 1 and (drawn == order).all():
        drawn = np.fromiter(rng.shuffled(range(n)), np.int64, n)
    return drawn


def partners(elements: Mapping[str, Hashable], seed: int) -> dict[str, str]:
    """Clip id -> a random clip of another element, seeded by the clip and the seed.

    Raises:
        GymQAError: there are fewer than two elements.
    """
    clips = sorted(elements)
    if len(set(elements.values())) < 2:
        raise GymQAError("mismatched videos need clips of two elements (or videos) or more; add clips, or leave it out")
    found = {}
    for clip in clips:
        position = SeededRandom("mismatched", clip, seed).below(len(clips))
        while elements[clips[position]] == elements[clip]:
            position = (position + 1) % len(clips)
        found[clip] = clips[position]
    return found


def without_control(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """A fingerprint without the keys of a control, to compare with the encoder that a model was tuned on."""
    return {name: value for name, value in fingerprint.items() if name not in _KEYS}


class ReshuffledFrames(ControlledFrames):
    """A FrameSource for training on shuffled frames: a new uniformly random order each time, reproducible.

    The control "shuffled" keeps one order per clip, which a network could memorize. Here the order also depends on the
    sampled frames, and so changes from step to step, but not from run to run.

    Args:
        source: a frame cache, for example.
        seed: seed of the orders.
    """

    def __init__(self, source: FrameSource, seed: int) -> None:
        super().__init__(source, SHUFFLED, seed)
        self._orders = seed

    def fingerprint(self) -> dict[str, Any]:
        """The source's fingerprint with the control's name and seed."""
        return {**super().fingerprint(), "control": "reshuffled"}

    def _source_indices(self, clip_ids: Sequence[str], indices: Indices) -> Indices:
        """The indices [B, N] in a random order."""
        rows = zip(clip_ids, indices.tolist(), strict=True)
        found = [list(SeededRandom("reshuffled", clip, self._orders, *row).shuffled(row)) for clip, row in rows]
        return np.array(found, np.int64)
