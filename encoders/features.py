"""Features extracted once: a store of safetensors shards, written whole, added to, never changed.

index.json            the fingerprint of encoder and frames, tokens a clip, width
shard-000000.safetensors, …   tensor "tokens" [n, N, D]; the keys of its rows stand in its header
failures.json         why clips that were wanted are not in it
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from encoders.base import VideoEncoder
from gymqa.atomic import atomic_path, read_json, write_json
from gymqa.draws import hash_key
from gymqa.errors import GymQAError
from gymqa.frame_source import FrameSource
from gymqa.locks import only_writer
from gymqa.progress import progress_bar
from gymqa.runs import require_writable

BATCH = 64  # clips encoded, and rows of a shard


class FeatureStore:
    """Tokens [N, D] by key; the key of a clip's first view is its id, of view v "<id>@<v>".

    Args:
        folder: of a store made with `create_or_open`.

    Raises:
        GymQAError: there is no store, or its index or a shard is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "index.json").exists():
            raise GymQAError(f"{folder} holds no feature store; extract features first")
        index = read_json(folder / "index.json")
        try:
            self.fingerprint: dict[str, Any] = dict(index["fingerprint"])
            self.n_tokens, self.dim = int(index["n_tokens"]), int(index["dim"])
        except (KeyError, TypeError, ValueError) as error:
            raise GymQAError(
                f"{folder / 'index.json'} is damaged; remove the folder and extract the features again"
            ) from error
        self.failures: dict[str, str] = _read_failures(folder / "failures.json")
        self._places: dict[str, tuple[Path, int]] = {}
        self._loaded: dict[Path, Tensor] = {}
        for shard in sorted(folder.glob("shard-*.safetensors")):
            self._places.update({key: (shard, row) for row, key in enumerate(_keys(shard))})

    @classmethod
    def create_or_open(cls, folder: Path, fingerprint: dict[str, Any], n_tokens: int, dim: int) -> "FeatureStore":
        """The store in a folder, empty if it is new.

        Raises:
            GymQAError: it was made with another fingerprint or of another shape, or cannot be written to.
        """
        wanted = {"fingerprint": json.loads(json.dumps(fingerprint)), "n_tokens": n_tokens, "dim": dim}
        require_writable(folder)
        if not (folder / "index.json").exists():
            write_json(folder / "index.json", wanted)
        elif read_json(folder / "index.json") != wanted:
            raise GymQAError(f"{folder} holds features of another encoder or other frames; remove it or choose another")
        return cls(folder)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> list[str]:
        """All keys, in the order they came."""
        return list(self._places)

    def add(self, keys: Sequence[str], tokens: Tensor) -> None:
        """Add rows [n, N, D] under new keys; they are on disk when this returns, or not at all.

        Raises:
            ValueError: a key that is there already or comes twice, or a wrong shape.
        """
        if tuple(tokens.shape) != (len(keys), self.n_tokens, self.dim):
            raise ValueError(f"tokens {tuple(tokens.shape)} for {len(keys)} keys of [{self.n_tokens}, {self.dim}]")
        if len(set(keys)) < len(keys) or any(key in self for key in keys):
            raise ValueError("a store is only added to: a key is there already or comes twice")
        number = 1 + max((int(path.stem.split("-")[1]) for path in self.folder.glob("shard-*")), default=-1)
        shard = self.folder / f"shard-{number:06d}.safetensors"
        with atomic_path(shard) as temporary:
            save_file({"tokens": tokens.contiguous()}, temporary, {"keys": json.dumps(list(keys))})
        self._places.update({key: (shard, row) for row, key in enumerate(keys)})

    def note_failures(self, reasons: Mapping[str, str]) -> None:
        """Keep why clips are not in the store, and forget what was said of those that are by now."""
        failures = {clip: why for clip, why in {**self.failures, **reasons}.items() if clip not in self}
        if failures != self.failures:
            write_json(self.folder / "failures.json", failures)
        self.failures = failures

    def get(self, keys: Sequence[str]) -> Tensor:
        """Tokens of keys: [len(keys), N, D].

        Raises:
            GymQAError: a key is not in the store.
        """
        for key in keys:
            if key not in self._places:
                raise GymQAError(
                    f"{self.folder} has no features of {key}; extract them, or check that the clip decodes"
                )
        rows = [self._shard(path)[row] for path, row in (self._places[key] for key in keys)]
        return torch.stack(rows) if rows else torch.empty(0, self.n_tokens, self.dim)

    def _shard(self, path: Path) -> Tensor:
        """A shard's tokens, read once."""
        if path not in self._loaded:
            with safe_open(path, framework="pt") as file:
                self._loaded[path] = file.get_tensor("tokens")
        return self._loaded[path]


