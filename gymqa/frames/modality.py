"""What a model sees of a clip: its colours, its optical flow, both, what changes between its frames, or skeletons.

Each is a FrameSource. Colours are the frame cache, flow is a cache of its own that `gymqa flow` makes, the gradient is
a view of the frame cache that needs no files, skeletons are a cache of their own that `gymqa poses` makes. rgb+flow,
for two streams, is a frame and its flow one after the other.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

if TYPE_CHECKING:
    from gymqa.frames.source import FrameSource

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


def source_of(modality: Modality, folder: Path, instead: str = "") -> "FrameSource":
    """Open what a model of this modality, or its training, looks at.

    Args:
        modality: the model's, or its training's.
        folder: of `gymqa cache` (rgb, gradient), `gymqa flow` (flow, rgb+flow) or `gymqa poses` (pose).
        instead: as of `require_modality`.

    Raises:
        GymQAError: the folder does not hold it.
    """
    from gymqa.frames.cache import FrameCache  # which loads OpenCV; who asks for a number of channels need not wait
    from gymqa.frames.joint_frames import JointFrames
    from gymqa.frames.views import GradientFrames

    channels(modality)
    if modality == "pose":
        from gymqa.frames.pose_cache import PoseCache

        return PoseCache(folder)
    cache = FrameCache(folder)
    kept: dict[Modality, Modality] = {"gradient": "rgb", "rgb+flow": "flow"}
    require_modality(kept.get(modality, modality), cache, instead=instead)
    if modality == "rgb+flow":
        return JointFrames(cache)
    return GradientFrames(cache) if modality == "gradient" else cache


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


def flow_channels(modality: Modality) -> slice | None:
    """Which channels are the x and y of a vector, so that a mirror changes the sign of the first; None for none."""
    return {"flow": slice(0, 2), "rgb+flow": slice(3, 5)}.get(modality)


def part_of(wanted: Modality, shown: Modality) -> slice:
    """Which channels of frames a model sees: all of its own modality, of rgb+flow those of the one or the other.

    Args:
        wanted: the model's modality.
        shown: the frames'.

    Raises:
        GymQAError: the frames do not show it.
    """
    if wanted == shown:
        return slice(None)
    part = {"rgb": colour_channels(shown), "flow": flow_channels(shown)}.get(wanted)
    if part is None:
        raise GymQAError(f"frames of {shown} do not show {wanted}; give {made_by(wanted)}")
    return part


def colour_channels(modality: Modality) -> slice | None:
    """Which channels are colours, which a strong view may change; None for none."""
    return slice(0, 3) if modality in ("rgb", "rgb+flow") else None


def mirrored(frames: NDArray[Any], modality: Modality) -> NDArray[Any]:
    """Frames as a mirror shows them: uint8 [..., S, S, C] -> the same; what moves right then moves left.

    Of skeletons, float32 [..., J, 3], left and right joints change places.
    """
    if modality == "pose":
        from gymqa.frames.skeletons import skeleton_of

        return np.asarray(frames[..., skeleton_of(frames.shape[-2]).mirrored, :] * np.array([-1, 1, 1], np.float32))
    out = np.ascontiguousarray(frames[..., ::-1, :])
    vectors = flow_channels(modality)
    if vectors is not None:
        out[..., vectors.start] = 255 - out[..., vectors.start]
    return out
