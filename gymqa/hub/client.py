"""Question sets and models on the Hugging Face Hub: load one, from there or from a folder, and upload one.

All of gymqa's traffic with the Hub is in this file. The token is huggingface_hub's own (HF_TOKEN or `hf auth login`);
gymqa hands it to nobody, and no message holds the text of an error that may quote a header.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from huggingface_hub import CommitOperationAdd, HfApi, get_token, is_offline_mode, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.utils import HFValidationError, logging, validate_repo_id

from gymqa.errors import GymQAError
from gymqa.hub.question_dataset import CARD

if TYPE_CHECKING:
    pass

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
Value = TypeVar("Value")
Kind = Literal["data set", "model", "multimodal model", "language model"]
_TUNED = ["config.json", "adapter_config.json", "adapter_model.safetensors", "projector.safetensors", "llm/*"]
_UPLOADED: dict[Kind, list[str]] = {
    "data set": [CARD, "*/*.parquet"],
    "model": [CARD, "config.json", "model.safetensors"],
    "multimodal model": [CARD, *_TUNED],
}
# never a pickle, but of a language model that ships nothing else; see download_llm
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
    """Refuse a name that nothing on the Hub can have.

    Raises:
        GymQAError: it is not owner/name, or has other letters.
    """

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise GymQAError(f"{repo!r} cannot name a {kind}; use owner/name of letters, digits, -, _ and .") from error
    if not names_a_repo(repo):
        raise GymQAError(f"{repo!r} names no owner; use owner/name")


def download_model(repo: str, kind: Kind = "model", revision: str | None = None) -> Path:
    """Download a model's configuration and safetensors weights, or take what an earlier call downloaded.

    Args:
        repo: owner/name.
        kind: what it is, which says what files it has; a language model's weights are `download_llm`'s to get.
        revision: commit, branch or tag.

    Returns:
        a folder of huggingface_hub's cache; nothing in it but those files is looked at.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    check_repo(repo, kind)
    return _download(repo, _DOWNLOADED[kind], kind, revision)


def download_llm(repo: str, revision: str | None = None) -> Path:
    """Download a language model with its tokenizer: safetensors, or where it ships none, PyTorch's own files.

    Those (Vicuna-7B has no others) are pickles; they are read with `weights_only`, which makes tensors, nothing else.

    Returns:
        a folder of huggingface_hub's cache, named by the commit.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    folder = _download(repo, [*_DOWNLOADED["language model"], *_LLM_WEIGHTS], "language model", revision)
    if not any(folder.glob("model*.safetensors")):
        folder = _download(repo, _LLM_PICKLES, "language model", revision)
    return folder


def download_files(repo: str, files: Sequence[str], revision: str | None = None) -> Path:
    """Download those of a model's files that match a pattern, as "*.json"; those that it does not have are left out.

    Returns:
        a folder of huggingface_hub's cache, named by the commit.

    Raises:
        GymQAError: no such model, or the Hub cannot be reached and the model is not in the cache.
    """
    check_repo(repo, "model")
    return _download(repo, list(files), "model", revision)


def _download(repo: str, files: list[str], kind: Kind, revision: str | None) -> Path:

    def download() -> str:
        return snapshot_download(repo, revision=revision, allow_patterns=files, library_name="gymqa")

    return Path(ask_hub(repo, download, kind))


def upload(folder: Path, repo: str, private: bool = False, kind: Kind = "data set") -> str:
    """Upload a card and its parquet files, or its model, in one commit; the repository is made if absent.

    Returns:
        the commit's address.

    Raises:
        GymQAError: no token, the Hub refuses, or it cannot be reached.
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
    """Add files to a repository that is there, in one commit; other files in it stay as they are.

    Args:
        files: path in the repository -> a file here, or its content.
        repo: owner/name.
        kind: what the repository is.

    Returns:
        the commit's address.

    Raises:
        GymQAError: no token, no such repository, the Hub refuses, or it cannot be reached.
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
    """Ask the Hub whether a repository is there and the token may write to it, so that a push does not go half.

    Raises:
        GymQAError: no token, no such repository, the token may not write there, or the Hub cannot be reached.
    """

    require_token(repo, kind)
    repo_type = "dataset" if kind == "data set" else "model"
    ask_hub(repo, lambda: HfApi(library_name="gymqa").auth_check(repo, repo_type=repo_type, write=True), kind)


def require_token(repo: str, kind: Kind) -> None:
    """Refuse to upload without a token that could be one; huggingface_hub finds it by itself.

    Raises:
        GymQAError: there is none, or it holds characters that no token has.
    """

    token = ask_hub(repo, get_token, kind)
    if token is None:
        raise GymQAError(f"there is no token to upload {repo} with; set HF_TOKEN or run `hf auth login`")
    if not (token.isascii() and token.isprintable()):
        raise GymQAError("the token holds characters that no token has; set HF_TOKEN again or run `hf auth login`")


def ask_hub(what: Path | str, ask: Callable[[], Value], kind: Kind = "data set") -> Value:
    """Ask the Hub; its errors become sentences that quote nothing of the request."""

    reason: str
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # its retries are no news: what counts is the sentence after the last
    try:
        return ask()
    except HfHubHTTPError as error:
        reason = _refusal(error, kind)
    except (HTTPError, OSError) as error:
        reason = f"the Hub cannot be reached ({type(error).__name__}); check the connection and HF_ENDPOINT"
        if is_offline_mode():
            reason = "it is no folder here, and HF_HUB_OFFLINE is set; unset it to ask the Hub"
    except (ValueError, RuntimeError) as error:
        reason = f"what was found there cannot be read ({type(error).__name__}); check its card and files"
    finally:
        logging.set_verbosity(verbosity)
    raise GymQAError(f"{what}: {reason}") from None  # a chained error could show the token with --debug


def _refusal(error: Any, kind: Kind) -> str:
    status = error.response.status_code
    mends = {
        401: "it is not there, or your token does not allow it; check the name, HF_TOKEN or `hf auth login`",
        403: "your token does not allow it; use one that may write there",
        404: f"there is no such {kind}, neither as a folder here nor on the Hub; check the name",
    }
    return mends.get(status, f"the Hub answered {status}; try again later")


def split_revision(name: str) -> tuple[str, str | None]:
    """owner/name@revision in its two parts; any other name is left as it is."""
    repo, at, revision = name.rpartition("@")
    return (repo, revision) if at and names_a_repo(repo) and not Path(name).exists() else (name, None)
