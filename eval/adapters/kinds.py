"""Which adapter a model's files are for."""

from pathlib import Path

from eval.adapters.registry import ADAPTERS
from gymqa.errors import GymQAError
from gymqa.hub.client import download_files, names_a_repo, split_revision
from gymqa.io.files import read_json


def adapter_of(model: str) -> str:
    """The adapter that a file or folder is for, where its kind shows.

    Raises:
        GymQAError: it does not.
    """
    path = Path(model)
    if path.suffix == ".jsonl":
        return "recognizer"
    config = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    if config.get("model_type") == "gym_mllm":
        return "gymqa"
    if isinstance(config.get("model"), str):  # the family of a recognizer
        return "recognizer"
    raise GymQAError(
        f"{model or 'no --model'} is neither a folder of `gymqa finetune` or `gymqa train` nor a .jsonl of "
        f"`gymqa predict`; name --adapter ({', '.join(ADAPTERS)}) if it is something else"
    )


def is_tuned(model: str) -> bool:
    """Whether a folder, or owner/name[@revision] on the Hub, is of `gymqa finetune`.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    config = config_folder(model) / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "gym_mllm"


def config_folder(model: str) -> Path:
    """The folder of a model's config.json; of one on the Hub, owner/name[@revision], nothing else is downloaded.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    folder, (repo, revision) = Path(model), split_revision(model)
    return download_files(repo, ["config.json"], revision) if not folder.exists() and names_a_repo(repo) else folder
