"""Loading of image-text-to-text models of transformers, from a folder or the Hub, from safetensors only."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from eval.adapters.vlm.families import Family, family_of
from eval.adapters.vlm.processors import first_line, load_processor, load_text_processor
from eval.run.results import file_info
from gymqa.errors import GymQAError
from gymqa.hub.client import download_files, names_a_repo
from gymqa.hub.foreign_models import check_config, check_weights, reading_foreign
from gymqa.io.console import console
from gymqa.io.files import visible_files
from gymqa.io.typed_json import read_object

DTYPES = ("auto", "float32", "bfloat16", "float16")
_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]  # downloaded; never a pickle
_HASHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py")  # what answers depend on


@dataclass(frozen=True, slots=True)
class LoadedVlm:
    """A model, its processor and family, and their identity: the Hub's commit, or a hash of the folder's files."""

    model: Any
    processor: Any
    identity: Mapping[str, str]
    family: Family


def load_vlm(
    name: str,
    device: str = "cpu",
    dtype: str = "auto",
    trust_remote_code: bool = False,
    untried: bool = False,
    blind: bool = False,
) -> LoadedVlm:
    """Load a model and its processor.

    Args:
        name: a folder, or owner/name or owner/name@revision on the Hub.
        device: cpu, cuda, cuda:1, …
        dtype: of the weights; "auto" is float32 on a CPU, so that answers do not depend on the batch, and the saved
            dtype elsewhere.
        trust_remote_code: run Python code that comes with the model.
        untried: take a family that was not tried.
        blind: no video is shown, so that a language model without images is taken, too.

    Raises:
        GymQAError: nothing loadable under that name, no safetensors, or its processor needs a missing package.
    """

    if dtype not in DTYPES:
        raise GymQAError(f"there is no dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    if trust_remote_code:
        console.print(f"{name}: --trust_remote_code runs the Python code that comes with it, with your rights")
    folder, identity = find_model(name, trust_remote_code)
    model_type = identity["architecture"]
    text_alone = blind and model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and not trust_remote_code
    family = Family() if blind else family_of(model_type, name, untried or trust_remote_code)
    kind = AutoModelForCausalLM if text_alone else AutoModelForImageTextToText
    if text_alone:
        processor = load_text_processor(folder)
    else:
        processor = load_processor(folder, family.video_processor, trust_remote_code)
    chosen = "float32" if dtype == "auto" and device == "cpu" else dtype
    options = {"dtype": chosen, "trust_remote_code": trust_remote_code}
    with reading_foreign(partial(_refusal, name)):
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
        with torch.device("meta"):
            empty = kind.from_config(config, **options)
        check_weights(folder, empty.num_parameters())
        model, found = kind.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **options)
    if absent := sorted(found["missing_keys"]) + sorted(str(one[0]) for one in found["mismatched_keys"]):
        raise GymQAError(f"{name} lacks weights that its configuration wants ({absent[0]}); give the whole model")
    return LoadedVlm(model.to(device).eval(), processor, {**identity, "dtype": str(model.dtype)}, family)


def _refusal(name: str, error: Exception) -> GymQAError:
    if isinstance(error, ImportError):
        return GymQAError(f"{name} needs a package that is not installed: {first_line(error)}")
    return GymQAError(
        f"{name} is not an image-text-to-text model that transformers loads ({first_line(error)}); copy or download it "
        "again, or give another"
    )


def find_model(name: str, trust_remote_code: bool = False) -> tuple[Path, dict[str, str]]:
    """A model's folder, local or in huggingface_hub's cache, and its identity.

    Raises:
        GymQAError: no such folder or model, no safetensors in it, or the Hub cannot be reached.
    """
    folder = Path(name)
    if folder.is_dir():
        _require_safetensors(folder, name)
        return folder, {"files": _hash(folder), "architecture": _model_type(folder)}
    repo, _, revision = name.partition("@")
    if not names_a_repo(repo):
        raise GymQAError(f"{name} is neither a folder nor a model on the Hub; name one, as owner/name@revision")
    folder = download_files(repo, [*_FILES, *["*.py"] * trust_remote_code], revision or None)
    _require_safetensors(folder, name)
    return folder, {"repo": repo, "commit": folder.name, "architecture": _model_type(folder)}


def _require_safetensors(folder: Path, name: str) -> None:
    if not visible_files(folder, "*.safetensors"):
        raise GymQAError(f"{name} holds no safetensors; convert its weights (a pickle is not loaded)")


def _model_type(folder: Path) -> str:
    check_config(folder)
    return str(read_object(folder / "config.json").get("model_type", ""))


def _hash(folder: Path) -> str:
    """SHA-256 of the names and contents of a model's files, sorted by path."""
    together = hashlib.sha256()
    for path in sorted({path for pattern in _HASHED for path in visible_files(folder, pattern)}):
        together.update(f"{path.name} {file_info(path).sha256}\n".encode())
    return together.hexdigest()
