"""Files of a tuned model: file names, download, reading config and weights, digest of weights, saving tensors."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from encoders.llm.loading import llm_fingerprint
from encoders.mllm.config import GymMLLMConfig, SavedConfig
from gymqa.errors import GymQAError
from gymqa.hub.client import download_model, names_a_repo
from gymqa.io.files import atomic_path
from gymqa.io.typed_json import Typed, read_as, read_object

ADAPTER_FILE = "adapter_model.safetensors"
PROJECTOR_FILE = "projector.safetensors"
LLM_FOLDER = "llm"
TRAINING_FILE = "training.json"


class _LlmFiles(Typed):
    """Identity of a local language model: a hash of its files."""

    files: str | None = None


class _TunedOn(Typed):
    """The part of a tuning's record that is compared when its model is loaded."""

    llm_files: _LlmFiles = _LlmFiles()


def mllm_folder(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a tuned model; one on the Hub, owner/name, is downloaded first.

    A merged model comes with its language model; otherwise that is downloaded when it is loaded.
    """
    if isinstance(source, str) and not Path(source).exists() and names_a_repo(source):
        return download_model(source, "multimodal model", revision)
    return Path(source)


def read_config(folder: Path) -> GymMLLMConfig:
    """The configuration of the tuned model in a folder.

    Raises:
        GymQAError: the folder holds no tuned model.
    """
    mend = "give a folder that `gymqa finetune` wrote"
    values = read_object(folder / "config.json", mend)
    if values.get("model_type") != GymMLLMConfig.model_type:
        raise GymQAError(f"{folder} holds no tuned model of ours; {mend}")
    config = GymMLLMConfig(**read_as(folder / "config.json", SavedConfig, mend).model_dump())
    if config.merged:
        config.llm = str(folder / LLM_FOLDER)
    return config


def require_same_llm(folder: Path, config: GymMLLMConfig) -> None:
    """Check that the language model's files are those that the folder's model was tuned on, as training.json says.

    One of the Hub is named by its commit in config.json, and not compared.

    Raises:
        GymQAError: they have changed.
    """
    record = folder / TRAINING_FILE
    if config.merged or not record.is_file():
        return
    tuned_on = read_as(record, _TunedOn, "tune again").llm_files.files
    if tuned_on is not None and tuned_on != llm_fingerprint(config.llm_name).get("files"):
        raise GymQAError(
            f"the language model {config.llm} has changed since {folder} was tuned on it; put its former files back, "
            "or tune again"
        )


def weights_digest(projector: Mapping[str, Tensor], adapters: Mapping[str, Tensor]) -> str:
    """SHA-256 of a tuned model's projector and adapters (by peft's names), as float32."""
    digest = hashlib.sha256()
    for part in (projector, adapters):
        for name, tensor in sorted(part.items()):
            digest.update(f"{name} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_weights(folder: Path, config: GymMLLMConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of projector and adapters; a merged model has no adapters.

    Raises:
        GymQAError: a file is missing or damaged.
    """
    try:
        projector = load_file(folder / PROJECTOR_FILE)
        return projector, {} if config.merged else load_file(folder / ADAPTER_FILE)
    except (OSError, SafetensorError) as error:
        raise GymQAError(f"{folder} is incomplete or broken ({str(error).splitlines()[0]}); tune again") from error


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically.

    Raises:
        GymQAError: the folder cannot be written to, or the disk is full.
    """
    try:
        with atomic_path(path) as temporary:
            contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(contiguous, temporary, metadata={"format": "pt"})
    except SafetensorError as error:  # raised by safetensors on a full disk
        raise GymQAError(f"cannot write {path} ({error}); make room, or choose another folder") from error
