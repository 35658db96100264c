"""What a model sees of a clip: its colours, its optical flow, both, what changes between its frames, or skeletons.

Each is a FrameSource. Colours are the frame cache, flow is a cache of its own that `gymqa flow` makes, the gradient is
a view of the frame cache that needs no files, skeletons are a cache of their own that `gymqa poses` makes. rgb+flow,
for two streams, is a frame and its flow one after the other.
"""

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.skeletons import skeleton_of

if TYPE_CHECKING:
    pass

Modality = Literal["rgb", "flow", "gradient", "pose", "rgb+flow"]
_CHANNELS: dict[Modality, int] = {"rgb": 3, "flow": 2, "gradient": 3, "pose": 3, "rgb+flow": 5}
_MADE_BY: dict[Modality, str] = {
    "rgb": "the folder of `gymqa cache`",
    "flow": "the folder of `gymqa flow`",
    "gradient": "the folder of `gymqa cache`, which it is computed from",
    "pose": "the folder of `gymqa poses`",
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


def made_by(modality: Modality) -> str:
    """The folder that frames of a modality are read from, in words."""
    return _MADE_BY[modality]


def flow_channels(modality: Modality) -> slice | None:
    """Which channels are the x and y of a vector, so that a mirror changes the sign of the first; None for none."""
    return {"flow": slice(0, 2), "rgb+flow": slice(3, 5)}.get(modality)


def channel_slice(wanted: Modality, shown: Modality) -> slice:
    """Which channels of frames a model sees: all of its own modality, of rgb+flow those of the one or the other.

    Args:
        wanted: the model's modality.
        shown: the frames'.

    Raises:
        GymQAError: the frames do not show it.
    """
    if wanted == shown:
        return slice(None)
    part = {"rgb": rgb_channels(shown), "flow": flow_channels(shown)}.get(wanted)
    if part is None:
        raise GymQAError(f"frames of {shown} do not show {wanted}; give {made_by(wanted)}")
    return part


def rgb_channels(modality: Modality) -> slice | None:
    """Which channels are colours, which a strong view may change; None for none."""
    return slice(0, 3) if modality in ("rgb", "rgb+flow") else None


def mirrored(frames: NDArray[Any], modality: Modality) -> NDArray[Any]:
    """Frames as a mirror shows them: uint8 [..., S, S, C] -> the same; what moves right then moves left.

    Of skeletons, float32 [..., J, 3], left and right joints change places.
    """
    if modality == "pose":
        return np.asarray(frames[..., skeleton_of(frames.shape[-2]).mirrored, :] * np.array([-1, 1, 1], np.float32))
    out = np.ascontiguousarray(frames[..., ::-1, :])
    vectors = flow_channels(modality)
    if vectors is not None:
        out[..., vectors.start] = 255 - out[..., vectors.start]
    return out
