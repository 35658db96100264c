"""Questions over time are true of the routine, seeded, and asked in both orders alike."""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.finegym.temporal import Action, SubAction
from gymqa.questions.files import load_questions
from gymqa.questions.routines import (
    ROUTINE_BENCHMARKS,
    Routine,
    build_routine_questions,
    read_routines,
    usual_place_accuracy,
)
from gymqa.questions.schema import Question
from gymqa.questions.validation import validate
from gymqa.runtime.seeding import SeededRandom
from tests.helpers.gymsim_taxonomy import GYMSIM
from tests.helpers.naming import naming

LABELS = [one.label for one in GYMSIM.elements]


def drawn_routines(n: int, seed: int = 0) -> list[Routine]:
    """Routines of 4 to 9 sub-actions, some of them repeated, some without a label."""
    made = []
    for number in range(n):
        rng = SeededRandom("routine", number, seed)
        labels = [LABELS[rng.below(len(LABELS))] for _ in range(4 + rng.below(6))]
        without: tuple[int | None, ...] = (None,) if rng.below(4) == 0 else ()
        made.append(Routine(f"v{number % 5}_E_{number:06}_{number + 1:06}", f"v{number % 5}", (*labels, *without)))
    return made


def named(label: int | None) -> str:
    return GYMSIM.elements[label or 0].display_name


def is_true(one: Question, routine: Routine) -> bool:
    """Whether the right choice is true of the routine, worked out from its labels."""
    right = one.choices[one.answer]
    names = [None if label is None else named(label) for label in routine.labels]
    if one.task == "order":
        first, _, second = right.partition(", then ")
        return names.count(first) == names.count(second) == 1 and names.index(first) < names.index(second)
    if one.task in ("first", "last"):
        places = [names.index(choice) for choice in one.choices]
        return places[one.answer] == (min if one.task == "first" else max)(places)
    if one.task == "next":
        before = one.text.partition("directly after ")[2].removesuffix("?")
        return names[names.index(before) + 1] == right and names.count(before) == 1
    group = one.text.partition("of the group ")[2].removesuffix(" does the athlete show?")
    sets = {known.name: known.id for known in GYMSIM.sets}
    known = [GYMSIM.elements[label].set_id for label in routine.labels if label is not None]
    return None not in routine.labels and int(right) == known.count(sets[group]) > 0


@given(st.sampled_from(sorted(ROUTINE_BENCHMARKS)), st.integers(0, 4), st.integers(2, 4))
def test_every_right_choice_is_true_of_its_routine(benchmark: str, seed: int, n_choices: int) -> None:
    routines = drawn_routines(60, seed)
    found = build_routine_questions(routines, GYMSIM, benchmark, seed, n_choices)
    of_name = {routine.name: routine for routine in routines}
    assert found and not validate(found) and {one.benchmark for one in found} == {f"routine-{benchmark}"}
    assert all(is_true(one, of_name[one.video.removeprefix("actions/").removesuffix(".mp4")]) for one in found)
    assert {len(one.choices) for one in found} == {2 if benchmark == "order" else n_choices}
    assert found == build_routine_questions(routines, GYMSIM, benchmark, seed, n_choices)


def test_a_pair_is_asked_as_often_in_one_order_as_in_the_other() -> None:
    rng = SeededRandom("places")
    mostly = [(LABELS[0], LABELS[9]) if rng.below(5) else (LABELS[9], LABELS[0]) for _ in range(100)]
    routines = [Routine(f"v_E_{n:06}_{n:06}", "v", labels) for n, labels in enumerate(mostly)]
    found = build_routine_questions(routines, GYMSIM, "order")
    orders: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        orders[one.text][one.choices[one.answer]] += 1
    assert found and all(len(counts) == 2 and len(set(counts.values())) == 1 for counts in orders.values())
    assert usual_place_accuracy(found, routines, GYMSIM) == 0.5


def test_the_usual_place_gives_away_what_comes_first() -> None:
    routines = [Routine(f"v_E_{n:06}_{n:06}", "v", tuple(LABELS[:4])) for n in range(3)]
    found = build_routine_questions(routines, GYMSIM, "first")
    assert usual_place_accuracy(found, routines, GYMSIM) == 1.0
    assert usual_place_accuracy(build_routine_questions(routines, GYMSIM, "count"), routines, GYMSIM) is None


def test_sub_actions_are_read_by_time_and_unlabelled_ones_stay_between() -> None:
    parts = (
        SubAction("late", ((5.0, 6.0),)),
        SubAction("early", ((1.0, 2.0), (0.5, 0.9))),
        SubAction("mid", ((3.0, 4.0),)),
    )
    action = Action("video", "E_000001_000009", 1, 1.0, 9.0, parts)
    (routine,) = read_routines([action, replace(action, sub_actions=parts[:1])], {"late": 3, "early": 7})
    assert routine == Routine("video_E_000001_000009", "video", (7, None, 3))
    assert build_routine_questions([routine], GYMSIM, "next", 0, 2) == []


def test_other_benchmarks_and_numbers_are_refused() -> None:
    for benchmark, n_choices, name in (("middle", 4, "middle"), ("first", 1, "1"), ("first", 27, "27")):
        with pytest.raises(GymQAError, match=naming(name)):
            build_routine_questions(drawn_routines(3), GYMSIM, benchmark, 0, n_choices)


@pytest.mark.slow
def test_gymsims_routines_are_asked_about(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for benchmark in ("first", "next", "count"):
        out = tmp_path / f"{benchmark}.jsonl"
        words = ["--benchmark", benchmark, "--n_choices", "3", "--out", str(out)]
        assert main(["questions", "routines", str(gymsim_root), *words]) == 0
        found = load_questions(out)
        assert found and main(["questions", "validate", str(out)]) == 0
        assert (tmp_path / f"{benchmark}-videos" / "clips.txt").read_text().split() == [one.clip_id for one in found]
    assert "usual place" in capsys.readouterr().out
