"""Feature store: append-only safetensors shards of encoder tokens, with index, failures and frame indices.

index.json            fingerprint of encoder and frames, tokens per clip, width, dtype; the shards' keys and sizes;
                      precision, in which they were computed: in the fingerprint only where the user named it
shard-000000-HASH.safetensors, …   tensor "tokens" [n, N, D]; its header has the fingerprint and the rows' keys
failures.json         reasons why wanted clips are missing
frames.json           clip and frame indices that the first views were computed from

A shard's name ends with a hash of its keys, so that concurrent processes never write the same name. Shards missing in
the index (the writer was killed before it wrote the index; a store of an older gymqa) are read for their keys.
Tokens are memory-mapped: a row is read from disk on access.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.frames.controls import Shown, shown_of
from gymqa.frames.source import FrameSource
from gymqa.io.files import atomic_path, read_json, write_json, write_text
from gymqa.io.typed_json import Typed, Width, read_as
from gymqa.runtime.precision import FLOAT32
from gymqa.runtime.runs import require_writable
from gymqa.runtime.seeding import hash_key

if TYPE_CHECKING:
    from encoders.video.base import VideoEncoder

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SHARDS = "shard-*.safetensors"
FRAMES_FILE = "frames.json"
HEADER = "features"  # a single entry, since safetensors does not preserve order; older stores have "keys"


class _Shard(Typed):
    """A shard's size and keys in index.json."""

    bytes: int
    keys: tuple[str, ...]


class _Index(Typed):
    """index.json of a store."""

    fingerprint: dict[str, Any]
    n_tokens: Width
    dim: Annotated[int, Field(ge=1, le=1 << 22)]
    dtype: Literal["float32", "bf16", "fp16"] = "float32"
    precision: str | None = None
    shards: dict[str, _Shard] = Field(default_factory=dict)


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
        index = read_as(folder / "index.json", _Index, "remove the folder and extract the features again")
        self.fingerprint: dict[str, Any] = index.fingerprint
        self.n_tokens, self.dim, self.dtype = index.n_tokens, index.dim, index.dtype
        self.precision = index.precision or str(self.fingerprint.get("precision", FLOAT32))
        self._dtype = DTYPES[self.dtype]
        self.failures: dict[str, str] = _read_failures(folder / "failures.json")
        self._keys: dict[Path, list[str]] = {}
        self._rows: dict[str, tuple[Path, int]] = {}
        self._mapped: dict[Path, Tensor] = {}
        for shard in sorted(folder.glob(SHARDS)):
            known = index.shards.get(shard.name)
            size, keys = (-1, []) if known is None else (known.bytes, list(known.keys))
            if size != shard.stat().st_size:
                with _reading(shard) as file:
                    keys = _keys(file, shard, self.fingerprint)
            self._add_shard(shard, keys)

    @classmethod
    def create_or_open(
        cls,
        folder: Path,
        fingerprint: dict[str, Any],
        n_tokens: int,
        dim: int,
        dtype: str = "float32",
        precision: str | None = None,
    ) -> "FeatureStore":
        """Open the store in a folder, or create an empty one.

        Args:
            folder: of the store.
            fingerprint: of encoder, frames and seed.
            n_tokens: N, tokens per clip.
            dim: D, their width.
            dtype: in which they are kept.
            precision: of their computation; None takes it from the fingerprint.

        Raises:
            GymQAError: it has another fingerprint, shape or precision, or cannot be written to.
        """
        if dtype not in DTYPES:
            raise GymQAError(f"features cannot be kept in {dtype!r}; choose one of {', '.join(DTYPES)}")
        wanted = {"dtype": dtype, "n_tokens": n_tokens, "dim": dim, "fingerprint": json.loads(json.dumps(fingerprint)),
                  "precision": precision or fingerprint.get("precision", FLOAT32)}  # fmt: skip
        require_writable(folder)
        if not (folder / "index.json").exists():
            write_json(folder / "index.json", wanted)
        store = cls(folder)
        differs = [name for name, value in wanted.items() if getattr(store, name) != value]
        if differs:
            raise GymQAError(
                f"{folder} holds features of another encoder or other frames "
                f"({_difference(wanted, store, differs[0])}); remove it or choose another"
            )
        return store

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def keys(self) -> list[str]:
        """All keys, in order of insertion."""
        return list(self._rows)

    def next_number(self) -> int:
        """The number of the next shard."""
        return 1 + max((int(shard.name.split("-")[1].split(".")[0]) for shard in self._keys), default=-1)

    def add(self, keys: Sequence[str], tokens: Tensor, number: int | None = None) -> None:
        """Write rows [n, N, D] under new keys as a shard, atomically.

        Args:
            keys: of the rows.
            tokens: any floating dtype, cast to the store's.
            number: of the shard; None takes the next.

        Raises:
            GymQAError: the disk is full.
            ValueError: an existing or duplicate key, or a wrong shape.
        """
        if tuple(tokens.shape) != (len(keys), self.n_tokens, self.dim):
            raise ValueError(f"tokens {tuple(tokens.shape)} for {len(keys)} keys of [{self.n_tokens}, {self.dim}]")
        if len(set(keys)) < len(keys) or any(key in self for key in keys):
            raise ValueError("a store is append-only: a key exists already or comes twice")
        number = self.next_number() if number is None else number
        shard = self.folder / f"shard-{number:06d}-{hash_key(*keys).hex()[:8]}.safetensors"
        header = {HEADER: json.dumps({"fingerprint": self.fingerprint, "keys": list(keys)}, sort_keys=True)}
        try:
            with atomic_path(shard) as temporary:
                save_file({"tokens": tokens.to(self._dtype).contiguous()}, temporary, header)
        except (SafetensorError, OSError) as error:
            raise GymQAError(
                f"cannot write {shard} ({error}); the features in the store are whole, so make room and run it again"
            ) from error
        self._add_shard(shard, list(keys))

    def write_index(self) -> None:
        """Write the keys of all shards to the index; called by the one writer at its end."""
        shards = {path.name: {"bytes": path.stat().st_size, "keys": keys} for path, keys in self._keys.items()}
        sizes = {"n_tokens": self.n_tokens, "dim": self.dim, "dtype": self.dtype, "precision": self.precision}
        write_json(self.folder / "index.json", {"fingerprint": self.fingerprint, **sizes, "shards": shards})

    def record_failures(self, reasons: Mapping[str, str]) -> None:
        """Save the reasons for missing clips, without those now in the store."""
        failures = {clip: why for clip, why in {**self.failures, **reasons}.items() if clip not in self}
        if failures != self.failures:
            write_json(self.folder / "failures.json", failures)
        self.failures = failures

    def get(self, keys: Sequence[str]) -> Tensor:
        """Tokens by key: float32 [len(keys), N, D].

        Raises:
            GymQAError: a key is not in the store.
        """
        for key in keys:
            if key not in self._rows:
                raise GymQAError(
                    f"{self.folder} has no features of {key}; extract them, or check that the clip decodes"
                )
        rows = [self._rows_of(path)[row] for path, row in (self._rows[key] for key in keys)]
        return torch.stack(rows).float() if rows else torch.empty(0, self.n_tokens, self.dim)

    def _add_shard(self, shard: Path, keys: list[str]) -> None:
        """Register a shard's rows."""
        self._keys[shard] = keys
        self._rows.update({key: (shard, row) for row, key in enumerate(keys)})

    def _rows_of(self, shard: Path) -> Tensor:
        """A shard's tokens [n, N, D], memory-mapped."""
        if shard not in self._mapped:
            with _reading(shard) as file:
                keys, tokens = _keys(file, shard, self.fingerprint), file.get_tensor("tokens")
            if keys != self._keys[shard] or tuple(tokens.shape) != (len(keys), self.n_tokens, self.dim):
                raise GymQAError(f"{shard} is not what the store's index says; remove it and extract them again")
            self._mapped[shard] = tokens
        return self._mapped[shard]


