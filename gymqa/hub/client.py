"""Client of the Hugging Face Hub: download models, upload data sets, models and results, check tokens and names.

All requests of gymqa to the Hub are in this file. The token is huggingface_hub's own (HF_TOKEN or `hf auth login`);
gymqa passes it to nobody else, and no message quotes an error that may contain a request header.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from huggingface_hub import CommitOperationAdd, DatasetCard, HfApi, get_token, snapshot_download
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import HFValidationError, logging, validate_repo_id

from gymqa.errors import GymQAError
from gymqa.hub.hub_errors import reason_of
from gymqa.hub.question_dataset import CARD
from gymqa.io.files import visible_files

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
Value = TypeVar("Value")
Kind = Literal["data set", "model", "multimodal model", "language model"]
_TUNED = ["config.json", "adapter_config.json", "adapter_model.safetensors", "projector.safetensors", "llm/*"]
_UPLOADED: dict[Kind, list[str]] = {
    "data set": [CARD, "*/*.parquet"],
    "model": [CARD, "config.json", "model.safetensors"],
    "multimodal model": [CARD, *_TUNED],
}
# never a pickle, except for a language model without other weights; see download_llm
_DOWNLOADED: dict[Kind, list[str]] = {
    "model": ["config.json", "preprocessor_config.json", "model.safetensors"],
    "multimodal model": [*_TUNED[:-1], "llm/*.json", "llm/*.safetensors", "llm/tokenizer.model"],
    "language model": ["config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json",
                       "added_tokens.json", "vocab.json", "merges.txt"],
}  # fmt: skip
_LLM_WEIGHTS = ["model.safetensors", "model-*.safetensors", "model.safetensors.index.json"]
_LLM_PICKLES = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]


def names_a_repo(text: str) -> bool:
    """Whether a text has the form owner/name."""
    return _REPO.fullmatch(text) is not None


def check_repo(repo: str, kind: Kind = "data set") -> None:
    """Check that a name is a valid repository name of the Hub.

    Raises:
        GymQAError: it is not owner/name, or has invalid characters.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise GymQAError(f"{repo!r} cannot name a {kind}; use owner/name of letters, digits, -, _ and .") from error
    if not names_a_repo(repo):
        raise GymQAError(f"{repo!r} names no owner; use owner/name")


def download_model(repo: str, kind: Kind = "model", revision: str | None = None) -> Path:
    """Download a model's configuration and safetensors weights, or use the cached ones.

    Args:
        repo: owner/name.
        kind: kind of model, which determines its files; use `download_llm` for the weights of a language model.
        revision: commit, branch or tag.

    Returns:
        A folder of huggingface_hub's cache; only the files of this kind are read from it.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    check_repo(repo, kind)
    return _download(repo, _DOWNLOADED[kind], kind, revision)


def download_llm(repo: str, revision: str | None = None) -> Path:
    """Download a language model with its tokenizer: safetensors, or PyTorch files if it has none.

    The latter (the only ones of Vicuna-7B) are pickles; they are loaded with `weights_only`, which only builds tensors.

    Returns:
        A folder of huggingface_hub's cache, named by the commit.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    folder = _download(repo, [*_DOWNLOADED["language model"], *_LLM_WEIGHTS], "language model", revision)
    if not visible_files(folder, "model*.safetensors"):
        folder = _download(repo, _LLM_PICKLES, "language model", revision)
    return folder


