"""SnippetStore: folder of snippet features, one safetensors file for each video, and their extraction.

snippets.json         fingerprint of the network, frames a second, width
VIDEO.safetensors     tensor "features" float16 [T, D], row k at second (k + ½) / fps
failures.json         reasons of requested videos without features
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gymqa.download.videos import find_raw_video
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import VIDEO_ID
from gymqa.frames.video import VideoError
from gymqa.io.console import progress_bar
from gymqa.io.files import atomic_path, only_writer, read_json, write_json
from gymqa.io.typed_json import Typed, Width, read_as, read_object
from gymqa.runtime.runs import require_writable
from recognizers.localization.network import running_sum, span_means
from recognizers.localization.segments import VideoSegment
from recognizers.localization.snippets import SnippetEncoder, video_features
from recognizers.training.checkpoint import writing_reported

INDEX, FAILURES = "snippets.json", "failures.json"
REMAKE = "remove the folder and make it again"


class _Index(Typed):
    """The index of a store."""

    fps: float = Field(gt=0, le=10_000)
    dim: Width
    fingerprint: dict[str, Any]


class SnippetStore:
    """Features of the videos of one release, from one network.

    Args:
        folder: of `extract_snippets`.

    Raises:
        GymQAError: the folder holds no store, or its index is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / INDEX).exists():
            raise GymQAError(f"{folder} holds no snippet features; make them with `gymqa localize features`")
        index = read_as(folder / INDEX, _Index, REMAKE)
        self.fps, self.dim = index.fps, index.dim
        self.seen_by: dict[str, Any] = {**index.fingerprint, "fps": self.fps}
        failures = read_object(folder / FAILURES, REMAKE) if (folder / FAILURES).exists() else {}
        self.failures = {str(video): str(why) for video, why in failures.items()}

    def __contains__(self, video_id: object) -> bool:
        return isinstance(video_id, str) and self.path(video_id).is_file()

    def path(self, video_id: str) -> Path:
        """Path of a video's file, which need not exist.

        Raises:
            GymQAError: `video_id` is no video id, so that the path could leave the folder.
        """
        if VIDEO_ID.fullmatch(video_id) is None:
            raise GymQAError(f"{video_id!r} is no video id; use at most 64 letters, digits, - and _")
        return self.folder / f"{video_id}.safetensors"

    def missing(self, video_id: str) -> str:
        """Reason why a video has no features."""
        return self.failures.get(video_id, f"{video_id} was never added; run `gymqa localize features` with it")

    def features(self, video_id: str) -> Tensor:
        """Features of a whole video: float32 [T, D].

        Raises:
            GymQAError: the video is not in the store, or its file is damaged.
        """
        if video_id not in self:
            raise GymQAError(f"{self.folder} has no features of {video_id}: {self.missing(video_id)}")
        try:
            found = load_file(self.path(video_id))["features"]
        except (SafetensorError, KeyError, OSError) as error:
            raise GymQAError(f"{self.path(video_id)} is damaged; remove it and make the features again") from error
        if found.ndim != 2 or found.shape[1] != self.dim or not len(found):
            raise GymQAError(f"{self.path(video_id)} does not match the store's index; remove it and make it again")
        return found.float()

    def snippets(self, features: Tensor, segment: VideoSegment, seconds: float) -> Tensor:
        """Mean features of a video segment's snippets, the last of which may exceed it: float32 [T, D].

        A snippet at the end of the video is averaged over the part inside.

        Args:
            features: of the whole video.
            segment: part of it, or all.
            seconds: length of a snippet.
        """
        end = len(features) / self.fps if segment.end is None else segment.end
        count = max(1, math.ceil((end - segment.start) / seconds - 1e-6))
        starts = segment.start + seconds * torch.arange(count, dtype=torch.float64)
        spans = torch.stack([starts, starts + seconds], 1) * self.fps
        return span_means(running_sum(features), spans.clamp(max=len(features)))


def extract_snippets(
    encoder: SnippetEncoder, root: Path, video_ids: Iterable[str], folder: Path, fps: float
) -> SnippetStore:
    """Extract features of the raw videos that the store lacks, including those that failed before.

    Args:
        encoder: the frozen network.
        root: folder of the release, with its `videos`.
        video_ids: ids of the videos.
        folder: of the store; created if absent.
        fps: frames a second that are encoded.

    Raises:
        GymQAError: the folder holds features of another network or rate, or cannot be written to.
    """
    wanted = list(dict.fromkeys(video_ids))
    index = {"fingerprint": encoder.fingerprint(), "fps": float(fps), "dim": encoder.dim}
    with only_writer(require_writable(folder), "snippet features in"):
        if (folder / INDEX).exists() and read_json(folder / INDEX) != index:
            raise GymQAError(f"{folder} holds features of another network or rate; choose another folder with --out")
        write_json(folder / INDEX, index)
        store = SnippetStore(folder)
        _add(store, encoder, root, wanted)
    return SnippetStore(folder)


def _add(store: SnippetStore, encoder: SnippetEncoder, root: Path, wanted: list[str]) -> None:
    missing = [video_id for video_id in wanted if video_id not in store]
    failures = {video_id: why for video_id, why in store.failures.items() if video_id not in missing}
    with progress_bar("features of videos", len(wanted), len(wanted) - len(missing)) as bar:
        for video_id in missing:
            path = find_raw_video(root, video_id)
            try:
                if path is None:
                    raise VideoError(f"{root / 'videos'} has no video {video_id}; bring or render it")
                features = video_features(path, encoder, store.fps)
            except VideoError as error:
                failures[video_id] = str(error)
            else:
                with writing_reported(store.folder), atomic_path(store.path(video_id)) as temporary:
                    save_file({"features": features.contiguous()}, temporary)
            write_json(store.folder / FAILURES, failures)
            bar.advance(note=video_id)
