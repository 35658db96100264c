"""Input modalities (rgb, flow, gradient, pose, rgb+flow): their channels, selection of channels, mirroring.

Each is read from a FrameSource: rgb from the frame cache, flow from the cache of `gymqa flow`, gradient (temporal
differences) computed from the frame cache, pose from the cache of `gymqa poses`. rgb+flow, for two-stream networks,
concatenates the channels of a frame and its flow.
"""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.skeletons import skeleton_of

Modality = Literal["rgb", "flow", "gradient", "pose", "rgb+flow"]
_CHANNELS: dict[Modality, int] = {"rgb": 3, "flow": 2, "gradient": 3, "pose": 3, "rgb+flow": 5}
_FOLDERS: dict[Modality, str] = {
    "rgb": "the folder of `gymqa cache`",
    "flow": "the folder of `gymqa flow`",
    "gradient": "the folder of `gymqa cache` that it is computed from",
    "pose": "the folder of `gymqa poses`",
    "rgb+flow": "the folder of `gymqa flow`, which names its frames",
}


def channels(modality: Modality) -> int:
    """Number of channels of a pixel, or of a skeleton's joint (x, y, confidence).

    Raises:
        GymQAError: there is no such modality.
    """
    if modality not in _CHANNELS:
        raise GymQAError(f"there is no modality {modality!r}; choose one of {', '.join(get_args(Modality))}")
    return _CHANNELS[modality]


def made_by(modality: Modality) -> str:
    """Description of the folder that a modality is read from, for messages."""
    return _FOLDERS[modality]


def flow_channels(modality: Modality) -> slice | None:
    """Slice of the flow channels (x, y); mirroring negates x. None if there are none."""
    return {"flow": slice(0, 2), "rgb+flow": slice(3, 5)}.get(modality)


def channel_slice(wanted: Modality, shown: Modality) -> slice:
    """Slice of the channels that a model reads: all of its own modality, or one part of rgb+flow.

    Args:
        wanted: the model's modality.
        shown: the frames' modality.

    Raises:
        GymQAError: the frames do not contain the model's modality.
    """
    if wanted == shown:
        return slice(None)
    selected = {"rgb": rgb_channels(shown), "flow": flow_channels(shown)}.get(wanted)
    if selected is None:
        raise GymQAError(f"frames of modality {shown} do not contain {wanted}; give {made_by(wanted)}")
    return selected


def rgb_channels(modality: Modality) -> slice | None:
    """Slice of the RGB channels, which colour augmentation changes; None if there are none."""
    return slice(0, 3) if modality in ("rgb", "rgb+flow") else None


def mirrored(frames: NDArray[Any], modality: Modality) -> NDArray[Any]:
    """Flip frames horizontally, uint8 [..., S, S, C]; x components of flow are negated.

    For skeletons, float32 [..., J, 3], left and right joints are exchanged.
    """
    if modality == "pose":
        return np.asarray(frames[..., skeleton_of(frames.shape[-2]).mirrored, :] * np.array([-1, 1, 1], np.float32))
    out = np.ascontiguousarray(frames[..., ::-1, :])
    vectors = flow_channels(modality)
    if vectors is not None:
        out[..., vectors.start] = 255 - out[..., vectors.start]
    return out
