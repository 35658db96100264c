"""Which language model a name means, and whether it is still the same one; imports no torch."""

import hashlib
from functools import lru_cache
from pathlib import Path

from gymqa.errors import GymQAError

TINY_VICUNA = "tiny-vicuna"
_EMBEDDED = Path(__file__).parent / "tiny_vicuna"
_FILES = ("*.safetensors", "*.bin", "config.json", "tokenizer*")  # what a model's answers depend on


def llm_fingerprint(name: str = TINY_VICUNA) -> dict[str, str | None]:
    """What a language model is: its name, and a hash of its files (a folder) or its commit (a name on the Hub).

    Its configuration and tokenizer are read, its weights are not loaded: a quick way to see that it is there. For
    tiny-vicuna, which is always there, not even transformers is imported.

    Raises:
        GymQAError: nothing loadable under that name.
    """
    folder = Path(source(name))
    commit = None if name == TINY_VICUNA else _require_loadable(name)
    if not folder.is_dir():
        return {"name": name, "commit": commit}
    files = sorted(path for pattern in _FILES for path in folder.glob(pattern))
    if not any(path.suffix in (".safetensors", ".bin") for path in files):
        raise refusal(name, OSError("it has no weights"))
    together = hashlib.sha256()
    for path in files:
        status = path.stat()
        together.update(f"{path.name} {_file_hash(path, status.st_size, status.st_mtime_ns)}\n".encode())
    return {"name": name, "files": together.hexdigest()}


def _require_loadable(name: str) -> str | None:
    """Read configuration and tokenizer; the commit of a model of the Hub."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        commit: str | None = getattr(AutoConfig.from_pretrained(name), "_commit_hash", None)
        AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise refusal(name, error) from error
    return commit


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, modified: int) -> str:
    """A hash of a file, read once while its size and time stay as they are."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source(name: str) -> str:
    """What transformers loads for a name: the package's own folder for tiny-vicuna, else the name itself."""
    return str(_EMBEDDED) if name == TINY_VICUNA else name


def refusal(name: str, error: Exception) -> GymQAError:
    """What the user is told about a language model that cannot be loaded."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return GymQAError(
        f"the language model {name!r} cannot be loaded ({reason}); give 'tiny-vicuna', a name on the Hub, "
        "or a folder with config.json, weights and tokenizer"
    )