def _read_failures(path: Path) -> dict[str, str]:
    """Reasons by clip id; none where there is no such file."""
    reasons = read_json(path) if path.exists() else {}
    if not isinstance(reasons, dict):
        raise GymQAError(f"{path} is damaged; remove it and extract the features again")
    return {str(clip): str(reason) for clip, reason in reasons.items()}


def _keys(shard: Path) -> list[str]:
    """The keys in a shard's header.

    Raises:
        GymQAError: the shard is damaged.
    """
    try:
        with safe_open(shard, framework="pt") as file:
            keys: list[str] = json.loads(file.metadata()["keys"])
            return keys
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise GymQAError(f"{shard} is damaged; remove it and extract the features again") from error


def view_key(clip_id: str, view: int) -> str:
    """The key of a clip's view; view 0 is the clip as it is."""
    return clip_id if view == 0 else f"{clip_id}@{view}"


def extract(
    encoder: VideoEncoder, frames: FrameSource, clip_ids: Sequence[str], folder: Path, views: int = 1, seed: int = 0
) -> FeatureStore:
    """Encode what is not yet in the store, and return the store.

    View 0 is deterministic. Further views, for training on few clips, take random frames inside the encoder's spans
    and are mirrored half of the time; they depend on clip, view and seed only.

    Args:
        encoder: frozen.
        frames: a frame cache or a view of one; clips without frames are left out of the store, which keeps the reason.
        clip_ids: clips wanted.
        folder: of the store.
        views: views of a clip.
        seed: of the further views.

    Raises:
        GymQAError: the folder holds features of another encoder, frames or seed, or is being written by another
            process, or there are fewer than one view.
    """
    if views < 1:
        raise GymQAError(f"{views} views of a clip cannot be extracted; give 1 or more")
    fingerprint = {**encoder.fingerprint(), **frames.fingerprint(), "seed": seed}
    with only_writer(require_writable(folder), "the feature store"):
        store = FeatureStore.create_or_open(folder, fingerprint, encoder.n_tokens, encoder.dim)
        _add_missing(store, encoder, frames, clip_ids, views, seed)
    return store


def _add_missing(
    store: FeatureStore, encoder: VideoEncoder, source: FrameSource, clip_ids: Sequence[str], views: int, seed: int
) -> None:
    """Encode what is not yet in the store, and note which clips cannot be."""
    absent = "it is not in the frame cache"
    store.note_failures({clip: source.failures.get(clip, absent) for clip in clip_ids if clip not in source})
    wanted = [(clip, view) for view in range(views) for clip in dict.fromkeys(clip_ids) if clip in source]
    missing = [(clip, view) for clip, view in wanted if view_key(clip, view) not in store]
    with progress_bar(f"features of {encoder.name}", len(wanted), len(wanted) - len(missing)) as bar:
        for part in _batches(missing):
            frames = np.concatenate([view_frames(encoder, source, clip, view, seed) for clip, view in part])
            store.add([view_key(clip, view) for clip, view in part], encoder.encode(torch.from_numpy(frames)))
            bar.advance(len(part))


def view_frames(
    encoder: VideoEncoder, source: FrameSource, clip_id: str, view: int, seed: int
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The frames an encoder is shown of one view of a clip: uint8 [1, T, S, S, 3]."""
    n_frames = int(source.lengths([clip_id])[0])
    if view == 0:
        return source.gather([clip_id], encoder.frame_indices(n_frames, None)[None])
    rng = np.random.default_rng(int.from_bytes(hash_key("view", clip_id, view, seed), "big"))
    frames = source.gather([clip_id], encoder.frame_indices(n_frames, rng)[None])
    return np.ascontiguousarray(frames[:, :, :, ::-1]) if rng.random() < 0.5 else frames


def _batches(items: list[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Consecutive parts of at most BATCH items."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
