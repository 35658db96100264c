"""Read, validate and write keypoint files, one per clip (.npz, or JSON in COCO's form), from GymSim or pose detectors.

CLIP.npz    keypoints [t, J, 3] (x, y in pixels, confidence), size [2] (width, height in pixels), and, if the joints
            are not COCO's 17, joints [J], their names. Arrays of numbers and text only; nothing is unpickled.
CLIP.json   {"width", "height", "joints" (likewise), "frames": for each frame a list of people in the form of COCO's
            results, {"keypoints": [x1, y1, c1, …], "score"}; empty if nobody was found}. The person with the highest
            score is used; without scores, with the highest mean confidence.

A joint of confidence 0 was not found; its coordinates are ignored.
"""

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.skeletons import COCO17, Keypoints
from gymqa.io.files import atomic_path, read_json

LARGEST = 64 << 20  # bytes of a clip's decompressed keypoints; an hour of COCO-17 at 25 frames per second is 18 MB
_DAMAGED = (
    OSError, ValueError, TypeError, OverflowError, EOFError, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


class ClipKeypoints(NamedTuple):
    """Keypoints [t, J, 3] of a clip in pixels, width and height of its frames, and the joints' names."""

    keypoints: Keypoints
    size: tuple[int, int]
    joints: tuple[str, ...]


def write_keypoints(path: Path, keypoints: Keypoints, size: tuple[int, int], joints: Sequence[str]) -> None:
    """Write a clip's keypoints [t, J, 3] as an .npz, atomically; equal keypoints give equal bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:  # numpy would add .npz to a path
        np.savez_compressed(file, keypoints=keypoints, size=np.array(size), joints=np.array(joints))


def read_keypoints(path: Path) -> ClipKeypoints:
    """Read a clip's keypoint file.

    Raises:
        GymQAError: it is missing, damaged or too large, an array has another shape, or a number is not finite.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise GymQAError(
                f"{path} has more than {LARGEST >> 20} MiB, too much for one clip's keypoints; check the file"
            )
        found = _read_json(path) if path.suffix == ".json" else _read_npz(path)
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; run the detector on the clip") from error
    except _DAMAGED as error:
        raise GymQAError(f"{path} holds no keypoints ({error}); docs/poses.md describes the format") from error
    return _checked(path, found)


def _read_npz(path: Path) -> ClipKeypoints:
    """Read the arrays of an .npz after checking their decompressed size."""
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > LARGEST:
            raise ValueError("its arrays are too large")
    with np.load(path, allow_pickle=False) as arrays:
        joints = [str(name) for name in arrays["joints"].ravel()] if "joints" in arrays else COCO17.joints
        width, height = arrays["size"].ravel().tolist()
        return ClipKeypoints(np.asarray(arrays["keypoints"]), (width, height), tuple(joints))


def _read_json(path: Path) -> ClipKeypoints:
    """Read a JSON file; keep the person with the highest score in each frame."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list):
        raise ValueError('it is not an object with a list "frames"')
    joints = tuple(map(str, content.get("joints", COCO17.joints)))
    shape = (len(content["frames"]), len(joints), 3)
    if 4 * math.prod(shape) > LARGEST:
        raise ValueError("it has too many frames and joints")
    keypoints = np.zeros(shape, np.float32)
    for row, people in zip(keypoints, content["frames"], strict=True):
        if people:
            row[:] = np.asarray(max(map(_person, people), key=lambda one: one[0])[1], np.float32).reshape(-1, 3)
    return ClipKeypoints(keypoints, (content["width"], content["height"]), joints)


def _person(person: Any) -> tuple[float, list[float]]:
    """One person's score and keypoints.

    Raises:
        ValueError: malformed.
    """
    if not isinstance(person, Mapping) or not isinstance(person.get("keypoints"), list):
        raise ValueError('a person is not an object with a list "keypoints"')
    values = [float(value) for value in person["keypoints"]]
    score = person.get("score")
    return (float(np.mean(values[2::3] or [0.0])) if score is None else float(score)), values


def _checked(path: Path, found: ClipKeypoints) -> ClipKeypoints:
    """Validate and convert: float32, confidences in [0, 1], joints that were not found all 0.

    Raises:
        GymQAError: an array has another shape, the frame size is not positive, or a number is not finite.
    """
    keypoints, size, joints = found
    if keypoints.dtype.kind not in "fiu" or keypoints.ndim != 3 or keypoints.shape[1:] != (len(joints), 3):
        raise GymQAError(
            f"{path} holds keypoints {list(keypoints.shape)} of {keypoints.dtype}, not [frames, {len(joints)}, 3] "
            f"numbers; name the joints if they are not COCO's 17"
        )
    if not all(isinstance(side, int | float) and 1 <= side < 1e6 for side in size):
        raise GymQAError(f"{path} has the frame size {size[0]} × {size[1]}; give width and height in pixels")
    keypoints = keypoints.astype(np.float32)
    if not np.isfinite(keypoints).all():
        raise GymQAError(f"{path} has keypoints that are not finite; write 0, 0, 0 for a joint that was not found")
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    keypoints[keypoints[..., 2] == 0] = 0
    return ClipKeypoints(keypoints, (int(size[0]), int(size[1])), joints)
