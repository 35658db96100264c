"""Build the questions of any benchmark from labelled clips."""

from collections import Counter

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, Release
from gymqa.questions.attributes import DECISION, build_attribute_questions
from gymqa.questions.distractors import build_questions
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.schema import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS, Question


def build_benchmark(
    clips: list[Clip], release: Release, benchmark: str, seed: int = 0, n_choices: int = 4
) -> list[Question]:
    """Return the questions of any benchmark; the arguments are those of `build`.

    Raises:
        GymQAError: there is no such benchmark, or it cannot be built of these clips.
    """
    if benchmark in ELEMENT_BENCHMARKS:
        return build_questions(clips, release.taxonomy, benchmark, seed, n_choices)
    if benchmark in KINDS[1:]:
        counts = _frequency(release) if benchmark == DECISION else None
        return build_attribute_questions(clips, release.taxonomy, benchmark, seed, n_choices, counts)
    if benchmark == MINIMAL_PAIRS:
        return build_minimal_pairs(clips, release.taxonomy, seed)
    names = ", ".join([*ELEMENT_BENCHMARKS, *KINDS[1:], MINIMAL_PAIRS])
    raise GymQAError(f"there is no benchmark {benchmark!r}; choose one of {names}")


def _frequency(release: Release) -> Counter[int]:
    """How often each element stands in the training list, by label."""
    return Counter(clip.label for clip in release.read_clips(release.train_list) if clip.label is not None)
