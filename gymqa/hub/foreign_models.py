"""Folders of transformers models by others: config.json is checked before transformers builds anything from it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.io.files import visible_files
from gymqa.io.typed_json import read_object, require_buildable

_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
_PARAMETERS_A_BYTE = 4  # twice what 4-bit weights hold


def check_config(folder: Path) -> None:
    """Check a model's config.json, if there is one.

    Raises:
        GymQAError: it is no JSON object, asks for impossible sizes, or for attention code from the Hub.
    """
    path = folder / "config.json"
    if not path.is_file():
        return
    values = read_object(path)
    require_buildable(path, values)
    _check_attention(path, values)


def check_weights(folder: Path, parameters: int) -> None:
    """Check that the weights' files are large enough for the network that config.json describes.

    Raises:
        GymQAError: they are not.
    """
    files = [file for pattern in ("*.safetensors", "*.bin") for file in visible_files(folder, pattern)]
    size = sum(file.stat().st_size for file in files)
    if files and parameters > _PARAMETERS_A_BYTE * size:
        raise GymQAError(
            f"{folder / 'config.json'} describes {parameters:,} parameters, and the weights beside it have "
            f"{size:,} bytes; copy or download the model again"
        )


@contextmanager
def reading_foreign(refusal: Callable[[Exception], GymQAError]) -> Iterator[None]:
    """Turn whatever transformers, tokenizers, jinja or torch raise for a foreign model's files into a user's error.

    Raises:
        GymQAError: of `refusal`.
    """
    try:
        yield
    except GymQAError:
        raise
    except Exception as error:  # damaged files raise a dozen kinds, from KeyError to classes of Rust
        raise refusal(error) from error


def _check_attention(path: Path, values: Any) -> None:
    """Refuse an attention implementation that transformers would fetch, and run, from the Hub."""
    for name, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(value, dict | list):
            _check_attention(path, value)
        elif str(name).endswith("attn_implementation") and value is not None and value not in _ATTENTION:
            raise GymQAError(f"{path}: {name} cannot be {value!r}; choose one of {', '.join(_ATTENTION)}")
