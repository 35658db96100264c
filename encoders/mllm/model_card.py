"""Model card and upload of a tuned multimodal model to the Hugging Face Hub."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from encoders.llm.loading import TINY_VICUNA
from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.files import ADAPTER_FILE, LLM_FOLDER, PROJECTOR_FILE, load_weights, read_config, weights_digest
from gymqa.errors import GymQAError
from gymqa.hub.client import check_repo, names_a_repo, upload
from gymqa.hub.question_dataset import CARD
from gymqa.io.files import atomic_path, write_json, write_text
from gymqa.io.templates import fill
from gymqa.io.typed_json import read_object


@dataclass(frozen=True, slots=True)
class CardResult:
    """A result of the card: accuracy with its 95 % interval on `n` questions (a minimal pair counts once)."""

    benchmark: str
    control: str
    scoring: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class MLLMFacts:
    """Content of a card beyond the model's files.

    Attributes:
        license: Hub name of the licence, subject to those of language model and annotations.
        dataset: what it was tuned on, in words: "Gym99, 5 % labelled".
        dataset_repo: that data set on the Hub, owner/name, if any.
        base_model: the language model on the Hub, if the model was tuned on a local copy.
        results: its evaluation results.
    """

    license: str
    dataset: str
    dataset_repo: str | None = None
    base_model: str | None = None
    results: Sequence[CardResult] = ()

    def __post_init__(self) -> None:
        for repo in (self.dataset_repo, self.base_model):
            if repo is not None:
                check_repo(repo, "model")


def mllm_card(repo: str, config: GymMLLMConfig, trained: int, facts: MLLMFacts) -> str:
    """The card: YAML metadata, then architecture, results and usage.

    Args:
        repo: owner/name.
        config: configuration of the model.
        trained: number of trained parameters.
        facts: the rest.
    """

    base = _base_model(config, facts)
    head = ModelCardData(
        license=facts.license,
        library_name="gymqa" if config.merged else "peft",
        pipeline_tag="video-text-to-text",
        tags=["gymqa", "video", "gymnastics", "fine-grained-action-recognition", "lora", "multiple-choice"],
        base_model=base,
        datasets=[facts.dataset_repo] if facts.dataset_repo else None,
        metrics=["accuracy"] if facts.results else None,
        model_name=repo.split("/")[-1] if facts.results else None,
        eval_results=_results(facts) or None,
    )
    return fill(
        Path(__file__).with_name("mllm_card.md.j2"),
        head=head.to_yaml().strip(),
        repo=repo,
        facts=facts,
        config=config,
        lora=config.lora_settings,
        base=base,
        llm=config.base_llm or config.llm,
        encoder=config.encoder.get("encoder", ""),
        millions=trained / 1e6,
    )


def write_mllm(source: Path, out: Path, repo: str, facts: MLLMFacts) -> None:
    """Write the files to upload: the model's, and its card.

    Raises:
        GymQAError: an incomplete model, or one whose language model is on this machine only.
    """
    config = read_config(source)
    trained = sum(tensor.numel() for part in load_weights(source, config) for tensor in part.values())
    if config.merged:
        if not (source / LLM_FOLDER / "config.json").is_file():
            raise GymQAError(f"{source / LLM_FOLDER} is missing; merge the model again by scripts/merge_lora.py")
        shutil.copytree(source / LLM_FOLDER, out / LLM_FOLDER, dirs_exist_ok=True)
        config.llm = LLM_FOLDER
    else:
        config.llm = _public_name(config, facts)
        base = {"base_model_name_or_path": config.llm, "revision": config.llm_revision}
        _copy(source / ADAPTER_FILE, out / ADAPTER_FILE)
        write_json(out / "adapter_config.json", {**read_object(source / "adapter_config.json", "tune again"), **base})
    _copy(source / PROJECTOR_FILE, out / PROJECTOR_FILE)
    write_json(out / "config.json", config.to_dict())
    write_text(out / CARD, mllm_card(repo, config, trained, facts))


def require_own_results(source: Path, answered: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Raise an error for results of another model or adapter.

    Args:
        source: folder of the tuned model.
        answered: by result file, the adapter and its fingerprint; the adapter "blind" hides the videos.

    Raises:
        GymQAError: such a result, or an incomplete model.
    """
    own = weights_digest(*load_weights(source, read_config(source)))
    for file, (adapter, fingerprint) in answered.items():
        if adapter != "gymqa":
            raise GymQAError(
                f"{file} holds the answers of the adapter {adapter or 'of an unknown name'}; evaluate {source} by gymqa"
            )
        if fingerprint.get("tuned") != own:
            raise GymQAError(f"{file} holds the answers of another model than {source}; evaluate this one")


def push_mllm(source: Path, repo: str, facts: MLLMFacts, private: bool = False) -> str:
    """Upload a tuned model with its card in one commit; returns the commit's address.

    Raises:
        GymQAError: as `write_mllm`; no token, the Hub refuses, or it cannot be reached.
    """
    check_repo(repo, "multimodal model")
    with tempfile.TemporaryDirectory(prefix="gymqa-mllm-") as folder:
        write_mllm(source, Path(folder), repo, facts)
        return upload(Path(folder), repo, private, "multimodal model")


def _base_model(config: GymMLLMConfig, facts: MLLMFacts) -> str | None:
    """The adapters' language model on the Hub; None for tiny-vicuna and local models."""
    name = (config.base_llm or config.llm).partition("@")[0]
    return facts.base_model or (name if names_a_repo(name) and not Path(name).exists() else None)


def _public_name(config: GymMLLMConfig, facts: MLLMFacts) -> str:
    """The language model's name under which anybody can load it."""
    base = _base_model(config, facts)
    if config.llm == TINY_VICUNA:
        return config.llm
    if base is None:
        raise GymQAError(
            f"the adapters belong to the language model in {config.llm}, which is on this machine only; name it on the "
            "Hub by --base_model, or merge it in by scripts/merge_lora.py"
        )
    return base


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _results(facts: MLLMFacts) -> list[Any]:
    """The results for the Hub's model index, without those under a control."""

    return [
        EvalResult(
            task_type="video-text-to-text",
            dataset_type=facts.dataset_repo or "gym-qa",
            dataset_name=f"{one.benchmark} on {facts.dataset}",
            metric_type="accuracy",
            metric_name="accuracy",
            metric_value=round(one.value, 4),
        )
        for one in facts.results
        if one.control == "none"
    ]
