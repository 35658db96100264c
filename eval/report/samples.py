"""Questions with every model's answer, packed compactly for the page's question browser.

Repeated values are stored once: texts in a table, clip ids front-coded, answers as one letter and probabilities as two
base-36 digits, so that a question takes about 70 bytes for three models. `samples.js.j2` unpacks it.
"""

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.leaderboard.schema import ModelRun
from eval.report.clips import Clips
from eval.run.prompts import template_of
from gymqa.questions.schema import LETTERS, Detail, Prediction, Question

BUDGET = 700_000  # bytes of packed questions in a page of at most 1 MB
_REASON = 200  # characters of a reason for no answer
_REPLIES = (1000, 200)  # characters of a reply; the second where the first would exceed the budget
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_NOT_ASKED, _UNANSWERED, _UNKNOWN = " ", "-", "--"
_CLIP = "\x00"  # placeholder of the clip id inside a question id


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with its benchmark and each model's prediction, in the models' order."""

    question: Question
    benchmark: str
    predictions: tuple[Prediction | None, ...]


class _Table(dict[Hashable, int]):
    """Index of distinct values, in order of appearance."""

    def of(self, value: Hashable) -> int:
        """The index of `value`, a new one if it is new."""
        return self.setdefault(value, len(self))


def pack_samples(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun],
    clips: Clips | None = None,
    budget: int = BUDGET,
) -> dict[str, Any]:
    """Pack the questions that any of `runs` answered; beyond the budget, a sample by hash.

    Args:
        benchmarks: name -> questions.
        runs: the models whose answers are shown, one run per model.
        clips: videos of the page.
        budget: bytes of UTF-8 for the packed questions as JSON.

    Returns:
        JSON values; `total` counts all questions, `shown` those packed.
    """
    asked = _asked(benchmarks, runs)
    drawn = sorted(range(len(asked)), key=lambda index: _digest(asked[index].question.id))
    count, packed = len(asked), _pack(asked, runs, clips)
    reply = _REPLIES[0]
    if packed_size(packed) > budget:
        reply = _REPLIES[1]
        packed = _pack(asked, runs, clips, reply)
    while (size := packed_size(packed)) > budget and count:
        count = min(count - 1, int(count * budget / size * 0.99))
        packed = _pack([asked[index] for index in sorted(drawn[:count])], runs, clips, reply)
    return {"total": len(asked), "shown": count, **packed}


def packed_size(values: Mapping[str, Any]) -> int:
    """Size in bytes as JSON inside the page, where lone surrogates are escaped."""
    return len(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace"))


def _digest(id: str) -> bytes:
    return hashlib.blake2b(id.encode(errors="surrogatepass")).digest()


def _asked(benchmarks: Mapping[str, Sequence[Question]], runs: Sequence[ModelRun]) -> list[_Asked]:
    found = []
    for name, questions in benchmarks.items():
        by_id = [{one.question_id: one for one in run.predictions.get(name, ())} for run in runs]
        if any(by_id):
            found += [_Asked(one, name, tuple(found_by_id.get(one.id) for found_by_id in by_id)) for one in questions]
    return found


def _pack(
    asked: Sequence[_Asked], runs: Sequence[ModelRun], clips: Clips | None, reply: int = _REPLIES[0]
) -> dict[str, Any]:
    strings, kinds = _Table(), _Table()
    choices = [[strings.of(text) for text in one.question.choices] for one in asked]
    kind = [kinds.of(_kind(one, strings)) for one in asked]
    reasons = [
        {str(index): strings.of(prediction.error[:_REASON])
         for index, one in enumerate(asked)
         if (prediction := one.predictions[model]) is not None and prediction.choice is None and prediction.error}
        for model in range(len(runs))
    ]  # fmt: skip
    names = [one.question.clip_id for one in asked]
    return {
        "models": [run.label for run in runs],
        "base": clips.base if clips else None,
        "missing": [index for index, name in enumerate(names) if clips and name not in clips.found],
        "clips": _front_coded(names),
        "kind": kind,
        "kinds": list(kinds),
        "choices": choices,
        "answers": "".join(LETTERS[one.question.answer] for one in asked),
        "said": _columns(asked, runs, _letter),
        "shares": _columns(asked, runs, _probabilities),
        "reasons": reasons,
        "rates": _folded([clips.rates.get(name) if clips else None for name in names]),
        **_kept(asked, runs, strings, reply),
        "strings": list(strings),
    }


def _kept(asked: Sequence[_Asked], runs: Sequence[ModelRun], strings: _Table, most: int) -> dict[str, Any]:
    """What is kept of the asking, per model: frames shown, prompt's template and reply, as indices of strings."""

    def column(text: Callable[[_Asked, Detail, ModelRun], str | None], model: int) -> Any:
        found = [text(one, said.detail, runs[model]) if (said := one.predictions[model]) and said.detail else None
                 for one in asked]  # fmt: skip
        return _folded([None if text is None else strings.of(text) for text in found])

    def replied(one: _Asked, detail: Detail, run: ModelRun) -> str | None:
        return detail.reply if len(detail.reply) <= most else detail.reply[:most] + "…"

    kinds = {"frames": _frames, "prompts": _template, "replies": replied}
    return {name: [column(text, model) for model in range(len(runs))] for name, text in kinds.items()}


