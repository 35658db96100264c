"""Saved models: where one is, and loading weights that must fit to the last tensor."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.hub.client import download_model, names_a_repo
from gymqa.io.files import atomic_path, read_json, write_text

SHOWN = 3  # names that a complaint lists of each kind


def model_folder(source: Path | str) -> Path:
    """The folder of a saved model; one on the Hub is downloaded first.

    Args:
        source: a folder, or owner/name on the Hub (a str: a Path is always a folder).

    Raises:
        GymQAError: there is no such model, or the Hub cannot be reached.
    """
    if isinstance(source, str) and not Path(source).exists() and names_a_repo(source):
        return download_model(source)
    return Path(source)


def weights_modality(source: str) -> str:
    """What the network saw that these weights were trained in: as its config.json says, else rgb.

    Args:
        source: a folder, a file, or owner/name on the Hub, which is downloaded first.

    Raises:
        GymQAError: the Hub cannot be reached, or has no such model.
    """
    folder = model_folder(source)
    config = folder.with_name("config.json") if folder.name == "model.safetensors" else folder / "config.json"
    values = read_json(config) if config.is_file() else {}
    return str(values.get("modality", "rgb")) if isinstance(values, dict) else "rgb"


def sources_of(source: str, streams: Sequence[Modality]) -> tuple[str, ...]:
    """The weights that each of a model's networks starts from.

    Args:
        source: a file, a folder, or owner/name on the Hub, for all of them; or one for each, with commas between, as
            rgb_imagenet.pt,flow_imagenet.pt.
        streams: what the networks see, as of ModelConfig.

    Raises:
        GymQAError: more or fewer are named than there are networks.
    """
    if len(streams) == 1 or "," not in source or Path(source).exists():
        return (source,) * len(streams)
    each = tuple(one.strip() for one in source.split(","))
    if len(each) != len(streams) or not all(each) or {"shipped", "none"}.intersection(each):
        raise GymQAError(
            f"{source!r} does not name one file, folder or model on the Hub for each of {', '.join(streams)}; "
            "give one for all, or one each with a comma between, as rgb_imagenet.pt,flow_imagenet.pt"
        )
    return each


def lacking(added: Collection[str], found: Collection[str]) -> list[str]:
    """Names of tensors that a network has beyond the one it starts from: all of `added`, if none of them is found."""
    return list(added) if set(added).isdisjoint(found) else []


def for_other_channels(tensor: Tensor, own: Tensor) -> Tensor:
    """A layer's weights over colours for other pictures, where all else of its shape is ours: their mean over them.

    As in TSN (arXiv 1608.00859, 3.2). Other weights come back as they are.

    Args:
        tensor: [D, 3, ...].
        own: of our layer, [D, C, ...].
    """
    of_colours = tensor.ndim == own.ndim >= 4 and tensor.shape[1] == 3 != own.shape[1]
    if of_colours and (*tensor.shape[:1], *tensor.shape[2:]) == (*own.shape[:1], *own.shape[2:]):
        return tensor.mean(1, keepdim=True).expand_as(own)
    return tensor


def load_exactly(model: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Put weights into a model: every tensor of both, in shape; they take the model's precision.

    Raises:
        GymQAError: they are of another architecture; the tensors that differ are named.
    """
    own = model.state_dict()
    differ = [
        f"{name} is {list(weights[name].shape)} in the file and {list(own[name].shape)} by config.json"
        for name in own.keys() & weights.keys()
        if own[name].shape != weights[name].shape
    ]
    found = [
        *listed("", sorted(differ)),
        *listed("not in the file: ", sorted(own.keys() - weights.keys())),
        *listed("in the file only: ", sorted(weights.keys() - own.keys())),
    ]
    if found:
        raise GymQAError(f"{where} holds weights of another architecture than its config.json says: {'; '.join(found)}")
    model.load_state_dict(weights)


def listed(what: str, names: list[str]) -> list[str]:
    """The first of the names and how many more there are; nothing for none."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [what + ", ".join(names[:SHOWN]) + more] if names else []


def save_model(model: nn.Module, folder: Path, config: dict[str, object]) -> None:
    """Write a model's weights (safetensors) and its configuration (JSON) into `folder`, each whole or not at all."""
    with atomic_path(folder / "model.safetensors") as temporary:
        save_file({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}, temporary)
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of folder/model.safetensors.

    Raises:
        GymQAError: the file is missing or damaged.
    """
    path = folder / "model.safetensors"
    try:
        return load_file(path)
    except Exception as error:  # safetensors raises its own class, OSError or FileNotFoundError
        raise GymQAError(f"{path} is missing or damaged ({error}); train or copy the model again") from error


def weights_hash(folder: Path) -> str:
    """A hash of folder/model.safetensors.

    Raises:
        GymQAError: the file cannot be read.
    """
    return file_hash(folder / "model.safetensors")


def file_hash(path: Path) -> str:
    """The SHA-256 of a file of weights.

    Raises:
        GymQAError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GymQAError(f"{path} cannot be read ({error.strerror}); train or copy the model again") from error
