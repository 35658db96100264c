"""Registry of benchmarks (description and question builder); build a benchmark's questions from labelled clips.

A new benchmark needs a builder and an entry here; one outside the repository is named `package.module:function`
(docs/extending.md).
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, Release
from gymqa.questions.attributes import DECISION, build_attribute_questions
from gymqa.questions.distractors import build_questions
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.schema import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS, Question
from gymqa.questions.validation import validate
from gymqa.runtime.registry import DOCS, Registry, require_fit


class BenchmarkBuilder(Protocol):
    """Function that builds a benchmark's questions; those of a plug-in have the kind `package.module:function`."""

    def __call__(self, clips: list[Clip], release: Release, seed: int, n_choices: int) -> list[Question]:
        """Build the questions about labelled clips; adding clips should change no other question."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """An entry of the registry.

    Attributes:
        what: description: what is asked, or the source of the distractors.
        maker: builder of the questions.
    """

    what: str
    maker: BenchmarkBuilder


def _elements(benchmark: str, clips: list[Clip], release: Release, seed: int, n_choices: int) -> list[Question]:
    return build_questions(clips, release.taxonomy, benchmark, seed, n_choices)


def _attributes(kind: str, clips: list[Clip], release: Release, seed: int, n_choices: int) -> list[Question]:
    counts = _frequency(release) if kind == DECISION else None
    return build_attribute_questions(clips, release.taxonomy, kind, seed, n_choices, counts)


def _minimal_pairs(clips: list[Clip], release: Release, seed: int, n_choices: int) -> list[Question]:
    return build_minimal_pairs(clips, release.taxonomy, seed)


def _frequency(release: Release) -> Counter[int]:
    """Label -> number of clips in the training list."""
    return Counter(clip.label for clip in release.read_clips(release.train_list) if clip.label is not None)


_OURS = {
    **{one: Benchmark(f"wrong choices: {tier}", partial(_elements, one)) for one, tier in ELEMENT_BENCHMARKS.items()},
    **{kind: Benchmark(f"asks for: {kind}", partial(_attributes, kind)) for kind in KINDS[1:]},
    MINIMAL_PAIRS: Benchmark("two clips, one question, two answers", _minimal_pairs),
}
BENCHMARKS = Registry("benchmark", "gymqa list benchmarks", _OURS, BenchmarkBuilder)


def build_benchmark(
    clips: list[Clip], release: Release, benchmark: str, seed: int = 0, n_choices: int = 4
) -> list[Question]:
    """Return the questions of a benchmark.

    Args:
        clips: labelled clips.
        release: the release with their taxonomy and lists.
        benchmark: a registered name, or `package.module:function` of a plug-in.
        seed: seed of the questions.
        n_choices: number of choices, if the benchmark does not fix it.

    Raises:
        GymQAError: there is no such benchmark, it cannot be built from these clips, or the plug-in does not fit.
    """
    questions: list[Question] = BENCHMARKS.make(benchmark, list, clips, release, seed, n_choices)
    if benchmark not in BENCHMARKS:
        _require_own(questions, benchmark)
    return questions


def _require_own(questions: list[Question], benchmark: str) -> None:
    """Check a plug-in's questions: their type, their kind, and that ids are not repeated."""
    for question in questions:
        require_fit(question, Question, benchmark, "benchmark")
        if question.kind != benchmark:
            raise GymQAError(f"benchmark {benchmark}: the kind of its questions must be {benchmark!r}; {DOCS}")
    if problems := validate(questions):
        raise GymQAError(f"benchmark {benchmark}: {problems[0]}")
