"""Which language model a name means, where its files are, and whether it is still the same one; imports no torch.

A name is "tiny-vicuna", a local folder, or owner/name on the Hub, there with `@revision` if not the newest is meant.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.hub.client import download_llm, download_model, names_a_repo

TINY_VICUNA = "tiny-vicuna"
_EMBEDDED = Path(__file__).parents[1] / "tiny_vicuna"
_FILES = ("*.safetensors", "*.bin", "config.json", "tokenizer*")  # what a model's answers depend on


def llm_fingerprint(name: str = TINY_VICUNA) -> dict[str, str | None]:
    """What a language model is: its name, and a hash of its files (a folder) or its commit (a name on the Hub).

    Its configuration and tokenizer are read, its weights are not loaded: a quick way to see that it is there. For
    tiny-vicuna, which is always there, not even transformers is imported.

    Raises:
        GymQAError: nothing loadable under that name.
    """
    folder = llm_folder(name, weights=False)
    if name != TINY_VICUNA:
        _require_loadable(name, folder)
    if commit := commit_of(name, folder):
        return {"name": split_revision(name)[0], "commit": commit}
    files = sorted(path for pattern in _FILES for path in folder.glob(pattern))
    if not any(path.suffix in (".safetensors", ".bin") for path in files):
        raise refusal(name, OSError("it has no weights"))
    together = hashlib.sha256()
    for path in files:
        status = path.stat()
        together.update(f"{path.name} {_file_hash(path, status.st_size, status.st_mtime_ns)}\n".encode())
    return {"name": name, "files": together.hexdigest()}


def llm_folder(name: str, weights: bool = True) -> Path:
    """The folder of a language model's files; what is on the Hub is downloaded, with or without its weights.

    Raises:
        GymQAError: no folder and no name on the Hub, or the Hub does not give it.
    """
    if name == TINY_VICUNA:
        return _EMBEDDED
    if Path(name).is_dir():
        return Path(name)
    repo, revision = split_revision(name)
    if not names_a_repo(repo):
        raise refusal(name, OSError("there is no such folder"))
    return download_llm(repo, revision) if weights else download_model(repo, "language model", revision)


def split_revision(name: str) -> tuple[str, str | None]:
    """owner/name@revision in its two parts; any other name is left as it is."""
    repo, at, revision = name.rpartition("@")
    return (repo, revision) if at and names_a_repo(repo) and not Path(name).exists() else (name, None)


def commit_of(name: str, folder: Path) -> str | None:
    """The commit of a model of the Hub, whose downloaded folder is named by it; None for any other."""
    return None if name == TINY_VICUNA or Path(name).is_dir() else folder.name


def _require_loadable(name: str, folder: Path) -> None:
    """Read configuration and tokenizer."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=False)
        AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise refusal(name, error) from error


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, modified: int) -> str:
    """A hash of a file, read once while its size and time stay as they are."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refusal(name: str, error: Exception) -> GymQAError:
    """What the user is told about a language model that cannot be loaded."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return GymQAError(
        f"the language model {name!r} cannot be loaded ({reason}); give 'tiny-vicuna', a name on the Hub, "
        "or a folder with config.json, weights and tokenizer"
    )