def _frames(one: _Asked, detail: Detail, run: ModelRun) -> str | None:
    return " ".join(map(str, detail.frames)) or None


def _template(one: _Asked, detail: Detail, run: ModelRun) -> str | None:
    """The prompt's template; empty where there was a prompt whose text is not known."""
    if not detail.prompt_sha256:
        return None
    result = run.results.get(one.benchmark)
    return (template_of(result, one.question, detail) if result is not None else None) or ""


def _folded(values: Sequence[Any]) -> Any:
    """The values, or a single one where all are equal."""
    return values[0] if values and all(value == values[0] for value in values) else list(values)


def _kind(one: _Asked, strings: _Table) -> tuple[int, ...]:
    """Values shared by many questions: benchmark, text, event, distractor tier, pattern of the id."""
    question = one.question
    form = question.id.replace(question.clip_id, _CLIP)
    return tuple(map(strings.of, (one.benchmark, question.text, question.event, question.drawn_tier, form)))


def _front_coded(names: Sequence[str]) -> list[str]:
    """Front coding: two digits for the UTF-16 units shared with the previous name, then the rest.

    The page's script counts in UTF-16 units; a character beyond U+FFFF is two of them and never split.
    """
    coded, before = [], ""
    for name in names:
        units = shared = 0
        for mine, other in zip(name, before, strict=False):
            width = 1 + (ord(mine) > 0xFFFF)
            if mine != other or units + width >= len(_DIGITS) ** 2:
                break
            units, shared = units + width, shared + 1
        coded.append(_two_digits(units) + name[shared:])
        before = name
    return coded


def _columns(
    asked: Sequence[_Asked], runs: Sequence[ModelRun], text: Callable[[_Asked, Prediction | None], str]
) -> list[str]:
    """One string per model, its answers concatenated."""
    return ["".join(text(one, one.predictions[model]) for one in asked) for model in range(len(runs))]


def _letter(one: _Asked, prediction: Prediction | None) -> str:
    if prediction is None:
        return _NOT_ASKED
    return _UNANSWERED if prediction.choice is None else LETTERS[prediction.choice]


def _probabilities(one: _Asked, prediction: Prediction | None) -> str:
    """Two digits per choice, in thousandths."""
    if prediction is None or prediction.probabilities is None:
        return _UNKNOWN * len(one.question.choices)
    return "".join(_two_digits(round(1000 * value)) for value in prediction.probabilities)


def _two_digits(number: int) -> str:
    """A number below 1296 in base 36."""
    return _DIGITS[number // len(_DIGITS)] + _DIGITS[number % len(_DIGITS)]
