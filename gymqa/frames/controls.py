"""Controls: the same questions over clips whose frames tell less, or in another order, or of another element.

A model that scores the same on shuffled frames does not look at the movement; one that scores the same on another
clip's does not look at all.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices
from gymqa.frames.source import FrameSource
from gymqa.runtime.seeding import SeededRandom, hash_key

NONE, NO_VIDEO, ONE_FRAME, FROZEN = "none", "no-video", "one-frame", "frozen"
SHUFFLED, REVERSED, MISMATCHED = "shuffled", "reversed", "mismatched"
CONTROLS = (NONE, NO_VIDEO, ONE_FRAME, FROZEN, SHUFFLED, REVERSED, MISMATCHED)
Shown = tuple[str, tuple[int, ...]]
"""The clip whose frames were shown, "" where it was the one that was asked about, and which, in their order."""
_KEYS = ("control", "control_seed", "control_clips")  # what a control adds to a fingerprint


class ControlledFrames:
    """A FrameSource that shows another's frames under a control.

    one-frame: the clip is its middle frame alone. frozen: every frame is the middle one. shuffled: the frames that are
    gathered of a clip change places, so that a model is shown the same pictures in another order. reversed: the clip
    runs backward. mismatched: the frames of another clip, of another element.

    Args:
        source: a frame cache, say.
        control: one of CONTROLS but "no-video", under which nothing is looked at.
        seed: of "shuffled" and "mismatched".
        elements: clip id -> what "mismatched" must differ in; the clips among which the other one is drawn.

    Raises:
        GymQAError: an unknown control, "no-video", or "mismatched" without two elements.
    """

    def __init__(
        self, source: FrameSource, control: str, seed: int = 0, elements: Mapping[str, Hashable] | None = None
    ) -> None:
        require_control(control)
        if control == NO_VIDEO:
            raise GymQAError("under the control no-video no frames are looked at; ask the model without any")
        self._source, self._control, self._seed = source, control, seed
        self._partners: dict[str, str] = {}
        if control == MISMATCHED:
            present = {clip: element for clip, element in (elements or {}).items() if clip in source}
            self._partners = partners(present, seed)

    @property
    def folder(self) -> Path:
        """The source's."""
        return self._source.folder

    @property
    def modality(self) -> Modality:
        """The source's."""
        return self._source.modality

    @property
    def format(self) -> str:
        """The source's."""
        return self._source.format

    @property
    def size(self) -> int:
        """Pixels of a side of the square frames."""
        return self._source.size

    @property
    def failures(self) -> Mapping[str, str]:
        """Why clips that were wanted have no frames: a clip that cannot be seen is not seen under a control either."""
        return self._source.failures

    def fingerprint(self) -> dict[str, Any]:
        """The source's; with a control, its name and seed, and for "mismatched" the clips that were drawn from."""
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
        """Chosen frames of many clips at once: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a clip is not in the source.
            IndexError: a clip has fewer frames.
        """
        lengths = self.lengths(clip_ids)
        if ((indices < 0) | (indices >= lengths[:, None])).any():
            raise IndexError(f"clips of {lengths.tolist()} frames have no frames {indices.tolist()}")
        return self._source.gather(self._shown(clip_ids), self._places(clip_ids, indices))

    def shown(self, clip_id: str, indices: Indices) -> tuple[str, Indices]:
        """Whose frames `gather` shows for frames [N] of a clip, and which of them [N], in that order."""
        return self._shown([clip_id])[0], self._places([clip_id], indices[None])[0]

    def _places(self, clip_ids: Sequence[str], indices: Indices) -> Indices:
        """The frames of the clips shown that stand for these frames [B, N]."""
        if self._control in (ONE_FRAME, FROZEN):
            return np.repeat(self._source.lengths(clip_ids)[:, None] // 2, indices.shape[1], axis=1)
        if self._control == REVERSED:
            return self.lengths(clip_ids)[:, None] - 1 - indices
        if self._control == SHUFFLED:
            return np.stack([shuffled(row, clip, self._seed) for clip, row in zip(clip_ids, indices, strict=True)])
        return indices

    def _shown(self, clip_ids: Sequence[str]) -> Sequence[str]:
        """The clips whose frames are shown for these."""
        if self._control != MISMATCHED:
            return clip_ids
        for clip in clip_ids:
            if clip not in self._partners:
                raise GymQAError(f"clip {clip} has no other clip to be mismatched with; name it and its element")
        return [self._partners[clip] for clip in clip_ids]


def shown_of(source: FrameSource, clip_id: str, indices: Indices) -> Shown:
    """Whose frames a source shows for frames [N] of a clip, and which; only a control changes either."""
    if not isinstance(source, ControlledFrames):
        return "", tuple(indices.tolist())
    clip, places = source.shown(clip_id, indices)
    return "" if clip == clip_id else clip, tuple(places.tolist())


def require_control(name: str) -> None:
    """Refuse a name that is no control.

    Raises:
        GymQAError: it is none.
    """
    if name not in CONTROLS:
        raise GymQAError(f"there is no control {name!r}; choose one of {', '.join(CONTROLS)}")


def shuffled(indices: Indices, clip_id: str, seed: int) -> Indices:
    """Exchange the frames [N] among each other; a frame that comes several times is moved as one.

    The exchange depends on clip, seed and the number of different frames, and leaves no order as it was but that of
    one frame.
    """
    frames, places = np.unique(indices, return_inverse=True)
    return frames[permutation(len(frames), clip_id, seed)][places.reshape(indices.shape)]


def permutation(n: int, clip_id: str, seed: int) -> Indices:
    """A permutation [n] that depends on n, clip and seed only, and is the identity for n < 2 alone."""
    order, draws = np.arange(n), SeededRandom("shuffled", clip_id, seed)
    drawn = order
    while n > 1 and (drawn == order).all():
        drawn = np.fromiter(draws.shuffled(range(n)), np.int64, n)
    return drawn


def partners(elements: Mapping[str, Hashable], seed: int) -> dict[str, str]:
    """For every clip another one of another element; depends on the clips, their elements and the seed only.

    Raises:
        GymQAError: there is only one element.
    """
    clips = sorted(elements)
    if len(set(elements.values())) < 2:
        raise GymQAError("mismatched videos need clips of two elements or more; add clips, or leave this control out")
    found = {}
    for clip in clips:
        place = SeededRandom("mismatched", clip, seed).below(len(clips))
        while elements[clips[place]] == elements[clip]:
            place = (place + 1) % len(clips)
        found[clip] = clips[place]
    return found


def without_control(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """What the frames would depend on without their control: the encoder that a model was tuned with is compared so."""
    return {name: value for name, value in fingerprint.items() if name not in _KEYS}


class ReshuffledFrames(ControlledFrames):
    """A view of a source; every order of a clip's frames is as likely as another, the right one among them.

    The control "shuffled" keeps one order of each clip, which a network could learn by heart. Here the order depends on
    the frames that were drawn as well, and so changes from step to step, but not from run to run.

    Args:
        source: a frame cache, say.
        seed: of the orders.
    """

    def __init__(self, source: FrameSource, seed: int) -> None:
        super().__init__(source, SHUFFLED, seed)
        self._orders = seed

    def fingerprint(self) -> dict[str, Any]:
        """The source's, with the orders' name and seed."""
        return {**super().fingerprint(), "control": "reshuffled"}

    def _places(self, clip_ids: Sequence[str], indices: Indices) -> Indices:
        """The frames [B, N] in their new order."""
        rows = zip(clip_ids, indices.tolist(), strict=True)
        found = [list(SeededRandom("reshuffled", clip, self._orders, *row).shuffled(row)) for clip, row in rows]
        return np.array(found, np.int64)
