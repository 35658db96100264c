"""What encoders and answering models read frames from: the frame cache, or a view of it with its frames changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, made_by
from gymqa.frames.sampling import Indices


class FrameSource(Protocol):
    """Frames by clip id: decoded ones, or what is computed from them (gymqa.frames.modality)."""

    @property
    def folder(self) -> Path:
        """Where they lie, or what they are computed from."""

    @property
    def modality(self) -> Modality:
        """What a frame shows."""

    @property
    def format(self) -> str:
        """How they are kept: raw, jpeg."""

    @property
    def size(self) -> int:
        """Pixels of a side of the square frames."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Why clips that were wanted have no frames, by clip id."""

    def fingerprint(self) -> dict[str, Any]:
        """What the frames depend on beside the clips: sizes, a control; JSON values."""

    def __contains__(self, clip_id: object) -> bool:
        """Whether there are frames of this clip."""

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[Any]:
        """Chosen frames of many clips at once: indices [B, N] -> uint8 [B, N, S, S, C]; poses: float32 [B, N, J, 3]."""


def require_modality(wanted: Modality, source: "FrameSource", joints_of: str = "", instead: str = "") -> None:
    """Refuse frames of another kind than a model sees.

    Args:
        wanted: the model's modality.
        source: the frames.
        joints_of: the skeleton that the model sees; "" where it sees pictures.
        instead: what may be taken in place of other frames; "" is another model.

    Raises:
        GymQAError: they are of another modality, or skeletons of other joints.
    """
    if source.modality != wanted:
        raise GymQAError(
            f"{source.folder} holds {source.modality}, and {wanted} is wanted; give {made_by(wanted)}, or take "
            f"{instead or f'a model that sees {source.modality}'}"
        )
    seen = source.fingerprint().get("skeleton", "")
    if seen != joints_of:
        mend = f"make it with --skeleton {joints_of}" if joints_of else "train an stgcn"
        raise GymQAError(
            f"{source.folder} holds the skeletons {seen}, and the model sees {joints_of or 'pictures'}; {mend}"
        )
