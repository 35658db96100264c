"""What a model sees of a clip: its colours, its optical flow, both, what changes between its frames, or skeletons.

Each is a FrameSource. Colours are the frame cache, flow is a cache of its own that `gymqa flow` makes, the gradient is
a view of the frame cache that needs no files. rgb+flow, for two streams, is a frame and its flow one after the other.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

if TYPE_CHECKING:
    from gymqa.frame_source import FrameSource

Modality = Literal["rgb", "flow", "gradient", "pose", "rgb+flow"]
_CHANNELS: dict[Modality, int] = {"rgb": 3, "flow": 2, "gradient": 3, "pose": 3, "rgb+flow": 5}
_MADE_BY: dict[Modality, str] = {
    "rgb": "the folder of `gymqa cache`",
    "flow": "the folder of `gymqa flow`",
    "gradient": "the folder of `gymqa cache`, which it is computed from",
    "pose": "a folder of skeletons",
    "rgb+flow": "the folder of `gymqa flow`, which names its frames",
}


def channels(modality: Modality) -> int:
    """Numbers a pixel has, or a joint of a skeleton (x, y, confidence).

    Raises:
        GymQAError: there is no such modality.
    """
    if modality not in _CHANNELS:
        raise GymQAError(f"there is no modality {modality!r}; choose one of {', '.join(get_args(Modality))}")
    return _CHANNELS[modality]


def source_of(modality: Modality, folder: Path) -> "FrameSource":
    """Open what a model of this modality looks at.

    Args:
        modality: the model's.
        folder: of `gymqa cache` (rgb, gradient) or `gymqa flow` (flow, rgb+flow).

    Raises:
        GymQAError: the folder does not hold it.
    """
    from gymqa.frames import FrameCache  # which loads OpenCV; who asks for a number of channels need not wait
    from gymqa.gradients import GradientFrames
    from gymqa.joint_frames import JointFrames

    channels(modality)
    if modality == "pose":
        raise GymQAError("skeletons cannot be read yet; choose another modality")
    cache = FrameCache(folder)
    kept: dict[Modality, Modality] = {"gradient": "rgb", "rgb+flow": "flow"}
    require_modality(kept.get(modality, modality), cache)
    if modality == "rgb+flow":
        return JointFrames(cache)
    return GradientFrames(cache) if modality == "gradient" else cache


def require_modality(wanted: Modality, source: "FrameSource") -> None:
    """Refuse frames of another kind than a model sees.

    Raises:
        GymQAError: they are of another modality.
    """
    if source.modality != wanted:
        raise GymQAError(
            f"{source.folder} holds {source.modality}, and {wanted} is wanted; give {_MADE_BY[wanted]}, or take a "
            f"model that sees {source.modality}"
        )


def flow_channels(modality: Modality) -> slice | None:
    """Which channels are the x and y of a vector, so that a mirror changes the sign of the first; None for none."""
    return {"flow": slice(0, 2), "rgb+flow": slice(3, 5)}.get(modality)


def colour_channels(modality: Modality) -> slice | None:
    """Which channels are colours, which a strong view may change; None for none."""
    return slice(0, 3) if modality in ("rgb", "rgb+flow") else None


def mirrored(frames: NDArray[np.uint8], modality: Modality) -> NDArray[np.uint8]:
    """Frames as a mirror shows them: uint8 [..., S, S, C] -> the same; what moves right then moves left."""
    out = np.ascontiguousarray(frames[..., ::-1, :])
    vectors = flow_channels(modality)
    if vectors is not None:
        out[..., vectors.start] = 255 - out[..., vectors.start]
    return out
