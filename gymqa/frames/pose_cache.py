"""PoseCache: build and read a cache of all clips' poses in one safetensors file, used like a frame cache.

poses.safetensors   poses [all frames, J, 3] float32: x and y in [-1, 1] over the frame's width and height, and the
                    confidence; metadata: the skeleton, each clip's number of frames, and why clips have none
"""

import json
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import video_of
from gymqa.frames.keypoints import ClipKeypoints, read_keypoints
from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices
from gymqa.frames.skeletons import Keypoints, Skeleton, skeleton_named
from gymqa.io.console import track
from gymqa.io.files import atomic_path, only_writer
from gymqa.runtime.runs import require_writable

FILE = "poses.safetensors"
FORMAT = "1"


class PoseCache:
    """Reader of a cache built by `PoseCache.build`.

    Args:
        folder: the cache's folder.

    Raises:
        GymQAError: there is no cache, or its file is damaged.
    """

    modality: Modality = "pose"
    format = "float32"
    size = sys.maxsize
    """No image size limits a model: joint coordinates are relative to the frame size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._poses, metadata = _read(folder / FILE)
        self.skeleton: Skeleton = skeleton_named(metadata["skeleton"])
        lengths: dict[str, int] = metadata["clips"]
        self.failures: dict[str, str] = metadata["failures"]
        ends = np.cumsum([0, *lengths.values()])
        if self._poses.shape != (ends[-1], len(self.skeleton), 3):
            raise GymQAError(f"{folder / FILE} holds poses of another shape than its metadata; build it again")
        self._spans = {clip: (int(start), frames) for (clip, frames), start in zip(lengths.items(), ends, strict=False)}

    def __reduce__(self) -> tuple[type["PoseCache"], tuple[Path]]:
        return PoseCache, (self.folder,)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._spans

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def clip_ids(self) -> list[str]:
        """Ids of the cached clips, in the order in which they were added."""
        return list(self._spans)

    @cached_property
    def digest(self) -> str:
        """A hash of all clips' poses."""
        return sha256("\n".join(self._spans).encode() + self._poses.tobytes()).hexdigest()

    def fingerprint(self) -> dict[str, Any]:
        """The skeleton and a hash of the poses, which distinguishes true from detected ones."""
        return {"skeleton": self.skeleton.name, "poses": self.digest}

    def get(self, clip_id: str) -> Keypoints:
        """A clip's poses, float32 [t, J, 3].

        Raises:
            GymQAError: the clip is not in the cache (with the reason if it is known).
        """
        start, frames = self._span(clip_id)
        return self._poses[start : start + frames]

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""
        return np.array([self._span(clip_id)[1] for clip_id in clip_ids], np.int64)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> Keypoints:
        """Poses at selected frames of a batch of clips: indices [B, N] -> float32 [B, N, J, 3].

        Raises:
            GymQAError: a clip is not in the cache.
            IndexError: a clip has fewer frames.
        """
        spans = np.array([self._span(clip_id) for clip_id in clip_ids], np.int64).reshape(-1, 2)
        if ((indices < 0) | (indices >= spans[:, 1:])).any():
            raise IndexError(f"clips of {spans[:, 1].tolist()} frames have no frames {indices.tolist()}")
        return self._poses[spans[:, :1] + indices]

    def _span(self, clip_id: str) -> tuple[int, int]:
        if clip_id not in self._spans:
            reason = self.failures.get(clip_id, "it was never added; build the cache with it")
            raise GymQAError(f"clip {clip_id} is not in the pose cache {self.folder}: {reason}")
        return self._spans[clip_id]

    @staticmethod
    def build(folder: Path, clip_ids: Iterable[str], keypoints: Path, skeleton: str = "coco17") -> "PoseCache":
        """Read clips' keypoint files and write the cache, replacing an existing one.

        Args:
            folder: folder of the cache.
            clip_ids: clips to cache.
            keypoints: folder of their files, CLIP.npz or CLIP.json (`gymqa.frames.keypoints`).
            skeleton: name of the skeleton whose joints are kept.

        Raises:
            GymQAError: the skeleton is unknown, `keypoints` is not a folder, a clip id is malformed, or `folder` is not
                writable or in use by another process. A clip without keypoints is not an error: the cache records
                the reason.
        """
        chosen, wanted = skeleton_named(skeleton), list(dict.fromkeys(clip_ids))
        if not keypoints.is_dir():
            raise GymQAError(f"{keypoints} is not a folder of keypoint files; name the one with CLIP.npz or CLIP.json")
        poses: dict[str, Keypoints] = {}
        failures: dict[str, str] = {}
        with only_writer(require_writable(folder), "the pose cache"):
            for clip_id in track(wanted, "reading poses", len(wanted)):
                video_of(clip_id)  # refuses ids that would lead out of the folder
                try:
                    poses[clip_id] = _normalised(read_keypoints(_file(keypoints, clip_id)), chosen)
                except GymQAError as error:
                    failures[clip_id] = str(error)
            _write(folder / FILE, chosen, poses, failures)
        return PoseCache(folder)


def _file(folder: Path, clip_id: str) -> Path:
    """Path of the clip's file: the .json if it exists, else the .npz."""
    other = folder / f"{clip_id}.json"
    return other if other.is_file() else folder / f"{clip_id}.npz"


def _normalised(clip: ClipKeypoints, skeleton: Skeleton) -> Keypoints:
    """Normalize a clip's poses [t, J, 3]: pixels to [-1, 1] over width and height; joints not found stay 0.

    Raises:
        GymQAError: no joint was found in any frame.
    """
    poses = skeleton.take(clip.keypoints, clip.joints)
    found = poses[..., 2] > 0
    if not found.any():
        raise GymQAError("no joint was found in any of its frames")
    poses[..., :2] = (poses[..., :2] / np.array(clip.size, np.float32) * 2 - 1) * found[..., None]
    return poses


def _write(path: Path, skeleton: Skeleton, poses: dict[str, Keypoints], failures: dict[str, str]) -> None:
    """Write the cache's file, atomically."""
    together = np.concatenate([np.zeros((0, len(skeleton), 3), np.float32), *poses.values()])
    clips = {clip: len(frames) for clip, frames in poses.items()}
    metadata = {
        "format": FORMAT,
        "skeleton": skeleton.name,
        "clips": json.dumps(clips),
        "failures": json.dumps(failures),
    }
    with atomic_path(path) as temporary:
        save_file({"poses": together}, temporary, metadata)
        _sort_header(temporary)


def _sort_header(path: Path) -> None:
    """Sort the header of a safetensors file, whose metadata are written in an order that differs between processes.

    Source: https://huggingface.co/docs/safetensors, "Format": the header's length in 8 bytes, its JSON, spaces.
    """
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        sorted_header = json.dumps(header, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        file.seek(8)
        file.write(sorted_header.ljust(length))


def _read(path: Path) -> tuple[Keypoints, dict[str, Any]]:
    """The poses and their metadata.

    Raises:
        GymQAError: the file is missing, damaged, or of another format.
    """
    if not path.is_file():
        raise GymQAError(f"{path.parent} holds no pose cache; build it with `gymqa poses`")
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise GymQAError(f"{path} has another format than {FORMAT}; build it again with `gymqa poses`")
            poses = file.get_tensor("poses")
        said = {name: json.loads(metadata[name]) for name in ("clips", "failures")}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise GymQAError(f"{path} is damaged ({error}); build it again with `gymqa poses`") from error
    return poses, {**said, "skeleton": metadata["skeleton"]}
