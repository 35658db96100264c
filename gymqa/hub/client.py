"""Question sets and models on the Hugging Face Hub: load one, from there or from a folder, and upload one.

All of gymqa's traffic with the Hub is in this file. The token is huggingface_hub's own (HF_TOKEN or `hf auth login`);
gymqa hands it to nobody, and no message holds the text of an error that may quote a header.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gymqa.errors import GymQAError
from gymqa.hub.question_dataset import CARD, config_name, require_whole

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

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


def load_gym_qa(
    path_or_repo: Path | str, setting: str, split: str = "val", tier: str = "random", streaming: bool = False
) -> "Dataset | IterableDataset":
    """The questions of a setting, split and tier: a row a question, a column for each field of Question, and `video`.

    `video` is of the feature `Video(decode=False)`: {"path": the clip's path inside a release, "bytes": None}. Join the
    path to your release's folder and cast the column to `Video()` to decode; nothing here needs the footage.

    Args:
        path_or_repo: a folder that `gymqa hub push` wrote, or a data set on the Hub, owner/name.
        setting: gym99, gym288, gymsim24, ….
        split: train, val or test.
        tier: random, event, set, attribute, twin; decision, counting, direction, shape, minimal-pairs, released; or a
            benchmark's name, gym-qa-hard.
        streaming: read rows as they are asked for, and keep no copy.

    Raises:
        GymQAError: no such data set, configuration or split, a damaged file, or the Hub cannot be reached.
    """
    # Imported here: `datasets` takes seconds to import, and most users of questions never need it.
    from datasets import Video, load_dataset

    config = config_name(setting, tier)
    configs = dataset_configs(path_or_repo)
    if config not in configs:
        raise GymQAError(f"{path_or_repo} has no questions {config}; it has {', '.join(configs)}")
    if split not in configs[config]:
        raise GymQAError(f"{config} of {path_or_repo} has no split {split!r}; it has {', '.join(configs[config])}")
    if Path(path_or_repo).is_dir():
        require_whole(Path(path_or_repo), config, split)
    rows = _ask(path_or_repo, lambda: load_dataset(str(path_or_repo), config, split=split, streaming=streaming))
    return rows.cast_column("video", Video(decode=False))


def dataset_configs(path_or_repo: Path | str) -> dict[str, list[str]]:
    """The configurations of a data set, and the splits of each, as its card says.

    Raises:
        GymQAError: no such data set, its card is none of gymqa's, or the Hub cannot be reached.
    """
    from huggingface_hub import DatasetCard

    folder = Path(path_or_repo)
    if folder.is_dir() and not (folder / CARD).is_file():
        raise GymQAError(f"{folder} holds no {CARD}; `gymqa hub push … --dry_run` writes question files as a data set")
    if not folder.is_dir() and (isinstance(path_or_repo, Path) or not _REPO.fullmatch(path_or_repo)):
        raise GymQAError(f"{path_or_repo} is neither a folder nor a data set's name; name one, as owner/name")
    card = _ask(path_or_repo, lambda: DatasetCard.load(folder / CARD if folder.is_dir() else str(path_or_repo)))
    try:
        configs = {
            str(one["config_name"]): [str(file["split"]) for file in one["data_files"]] for one in card.data.configs
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise GymQAError(f"the card of {path_or_repo} does not list configurations as gymqa's do") from error
    return configs


def names_a_repo(text: str) -> bool:
    """Whether a text has the form owner/name."""
    return _REPO.fullmatch(text) is not None


def check_repo(repo: str, kind: Kind = "data set") -> None:
    """Refuse a name that nothing on the Hub can have.

    Raises:
        GymQAError: it is not owner/name, or has other letters.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

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
    from huggingface_hub import snapshot_download

    def download() -> str:
        return snapshot_download(repo, revision=revision, allow_patterns=files, library_name="gymqa")

    return Path(_ask(repo, download, kind))


def upload(folder: Path, repo: str, private: bool = False, kind: Kind = "data set") -> str:
    """Upload a card and its parquet files, or its model, in one commit; the repository is made if absent.

    Returns:
        the commit's address.

    Raises:
        GymQAError: no token, the Hub refuses, or it cannot be reached.
    """
    from huggingface_hub import HfApi

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

    return _ask(repo, commit, kind)


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
    from huggingface_hub import CommitOperationAdd, HfApi

    check_repo(repo, kind)
    require_token(repo, kind)
    added = [CommitOperationAdd(path, content) for path, content in files.items()]
    repo_type = "dataset" if kind == "data set" else "model"

    def commit() -> str:
        api = HfApi(library_name="gymqa")
        done = api.create_commit(repo, added, repo_type=repo_type, commit_message="Results measured by gymqa")
        return str(done.commit_url)

    return _ask(repo, commit, kind)


def require_writable_repo(repo: str, kind: Kind) -> None:
    """Ask the Hub whether a repository is there and the token may write to it, so that a push does not go half.

    Raises:
        GymQAError: no token, no such repository, the token may not write there, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    require_token(repo, kind)
    repo_type = "dataset" if kind == "data set" else "model"
    _ask(repo, lambda: HfApi(library_name="gymqa").auth_check(repo, repo_type=repo_type, write=True), kind)


def require_token(repo: str, kind: Kind) -> None:
    """Refuse to upload without a token that could be one; huggingface_hub finds it by itself.

    Raises:
        GymQAError: there is none, or it holds characters that no token has.
    """
    from huggingface_hub import get_token

    token = _ask(repo, get_token, kind)
    if token is None:
        raise GymQAError(f"there is no token to upload {repo} with; set HF_TOKEN or run `hf auth login`")
    if not (token.isascii() and token.isprintable()):
        raise GymQAError("the token holds characters that no token has; set HF_TOKEN again or run `hf auth login`")


def _ask(what: Path | str, ask: Callable[[], Value], kind: Kind = "data set") -> Value:
    """Ask the Hub; its errors become sentences that quote nothing of the request."""
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError, HTTPError
    from huggingface_hub.utils import logging

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
