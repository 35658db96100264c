"""FrameSource, the Protocol of everything that frames are read from, WholeFrames of those with times; their checks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, made_by
from gymqa.frames.sampling import ClipTimes, Indices
from gymqa.frames.video import Frames


class FrameSource(Protocol):
    """Frames by clip id: cached ones, or ones computed from a cache (see gymqa.frames.modality)."""

    @property
    def folder(self) -> Path:
        """Folder of the cache that they are read or computed from."""

    @property
    def modality(self) -> Modality:
        """Modality of the frames."""

    @property
    def format(self) -> str:
        """Storage format: raw or jpeg."""

    @property
    def size(self) -> int:
        """Side of the square frames in pixels."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Clip id -> reason why the clip has no frames."""

    def fingerprint(self) -> dict[str, Any]:
        """Settings that the frames depend on (size, control, …), as JSON values."""

    def __contains__(self, clip_id: object) -> bool:
        """Whether there are frames of this clip."""

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[Any]:
        """Selected frames of a batch of clips: indices [B, N] -> uint8 [B, N, S, S, C]; poses: float32 [B, N, J, 3]."""


@runtime_checkable
class WholeFrames(FrameSource, Protocol):
    """A FrameSource that has the whole frames, too, of which `gather` gives the center squares, and their times."""

    def whole(self, clip_id: str, indices: Indices) -> Frames:
        """Whole frames of a clip: indices [N] -> uint8 [N, H, W, 3]."""

    def times(self, clip_id: str) -> ClipTimes | None:
        """Times of a clip's frames; None where they are not known."""


def whole_frames(source: FrameSource) -> WholeFrames:
    """The source, as one of whole frames.

    Raises:
        GymQAError: it has none.
    """
    if not isinstance(source, WholeFrames):
        raise GymQAError(f"{source.folder} holds no whole frames; give a folder of `gymqa cache`")
    return source


def require_modality(wanted: Modality, source: "FrameSource", joints_of: str = "", instead: str = "") -> None:
    """Check that frames have the modality (and skeleton) of a model.

    Args:
        wanted: the model's modality.
        source: the frames.
        joints_of: the model's skeleton; "" if it takes images.
        instead: alternative for the message; "" suggests another model.

    Raises:
        GymQAError: the frames have another modality or skeleton.
    """
    if source.modality != wanted:
        raise GymQAError(
            f"{source.folder} holds {source.modality}, but {wanted} is needed; give {made_by(wanted)}, or choose "
            f"{instead or f'a model of modality {source.modality}'}"
        )
    seen = source.fingerprint().get("skeleton", "")
    if seen != joints_of:
        mend = f"make it with --skeleton {joints_of}" if joints_of else "train an stgcn"
        raise GymQAError(
            f"{source.folder} holds skeletons of {seen}, but the model takes {joints_of or 'images'}; {mend}"
        )
