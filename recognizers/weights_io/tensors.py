"""Save, locate, hash and strictly load model weights (model.safetensors in a folder, or on the Hub)."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.hub.client import download_model, names_a_repo
from gymqa.io.files import atomic_path, read_json, sha256_of, write_text

MAX_NAMES = 3  # most tensor names of each kind in an error message


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
    """Modality that weights were trained on, from config.json; rgb by default.

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
    """Split `initial` into the weights of each network of a model.

    Args:
        source: a file, a folder, or owner/name on the Hub, for all networks; or one for each, separated by commas, as
            rgb_imagenet.pt,flow_imagenet.pt.
        streams: modalities of the networks, see `ModelConfig.streams`.

    Raises:
        GymQAError: the number of sources is not that of the networks.
    """
    if len(streams) == 1 or "," not in source or Path(source).exists():
        return (source,) * len(streams)
    each = tuple(one.strip() for one in source.split(","))
    if len(each) != len(streams) or not all(each) or {"shipped", "none"}.intersection(each):
        raise GymQAError(
            f"{source!r} does not name one file, folder or model on the Hub for each of {', '.join(streams)}; "
            "give one for all, or one each, separated by a comma, as rgb_imagenet.pt,flow_imagenet.pt"
        )
    return each


def absent_tensors(added: Collection[str], found: Collection[str]) -> list[str]:
    """All of `added` if the file has none of them, else nothing: tensors that stay fresh."""
    return list(added) if set(added).isdisjoint(found) else []


def average_input_channels(tensor: Tensor, own: Tensor) -> Tensor:
    """Average a first layer's RGB filters for another number of input channels, as in TSN (arXiv 1608.00859, 3.2).

    Weights whose shapes differ otherwise are returned unchanged.

    Args:
        tensor: loaded weights [D, 3, ...].
        own: the model's weights [D, C, ...].
    """
    of_rgb = tensor.ndim == own.ndim >= 4 and tensor.shape[1] == 3 != own.shape[1]
    if of_rgb and (*tensor.shape[:1], *tensor.shape[2:]) == (*own.shape[:1], *own.shape[2:]):
        return tensor.mean(1, keepdim=True).expand_as(own)
    return tensor


def load_exactly(model: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Load weights strictly: all names and shapes must match; values are cast to the model's dtype.

    Raises:
        GymQAError: the weights are of another architecture; lists the differing tensors.
    """
    require_same_shapes(model, weights, where)
    model.load_state_dict(weights)


def require_same_shapes(model: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Check that all names and shapes match; a model on torch's meta device takes no memory for it.

    Raises:
        GymQAError: the weights are of another architecture; lists the differing tensors.
    """
    own = model.state_dict()
    differ = [
        f"{name} is {list(weights[name].shape)} in the file and {list(own[name].shape)} by config.json"
        for name in own.keys() & weights.keys()
        if own[name].shape != weights[name].shape
    ]
    found = [
        *summarise_names("", sorted(differ)),
        *summarise_names("not in the file: ", sorted(own.keys() - weights.keys())),
        *summarise_names("in the file only: ", sorted(weights.keys() - own.keys())),
    ]
    if found:
        raise GymQAError(f"{where} holds weights of another architecture than its config.json says: {'; '.join(found)}")


def summarise_names(what: str, names: list[str]) -> list[str]:
    """The first names and the number of the others, as a list of one text; empty for no names."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return [what + ", ".join(names[:MAX_NAMES]) + more] if names else []


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
    """The SHA-256 of folder/model.safetensors.

    Raises:
        GymQAError: the file cannot be read.
    """
    return sha256_of(folder / "model.safetensors")