def opened_store(folder: Path) -> FeatureStore | None:
    """The store in a folder, if there is one."""
    return FeatureStore(folder) if (folder / "index.json").exists() else None


def _difference(wanted: Mapping[str, Any], store: FeatureStore, name: str) -> str:
    """Describe how a store differs from the wanted one."""
    there, asked = getattr(store, name), wanted[name]
    if name == "fingerprint":
        return str(fingerprint_difference(there, asked))
    return f"{name} {str(there)[:40]} there, {str(asked)[:40]} now"


def fingerprint_difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """The first entry in which two fingerprints differ, with both values; None where they are equal."""
    name = next((one for one in {**there, **asked} if there.get(one) != asked.get(one)), None)
    return None if name is None else f"{name} {str(there.get(name))[:40]} there, {str(asked.get(name))[:40]} now"


def _read_failures(path: Path) -> dict[str, str]:
    """Reasons by clip id; none where there is no such file."""
    reasons = read_json(path) if path.exists() else {}
    if not isinstance(reasons, dict):
        raise GymQAError(f"{path} is damaged; remove it and extract the features again")
    return {str(clip): str(reason) for clip, reason in reasons.items()}


@contextmanager
def _reading(shard: Path) -> Iterator[Any]:
    """Context of an open shard.

    Raises:
        GymQAError: the shard is damaged.
    """
    try:
        with safe_open(shard, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise GymQAError(f"{shard} is damaged; remove it and extract the features again") from error


def _keys(file: Any, shard: Path, fingerprint: Mapping[str, Any]) -> list[str]:
    """The keys in an open shard's header.

    Raises:
        GymQAError: the shard holds features of another fingerprint.
    """
    header = file.metadata()
    known = json.loads(header[HEADER]) if HEADER in header else {"keys": json.loads(header["keys"])}
    if known.get("fingerprint", fingerprint) != fingerprint:
        raise GymQAError(f"{shard} holds features of another encoder or other frames than its store; remove it")
    return [str(key) for key in known["keys"]]


def save_frame_indices(folder: Path, encoder: "VideoEncoder", source: FrameSource, clips: Iterable[str]) -> None:
    """Save the frame indices of the first views of clips, beside those already saved; atomically.

    Raises:
        GymQAError: the file is damaged, or cannot be written.
    """
    known = load_frame_indices(folder)
    there = [clip for clip in clips if clip in source]
    found = {
        clip: shown_of(source, clip, np.asarray(encoder.frame_indices(int(length), None)))
        for clip, length in zip(there, source.lengths(there) if there else [], strict=True)
    }
    if known | found != known:
        write_text(
            folder / FRAMES_FILE, json.dumps(dict(sorted((known | found).items())), separators=(",", ":")) + "\n"
        )


def load_frame_indices(folder: Path) -> dict[str, Shown]:
    """By clip id the clip and frame indices its features were computed from; empty for an older store.

    Raises:
        GymQAError: the file is damaged.
    """
    path = folder / FRAMES_FILE
    if not path.exists():
        return {}
    try:
        return {str(clip): (str(other), tuple(map(int, frames))) for clip, (other, frames) in read_json(path).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise GymQAError(f"{path} is damaged; remove it and extract the features again") from error
