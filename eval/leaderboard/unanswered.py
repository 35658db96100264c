"""What was left unanswered, by whom, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.leaderboard.schema import RECOGNITION, ModelRun, RecognizerRun
from gymqa.questions.schema import Question


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A clip that these models had no answer for on these benchmarks, and why."""

    clip_id: str
    reason: str
    benchmarks: tuple[str, ...]
    models: tuple[str, ...]


def unanswered_items(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun] = (),
    recognizers: Sequence[RecognizerRun] = (),
) -> list[Unanswered]:
    """Every clip that left something open, an item a reason, with the benchmarks and models it concerns."""
    items: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}  # dicts for ordered sets

    def note(clip: str, reason: str, benchmark: str, model: str) -> None:
        names, models = items.setdefault((clip, reason), ({}, {}))
        names[benchmark], models[model] = None, None

    for run in runs:
        for benchmark, predictions in run.predictions.items():
            by_id = {prediction.question_id: prediction for prediction in predictions}
            for question in benchmarks.get(benchmark, ()):
                found = by_id.get(question.id)
                if found is None or found.choice is None:
                    reason = "never asked" if found is None else found.error or "no reason given"
                    note(question.clip_id, reason, benchmark, run.label)
    for recognizer in recognizers:
        for clip, reason in recognizer.predictions.errors.items():
            note(clip, reason, RECOGNITION, recognizer.label)
    return [Unanswered(clip, reason, tuple(names), tuple(models)) for (clip, reason), (names, models) in items.items()]
