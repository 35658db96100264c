"""Render the data card of a question set: Hub metadata, configurations, counts, shortcut accuracies, licence."""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCardData

from gymqa.finegym.taxonomy import Taxonomy
from gymqa.hub.question_dataset import QuestionSplit
from gymqa.io.templates import fill
from gymqa.questions.schema import IMPORTED
from gymqa.questions.shortcuts import stats, video_overlap

SHORTCUTS = {
    "chance": "guesses",
    "oracle_event": "knows the apparatus only",
    "oracle_set": "knows the set only",
    "oracle_attribute": "knows the set and one decision",
    "letter_prior": "always takes the letter most often right",
    "most_frequent_answer": "takes the answer most often right for this text",
    "longest_choice": "takes the longest choice",
    "middle_choice": "takes the choice closest to the others",
}
_GYMSIM_VIDEO = re.compile(r"gymsim[TV]\d{4}", re.ASCII)
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}


def licence_of(splits: Sequence[QuestionSplit]) -> str:
    """Licence by its Hub name: GymSim's questions are gymqa's own, those of another set its authors', the rest
    derive from FineGym's annotations.
    """
    if any(one.tier == IMPORTED for one in splits):
        return "other"
    videos = {question.video_id for one in splits for question in one.questions}
    return "apache-2.0" if all(_GYMSIM_VIDEO.fullmatch(video) for video in videos) else "cc-by-nc-4.0"


def data_card(repo: str, splits: Sequence[QuestionSplit], taxonomy: Taxonomy | None) -> str:
    """The card: YAML metadata, then counts, known shortcuts and citation.

    Args:
        repo: owner/name.
        splits: grouped by configuration, as `sort_questions` returns them; not empty.
        taxonomy: taxonomy of the questions' setting; None for those of another set.

    Raises:
        GymQAError: a question has labels that are not in the taxonomy.
    """
    licence, setting = licence_of(splits), splits[0].setting
    imported = licence == "other"
    head = DatasetCardData(
        license=licence,
        pretty_name=f"Video questions of {setting}" if imported else f"Gymnastics video questions, {setting}",
        task_categories=["visual-question-answering", "video-classification"],
        size_categories=_size(sum(len(one.questions) for one in splits)),
        tags=["gymqa", "video", *([] if imported else ["gymnastics"]), "multiple-choice"],
        configs=_configs(splits),
        language=None if imported else "en",
        annotations_creators=None if imported else "machine-generated",
    )
    rows = [{"config": one.config, "split": one.split, **stats(one.questions, taxonomy)} for one in splits]
    return fill(
        Path(__file__).parent / "templates" / "data_card.md.j2",
        head=head.to_yaml().strip(),
        repo=repo,
        setting=setting,
        example=splits[0],
        imported=imported,
        finegym=licence != "apache-2.0",
        shortcuts={name: what for name, what in SHORTCUTS.items() if name in rows[0]},
        rows=rows,
        overlaps=_overlaps(splits),
    )


def _configs(splits: Sequence[QuestionSplit]) -> list[dict[str, Any]]:
    return [
        {"config_name": config, "data_files": [{"split": one.split, "path": one.path} for one in group]}
        for config, group in groupby(splits, key=lambda one: one.config)
    ]


def _overlaps(splits: Sequence[QuestionSplit]) -> list[dict[str, Any]]:
    """For each configuration and pair of its splits, the overlap of their videos."""
    videos = {(one.config, one.split): [question.video_id for question in one.questions] for one in splits}
    return [
        {"config": config, "split": split, "other": other, **video_overlap(asked, videos[config, other])}
        for (config, split), asked in videos.items()
        for same, other in videos
        if same == config and other != split
    ]


def _size(n: int) -> str:
    return next((name for limit, name in _SIZES.items() if n < limit), "1M<n<10M")
