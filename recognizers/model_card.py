"""Model card of a trained recognizer (YAML head, config, metrics, how to load it), and its upload to the Hub."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCardData

from gymqa.errors import GymQAError
from gymqa.hub.client import check_repo, upload
from gymqa.hub.question_dataset import CARD
from gymqa.io.files import write_text
from gymqa.io.templates import fill

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer

METRICS = {
    "top1": ("Top-1 accuracy", "accuracy"),
    "mean_class": ("mean-class accuracy", "accuracy"),
    "map": ("mAP", "mAP"),
}
"""Display names of the metrics, and their type on the Hub."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts for the model card that the weights do not hold.

    Attributes:
        license: by its Hub name, such as apache-2.0 or cc-by-nc-4.0 (FineGym's annotations forbid commercial use).
        dataset: training and evaluation data in words: "Gym99, 5 % labelled".
        dataset_repo: the data set on the Hub, owner/name, if published.
        base_models: initial models on the Hub, owner/name: none, one, or two for two streams.
        algorithm: name of the training algorithm.
        metrics: values in [0, 1] by the names of METRICS, on the validation clips.
        clips: number of validation clips.

    Raises:
        GymQAError: a metric has another name, or lies outside [0, 1].
    """

    license: str
    dataset: str
    dataset_repo: str | None = None
    base_models: tuple[str, ...] = ()
    algorithm: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    clips: int = 0

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            if name not in METRICS or not 0 <= value <= 1:
                raise GymQAError(
                    f"metric {name} = {value} is not in [0, 1] under one of the names {', '.join(METRICS)}"
                )
        for repo in (self.dataset_repo, *self.base_models):
            if repo is not None:
                check_repo(repo, "model")


def model_card(repo: str, model: "Recognizer", facts: ModelFacts) -> str:
    """The card's text: YAML for the Hub, then config, metrics and how to load the model.

    Args:
        repo: owner/name.
        model: the recognizer.
        facts: license, data and metrics.
    """

    head = ModelCardData(
        license=facts.license,
        library_name="gymqa",
        pipeline_tag="video-classification",
        tags=[
            "gymqa",
            model.config.family,
            "video",
            "gymnastics",
            "fine-grained-action-recognition",
            "semi-supervised-learning",
        ],
        base_model=list(facts.base_models) if len(facts.base_models) > 1 else next(iter(facts.base_models), None),
        datasets=[facts.dataset_repo] if facts.dataset_repo else None,
        metrics=sorted({METRICS[name][1] for name in facts.metrics}) or None,
        model_name=repo.split("/")[-1] if facts.metrics else None,
        eval_results=_results(facts) or None,
    )
    config = model.config
    return fill(
        Path(__file__).with_name("model_card.md.j2"),
        head=head.to_yaml().strip(),
        repo=repo,
        facts=facts,
        config=config,
        elements="-".join(map(str, config.elements)),
        millions=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        figures={METRICS[name][0]: value for name, value in facts.metrics.items()},
    )


def _results(facts: ModelFacts) -> list[Any]:
    """The metrics as entries of the Hub's model index."""

    return [
        EvalResult(
            task_type="video-classification",
            dataset_type=facts.dataset_repo or "video",
            dataset_name=facts.dataset,
            dataset_split="validation",
            metric_type=METRICS[name][1],
            metric_name=METRICS[name][0],
            metric_value=round(value, 4),
        )
        for name, value in facts.metrics.items()
    ]


def write_model(folder: Path, repo: str, model: "Recognizer", facts: ModelFacts) -> None:
    """Write the files to upload: weights, configuration and card.

    Raises:
        GymQAError: the folder cannot be written to.
    """
    model.save_pretrained(folder)
    write_text(folder / CARD, model_card(repo, model, facts))


def push_model(model: "Recognizer", repo: str, facts: ModelFacts, private: bool = False) -> str:
    """Upload a recognizer with its card in one commit; returns the commit's address.

    Raises:
        GymQAError: no token, the Hub refuses, or it cannot be reached.
    """
    check_repo(repo, "model")
    with tempfile.TemporaryDirectory(prefix="gymqa-model-") as folder:
        write_model(Path(folder), repo, model, facts)
        return upload(Path(folder), repo, private, "model")
