"""Facts of the models in the table (adapter, revision, frames, scoring, parameters, day), as results record them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.leaderboard.schema import NO_CONTROL, ModelRun

UNKNOWN = "not recorded"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is recorded of one model; several values stand in one text where its results differ.

    `frames` is the number of frames that it was shown of a clip, chosen by the user or counted in its answers;
    `written` the day that the files of its results have.
    """

    model: str
    adapter: str
    revision: str
    frames: str
    scoring: str
    parameters: str
    written: str


def facts_of(runs: Sequence[ModelRun]) -> list[ModelFacts]:
    """The facts of each model, from its results on untouched clips, in order of appearance."""
    grouped: dict[str, list[ModelRun]] = {}
    for run in runs:
        if run.control == NO_CONTROL and run.results:
            grouped.setdefault(run.label, []).append(run)
    return [_facts(label, found) for label, found in grouped.items()]


def _facts(label: str, runs: Sequence[ModelRun]) -> ModelFacts:
    results = [result for run in runs for result in run.results.values()]
    return ModelFacts(
        label,
        _joined(result.model.adapter for result in results),
        _joined(result.model.revision or "" for result in results) if any(one.model.revision for one in results)
        else _joined(_weights(runs)),
        _joined(sorted({count for run in runs for count in _frames(run)}, key=int)),
        _joined(result.scoring for result in results),
        _joined(_count(result.parameters) for result in results if result.parameters),
        _joined(sorted({day for run in runs for day in run.written.values()})),
    )  # fmt: skip


def _weights(runs: Iterable[ModelRun]) -> Iterable[str]:
    """Revisions of the weights as the answers name them."""
    return (
        one.detail.revision
        for run in runs
        for answers in run.predictions.values()
        for one in answers
        if one.detail is not None
    )


def _frames(run: ModelRun) -> set[str]:
    """The numbers of frames shown, as text."""
    if run.n_frames is not None:
        return {str(run.n_frames)}
    details = (one.detail for answers in run.predictions.values() for one in answers)
    return {str(len(detail.frames)) for detail in details if detail is not None and detail.frames}


def _count(parameters: int) -> str:
    """A number of parameters in the unit that suits it, to three digits."""
    for unit, name in ((10**9, " B"), (10**6, " M"), (10**3, " k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g}{name}"
    return str(parameters)


def _joined(texts: Iterable[str]) -> str:
    """The distinct texts, separated by commas."""
    return ", ".join(dict.fromkeys(filter(None, texts))) or UNKNOWN
