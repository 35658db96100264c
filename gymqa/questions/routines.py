"""Build questions over time about whole routines, from FineGym's two levels of annotation: actions and sub-actions.

order: which of two elements comes first, by both orders as choices; each pair of elements is asked as often in one
order as in the other, so that no text tells the answer. first, last: which of several elements of the routine. next:
which element follows another directly. count: how many elements of a set. Only elements that a routine shows once are
asked for, and a routine is asked `next` and `count` only where every sub-action in question has a label.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import make_clip_id
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.finegym.temporal import Action
from gymqa.questions.schema import IMPORTED, LETTERS, Question
from gymqa.runtime.seeding import SeededRandom, hash_key


@dataclass(frozen=True, slots=True)
class Routine:
    """One action of a video; `labels` are those of its sub-actions by time, None where one is in no list."""

    name: str
    video_id: str
    labels: tuple[int | None, ...]

    @property
    def once(self) -> list[int]:
        """The labels that occur once, by time."""
        counts = Counter(self.labels)
        return [label for label in self.labels if label is not None and counts[label] == 1]


def read_routines(actions: Iterable[Action], labels: Mapping[str, int]) -> list[Routine]:
    """The actions with two labelled sub-actions or more, in their order.

    Args:
        actions: of the annotation file.
        labels: clip id -> label, of the setting.
    """
    found = []
    for action in actions:
        by_time = sorted(action.sub_actions, key=lambda one: min(start for start, _ in one.stages))
        known = tuple(labels.get(one.clip_id) for one in by_time)
        if sum(label is not None for label in known) > 1:
            found.append(Routine(f"{action.video_id}_{action.id}", action.video_id, known))
    return found


def build_routine_questions(
    routines: Sequence[Routine], taxonomy: Taxonomy, benchmark: str, seed: int = 0, n_choices: int = 4
) -> list[Question]:
    """The questions of one benchmark, in the order of the routines, at most one of each.

    Args:
        routines: the routines.
        taxonomy: of their labels.
        benchmark: order, first, last, next or count.
        seed: of what is drawn.
        n_choices: number of choices; `order` has two.

    Raises:
        GymQAError: no such benchmark, or an impossible number of choices.
    """
    if benchmark not in ROUTINE_BENCHMARKS:
        raise GymQAError(f"routines are asked {', '.join(ROUTINE_BENCHMARKS)}, not {benchmark!r}; choose one of them")
    if not 2 <= n_choices <= len(LETTERS):
        raise GymQAError(f"{n_choices} choices make no question; give 2 to {len(LETTERS)}")
    builder = _Builder(taxonomy, benchmark, seed, n_choices)
    return list(ROUTINE_BENCHMARKS[benchmark](builder, routines))


def usual_place_accuracy(
    questions: Sequence[Question], routines: Sequence[Routine], taxonomy: Taxonomy
) -> float | None:
    """Accuracy without a video of whoever knows where in a routine each element usually is, float in [0, 1].

    The usual place is the mean over these very routines, of 0 (first) to 1 (last). None for `count` and no questions.
    """
    places: dict[str, list[float]] = defaultdict(list)
    for routine in routines:
        for index, label in enumerate(routine.labels):
            if label is not None:
                places[taxonomy.elements[label].display_name].append(index / max(1, len(routine.labels) - 1))
    usual = {name: fmean(found) for name, found in places.items()}
    ranks = {"first": min, "last": max}
    rights = []
    for one in questions:
        if one.task == "order":
            guesses = [usual[choice.split(", then ")[0]] for choice in one.choices]
            rights.append(_hit(guesses, min(guesses), one.answer))
        elif one.task in ranks:
            guesses = [usual[choice] for choice in one.choices]
            rights.append(_hit(guesses, ranks[one.task](guesses), one.answer))
        elif one.task == "next":
            before = usual[one.text.partition("directly after ")[2].removesuffix("?")]
            guesses = [abs(usual[choice] - before) if usual[choice] > before else 2.0 for choice in one.choices]
            rights.append(_hit(guesses, min(guesses), one.answer))
    return fmean(rights) if rights else None


def _hit(guesses: Sequence[float], best: float, answer: int) -> float:
    """Expected score of taking one of the best at random."""
    return (guesses[answer] == best) / guesses.count(best)


class _Builder:
    """Builds the questions of one benchmark; each routine's draws depend on its name and the seed alone."""

    def __init__(self, taxonomy: Taxonomy, benchmark: str, seed: int, n_choices: int) -> None:
        self.taxonomy, self.benchmark, self.seed, self.n_choices = taxonomy, benchmark, seed, n_choices

    def order(self, routines: Sequence[Routine]) -> Iterator[Question]:
        """One pair of each routine, as far as the pair occurs in both orders; the surplus of one order is left out."""
        drawn: dict[tuple[int, int], dict[bool, list[Routine]]] = defaultdict(lambda: {True: [], False: []})
        for routine in routines:
            for pair, ahead in self._pairs(routine):
                drawn[pair][ahead].append(routine)
        chosen: dict[str, tuple[tuple[int, int], bool]] = {}
        for pair in sorted(drawn, key=lambda one: hash_key(*one, self.seed)):
            free = [[one for one in drawn[pair][ahead] if one.name not in chosen] for ahead in (True, False)]
            both = min(map(len, free))
            for ahead, of_order in zip((True, False), free, strict=True):
                ranked = sorted(of_order, key=lambda one: hash_key(one.name, self.seed))
                chosen |= {one.name: (pair, ahead) for one in ranked[:both]}
        for routine in routines:
            if routine.name in chosen:
                yield self._order(routine, *chosen[routine.name])

    def _pairs(self, routine: Routine) -> Iterator[tuple[tuple[int, int], bool]]:
        """Every pair of elements, smaller label first, and whether that one comes first."""
        once = routine.once
        for index, first in enumerate(once):
            for second in once[index + 1 :]:
                if self._name(first) != self._name(second):
                    yield (min(first, second), max(first, second)), first < second

    def _order(self, routine: Routine, pair: tuple[int, int], ahead: bool) -> Question:
        first, second = (self._name(label) for label in (pair if ahead else pair[::-1]))
        named = sorted((first, second))
        right, wrong = f"{first}, then {second}", f"{second}, then {first}"
        text = f"In which order does the athlete show {named[0]} and {named[1]}?"
        return self._question(routine, text, right, [wrong])

    def first(self, routines: Sequence[Routine]) -> Iterator[Question]:
        """The earliest of some elements."""
        return self._extreme(routines, 0)

    def last(self, routines: Sequence[Routine]) -> Iterator[Question]:
        """The latest of some elements."""
        return self._extreme(routines, -1)

    def _extreme(self, routines: Sequence[Routine], index: int) -> Iterator[Question]:
        for routine in routines:
            names = list(dict.fromkeys(map(self._name, routine.once)))
            if len(names) >= self.n_choices:
                kept = set(list(self._rng(routine).shuffled(names))[: self.n_choices])
                asked = [name for name in names if name in kept]
                right = asked[index]
                text = f"Which of these elements does the athlete show {self.benchmark}?"
                yield self._question(routine, text, right, [name for name in asked if name != right])

    def next(self, routines: Sequence[Routine]) -> Iterator[Question]:
        """The element directly after another; the wrong choices are of the same routine."""
        for routine in routines:
            once = set(routine.once)
            steps = [
                (before, after) for before, after in zip(routine.labels, routine.labels[1:], strict=False)
                if before in once and after is not None and self._name(before) != self._name(after)
            ]  # fmt: skip
            rng = self._rng(routine)
            for before, after in rng.shuffled(steps):
                used = {self._name(before or 0), self._name(after)}
                others = {self._name(label) for label in routine.labels if label is not None} - used
                if len(others) >= self.n_choices - 1:
                    wrong = list(rng.shuffled(sorted(others)))[: self.n_choices - 1]
                    text = f"Which element does the athlete show directly after {self._name(before or 0)}?"
                    yield self._question(routine, text, self._name(after), wrong)
                    break

    def count(self, routines: Sequence[Routine]) -> Iterator[Question]:
        """How many elements of a set; the choices are numbers in a row, in which the right one has any place."""
        names = {one.id: one.name for one in self.taxonomy.sets}
        for routine in routines:
            if None in routine.labels:
                continue
            sets = Counter(self.taxonomy.elements[label].set_id for label in routine.labels if label is not None)
            rng = self._rng(routine)
            chosen = sorted(sets)[rng.below(len(sets))]
            low = max(0, sets[chosen] - rng.below(self.n_choices))
            right, numbers = str(sets[chosen]), [str(low + one) for one in range(self.n_choices)]
            text = f"How many elements of the group {names.get(chosen, str(chosen))} does the athlete show?"
            yield self._question(routine, text, right, [one for one in numbers if one != right])

    def _question(self, routine: Routine, text: str, right: str, wrong: Sequence[str]) -> Question:
        source = f"routine-{self.benchmark}"
        choices = tuple(self._rng(routine, "choices").shuffled([right, *wrong]))
        return Question(
            f"{source}:{self.seed}:{routine.name}", make_clip_id(routine.name, routine.video_id, routine.name),
            routine.video_id, text, choices, choices.index(right), kind=IMPORTED, source=source, task=self.benchmark,
            video=f"actions/{routine.name}.mp4",
        )  # fmt: skip

    def _rng(self, routine: Routine, what: str = "") -> SeededRandom:
        return SeededRandom(routine.name, self.benchmark, what, self.seed)

    def _name(self, label: int | None) -> str:
        return self.taxonomy.elements[label or 0].display_name


ROUTINE_BENCHMARKS: dict[str, Callable[[_Builder, Sequence[Routine]], Iterator[Question]]] = {
    "order": _Builder.order,
    "first": _Builder.first,
    "last": _Builder.last,
    "next": _Builder.next,
    "count": _Builder.count,
}