def download_files(repo: str, files: Sequence[str], revision: str | None = None) -> Path:
    """Download the files of a model that match a pattern such as "*.json"; missing ones are skipped.

    Returns:
        A folder of huggingface_hub's cache, named by the commit.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    check_repo(repo, "model")
    return _download(repo, list(files), "model", revision)


def _download(repo: str, files: list[str], kind: Kind, revision: str | None) -> Path:
    def download() -> str:
        return snapshot_download(repo, revision=revision, allow_patterns=files, library_name="gymqa")

    return Path(ask_hub(f"{repo}@{revision}" if revision else repo, download, kind))


def upload(folder: Path, repo: str, private: bool = False, kind: Kind = "data set") -> str:
    """Upload a card with its parquet files or model in one commit; the repository is created if absent.

    Returns:
        The URL of the commit.

    Raises:
        GymQAError: there is no token, the Hub refuses, or it cannot be reached.
    """
    check_repo(repo, kind)
    api = HfApi(library_name="gymqa")
    require_token(repo, kind)
    repo_type = "dataset" if kind == "data set" else "model"

    def commit() -> str:
        api.create_repo(repo, repo_type=repo_type, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            repo_type=repo_type,
            folder_path=folder,
            allow_patterns=_UPLOADED[kind],
            commit_message="Questions written by gymqa" if kind == "data set" else "Model trained with gymqa",
        )
        return str(done.commit_url)

    return ask_hub(repo, commit, kind)


def upload_files(files: Mapping[str, Path | bytes], repo: str, kind: Kind) -> str:
    """Add files to an existing repository in one commit; its other files are kept.

    Args:
        files: path in the repository -> local file, or its content.
        repo: owner/name.
        kind: kind of repository.

    Returns:
        The URL of the commit.

    Raises:
        GymQAError: there is no token or repository, the Hub refuses, or it cannot be reached.
    """
    check_repo(repo, kind)
    require_token(repo, kind)
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    repo_type = "dataset" if kind == "data set" else "model"

    def commit() -> str:
        api = HfApi(library_name="gymqa")
        done = api.create_commit(repo, added, repo_type=repo_type, commit_message="Results measured by gymqa")
        return str(done.commit_url)

    return ask_hub(repo, commit, kind)


def require_writable_repo(repo: str, kind: Kind) -> None:
    """Check that a repository exists and the token may write to it, before a push of several parts begins.

    Raises:
        GymQAError: there is no token or repository, no write access, or the Hub cannot be reached.
    """
    require_token(repo, kind)
    repo_type = "dataset" if kind == "data set" else "model"
    ask_hub(repo, lambda: HfApi(library_name="gymqa").auth_check(repo, repo_type=repo_type, write=True), kind)


def require_token(repo: str, kind: Kind) -> None:
    """Check that huggingface_hub finds a well-formed token.

    Raises:
        GymQAError: there is none, or it holds invalid characters.
    """
    token = ask_hub(repo, get_token, kind)
    if token is None:
        raise GymQAError(f"there is no token to upload {repo} with; set HF_TOKEN or run `hf auth login`")
    if not (token.isascii() and token.isprintable()):
        raise GymQAError("the token holds invalid characters; set HF_TOKEN again or run `hf auth login`")


def ask_hub(what: Path | str, ask: Callable[[], Value], kind: Kind = "data set") -> Value:
    """Run a request to the Hub; errors become messages that quote nothing of the request."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # no warnings about retries: only the final failure is reported
    try:
        return ask()
    except (HTTPError, OSError, ValueError, RuntimeError) as error:
        reason = reason_of(error, kind)
    finally:
        logging.set_verbosity(verbosity)
    raise GymQAError(f"{what}: {reason}") from None  # a chained error could show the token with --debug


def require_dataset(repo: str, revision: str | None = None) -> None:
    """Check that a data set is on the Hub, before `datasets`, which asks again and again, looks for it.

    Raises:
        GymQAError: it is not a name, there is none, or the Hub cannot be reached.
    """
    check_repo(repo)
    ask_hub(repo, lambda: HfApi(library_name="gymqa").dataset_info(repo, revision=revision, timeout=30))


def split_revision(name: str) -> tuple[str, str | None]:
    """Split owner/name@revision; any other name is returned unchanged with None."""
    repo, at, revision = name.rpartition("@")
    return (repo, revision) if at and names_a_repo(repo) and not Path(name).exists() else (name, None)


def dataset_configs(path_or_repo: Path | str) -> dict[str, list[str]]:
    """Configuration -> splits of a data set, read from its card.

    Raises:
        GymQAError: there is no such data set, its card is not one of gymqa, or the Hub cannot be reached.
    """
    folder = Path(path_or_repo)
    if folder.is_dir() and not (folder / CARD).is_file():
        raise GymQAError(
            f"{folder} holds no {CARD}; write question files as a data set with `gymqa hub push … --dry_run`"
        )
    if not folder.is_dir() and (isinstance(path_or_repo, Path) or not names_a_repo(path_or_repo)):
        raise GymQAError(f"{path_or_repo} is neither a folder nor a data set on the Hub; name a data set as owner/name")
    card = ask_hub(path_or_repo, lambda: DatasetCard.load(folder / CARD if folder.is_dir() else str(path_or_repo)))
    try:
        configs = {
            str(one["config_name"]): [str(file["split"]) for file in one["data_files"]] for one in card.data.configs
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise GymQAError(f"the card of {path_or_repo} does not list configurations as gymqa's do") from error
    return configs
