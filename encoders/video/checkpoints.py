"""Reader of vision-model checkpoints in transformers' format: the vision part of a larger model, safetensors only.

Of a sharded model on the Hub only the shards with wanted tensors are downloaded.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.hub.client import download_files, names_a_repo
from gymqa.io.files import visible_files
from gymqa.io.typed_json import read_object, require_buildable

WEIGHTS, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
PREPROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class Part:
    """Location of the vision model in a checkpoint.

    Attributes:
        config: key of its configuration in config.json; "" for the whole file.
        prefixes: possible prefixes of its tensors' names; the first that occurs is taken.
    """

    config: str = ""
    prefixes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Content of a vision model's files.

    Attributes:
        source: folder or Hub name, for errors.
        config: its configuration.
        preprocessor: its preprocessor_config.json; empty where there is none.
        tensors: its weights, by name without the prefix.
        revision: the Hub's commit; "" for a folder.
    """

    source: str
    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    revision: str

    def weights_hash(self) -> str:
        """SHA-256 of tensors and configuration, independent of the rest of the files."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def read_checkpoint(source: str, parts: Mapping[str, Part], wanted: str) -> Checkpoint:
    """Read a vision model.

    Args:
        source: a folder; or owner/name on the Hub, with @revision (branch, tag or commit) or without.
        parts: location of the vision model, by config.json's model type.
        wanted: description for errors, as "a CLIP vision model".

    Raises:
        GymQAError: no such folder or model, one of another architecture, a missing or damaged file, or weights as
            a pickle only.
    """
    repo, revision = _split(source)
    folder = download_files(repo, [CONFIG, INDEX, *PREPROCESSORS], revision) if repo else Path(source)
    if not folder.is_dir():
        raise GymQAError(f"{source} is neither a folder nor a model on the Hub; give a folder, or owner/name@revision")
    config = read_object(folder / CONFIG)
    require_buildable(folder / CONFIG, config)
    kind = str(config.get("model_type"))
    if kind not in parts:
        raise GymQAError(f"{source} holds a model of the type {kind}, not {wanted}; it would be {', '.join(parts)}")
    part = parts[kind]
    sizes = config.get(part.config) if part.config else config
    if not isinstance(sizes, dict):
        raise GymQAError(f"{source}: config.json has no {part.config}; copy or download the model again")
    preprocessor = next((read_object(folder / name) for name in PREPROCESSORS if (folder / name).is_file()), {})
    tensors = _read_tensors(source, folder, part.prefixes, repo, revision)
    return Checkpoint(source, sizes, preprocessor, tensors, folder.name if repo else "")


def _split(source: str) -> tuple[str, str | None]:
    """A Hub name and its revision; an empty name for a folder."""
    repo, at, revision = source.partition("@")
    if Path(source).exists() or not names_a_repo(repo):
        return "", None
    if at and not revision:
        raise GymQAError(f"{source} names no revision behind the @; give a branch, tag or commit, or drop the @")
    return repo, revision or None


def _read_tensors(
    source: str, folder: Path, prefixes: tuple[str, ...], repo: str, revision: str | None
) -> dict[str, Tensor]:
    """The tensors below a prefix, by name without it, from one file or from the shards that have some."""
    if not (folder / INDEX).is_file():
        if repo:
            folder = download_files(repo, [WEIGHTS], revision)
        _require_file(folder / WEIGHTS, source)
        return _from_file(folder / WEIGHTS, prefixes)
    shard_of = read_object(folder / INDEX).get("weight_map")
    if not isinstance(shard_of, dict) or not all(_plain_name(shard) for shard in shard_of.values()):
        raise GymQAError(f"{folder / INDEX} names no files beside it; copy or download the model again")
    prefix = _prefix(shard_of, prefixes, source)
    shards = sorted({shard for name, shard in shard_of.items() if name.startswith(prefix)})
    if repo:
        folder = download_files(repo, shards, revision)
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        _require_file(folder / shard, source)
        tensors.update(_from_file(folder / shard, (prefix,)))
    return tensors


def _plain_name(shard: Any) -> bool:
    """Whether an index entry is a safetensors file of its own folder."""
    return isinstance(shard, str) and shard.endswith(".safetensors") and Path(shard).name == shard


def _require_file(path: Path, source: str) -> None:
    """Raise an error for a model without safetensors; a pickle could run any code."""
    if path.is_file():
        return
    pickled = next((file.name for file in visible_files(path.parent, "*.bin")), None)
    if pickled is not None:
        raise GymQAError(f"{source} holds {pickled}, a pickle, which is never read; convert it to {path.name}")
    raise GymQAError(
        f"{source} has no {path.name}; copy it again, or name a revision that has it (owner/name@refs/pr/1 is often it)"
    )


def _prefix(names: Collection[str], prefixes: tuple[str, ...], source: str) -> str:
    """The first prefix that occurs among the names."""
    found = next((prefix for prefix in prefixes if any(name.startswith(prefix) for name in names)), None)
    if found is None:
        raise GymQAError(f"{source} has no tensors {' or '.join(prefixes)}…; it is not the model its config.json names")
    return found


def _from_file(path: Path, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors of one safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            prefix = _prefix(names, prefixes, str(path))
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names if name.startswith(prefix)}
    except (SafetensorError, OSError) as error:
        raise GymQAError(f"{path} is damaged ({error}); copy or download the model again") from error
