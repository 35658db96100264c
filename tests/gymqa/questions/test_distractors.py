"""Questions: distinct choices, the answer among them, seeded by clip alone, balanced letters; files read back."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Element, Set, Taxonomy
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import from_line, load_questions, read_questions, save_questions, to_line
from gymqa.questions.schema import ELEMENT_BENCHMARKS, QUESTION_TEXT, Answer, Prediction, Question, format_question
from gymqa.questions.validation import validate
from gymqa.runtime.seeding import SeededRandom
from tests.helpers.naming import does_name, naming

NAMES = {
    (1, "VT"): ["tsukahara tucked", "tsukahara piked"],
    (24, "FX"): ["salto forward tucked", "salto forward piked", "salto forward stretched"],
    (25, "FX"): ["salto backward tucked", "salto backward piked", "whip salto"],
    (33, "BB"): ["salto backward tucked", "salto forward tucked", "free aerial cartwheel", "onodi"],
    (41, "UB"): ["giant circle backward", "giant circle forward", "stalder backward", "stalder forward", "kip", "cast"],
    (43, "UB"): ["transition flight from low bar to high bar", "transition flight from high bar to low bar"],
}
SETS = (
    Set(1, "vault", "VT"),
    Set(24, "FX_front_salto", "FX"),
    Set(25, "FX_back_salto", "FX"),
    Set(33, "BB_flight_salto", "BB"),
    Set(41, "UB_circles", "UB"),
    Set(43, "UB_transition_flight", "UB"),
)


def make_taxonomy() -> Taxonomy:
    rows = [(set_id, event, name) for (set_id, event), names in NAMES.items() for name in names]
    shared = Counter(name for _, _, name in rows)
    shown = [f"({event}) {name}" if shared[name] > 1 else name for _, event, name in rows]
    elements = [Element(i, i, row[0], row[1], row[2], shown[i], ()) for i, row in enumerate(rows)]
    return Taxonomy("tiny", tuple(elements), SETS)


TAXONOMY = make_taxonomy()
benchmarks = st.sampled_from(sorted(ELEMENT_BENCHMARKS))
labels = st.integers(0, len(TAXONOMY) - 1)
clip_lists = st.lists(labels, min_size=1, max_size=12).map(
    lambda chosen: [Clip(f"v_E_{i:06}_000001_A_0001_0002", "v", label) for i, label in enumerate(chosen)]
)


def question(**changes: Any) -> Question:
    fields = dict(
        id="q1",
        clip_id="c",
        video_id="v",
        text="What?",
        choices=("kip", "cast 0.5 turn", "onodi"),
        answer=1,
        tier="set",
        drawn_tier="event",
        choice_labels=(4, 5, 9),
        event="UB",
        set_id=41,
        element=5,
    )
    return Question(**(fields | changes))  # type: ignore[arg-type]


def clip_of(name: str, number: int = 0) -> Clip:
    return Clip(f"v_E_{number:06}_000001_A_0001_0002", "v", TAXONOMY.find(name).label)


@given(clip_lists, benchmarks, st.integers(0, 99), st.integers(2, 6))
def test_choices_are_distinct_and_the_answer_is_among_them(
    clips: list[Clip], benchmark: str, seed: int, n_choices: int
) -> None:
    for built in build_questions(clips, TAXONOMY, benchmark, seed, n_choices):
        meant = [TAXONOMY.elements[label] for label in built.choice_labels]
        assert len(built.choices) == n_choices == len({element.name for element in meant})
        assert built.choices == tuple(element.display_name for element in meant)
        assert built.choice_labels[built.answer] == built.element
        assert [clip.label for clip in clips if clip.id == built.clip_id] == [built.element]


@given(clip_lists, clip_lists, benchmarks, st.integers(0, 99))
def test_adding_clips_changes_no_other_question(clips: list[Clip], more: list[Clip], benchmark: str, seed: int) -> None:
    added = [Clip("w" + clip.id, "w", clip.label) for clip in more]
    alone = build_questions(clips, TAXONOMY, benchmark, seed)
    assert [built for built in build_questions([*added, *clips], TAXONOMY, benchmark, seed) if built in alone] == alone


@pytest.mark.parametrize("benchmark", sorted(ELEMENT_BENCHMARKS))
def test_letters_are_balanced(benchmark: str) -> None:
    clips = [clip_of("giant circle forward", number) for number in range(2000)]
    counts = Counter(built.letter for built in build_questions(clips, TAXONOMY, benchmark))
    assert set(counts) == set("ABCD")
    assert all(abs(count - 500) < 100 for count in counts.values())  # five standard deviations


def test_the_seed_redraws_the_questions() -> None:
    clips = [clip_of("kip", number) for number in range(50)]
    first, again, second = (build_questions(clips, TAXONOMY, "gym-qa", seed) for seed in (0, 0, 1))
    assert first == again
    assert sum(a.choices == b.choices for a, b in zip(first, second, strict=True)) < 10


def test_a_question_is_the_same_on_every_platform() -> None:
    (built,) = build_questions([clip_of("onodi")], TAXONOMY, "gym-qa")
    assert format_question(built) == f"{QUESTION_TEXT} A.kip B.giant circle backward C.onodi D.whip salto"


def test_draws_do_not_run_in_circles() -> None:
    draws = SeededRandom("any name", 7)
    assert len({draws.below(1 << 60) for _ in range(1000)}) == 1000


def test_hard_distractors_are_of_the_same_set() -> None:
    built = build_questions([clip_of("giant circle forward", number) for number in range(30)], TAXONOMY, "gym-qa-hard")
    assert {TAXONOMY.elements[label].set_id for one in built for label in one.choice_labels} == {41}
    assert {one.drawn_tier for one in built} == {"set"}


@pytest.mark.parametrize(("name", "drawn"), [("whip salto", "event"), ("tsukahara piked", "random")])
def test_a_set_that_is_too_small_falls_back_and_says_so(name: str, drawn: str) -> None:
    (built,) = build_questions([clip_of(name)], TAXONOMY, "gym-qa-hard")
    same_set = {element.label for element in TAXONOMY.same_set(built.element or 0)}
    assert same_set < set(built.choice_labels)
    assert (built.tier, built.drawn_tier) == ("set", drawn)


def test_random_distractors_come_from_every_event() -> None:
    built = build_questions([clip_of("onodi", number) for number in range(50)], TAXONOMY, "gym-qa")
    assert {TAXONOMY.elements[label].event for one in built for label in one.choice_labels} == {"VT", "FX", "BB", "UB"}


def test_gym_new_asks_only_about_elements_with_a_twin() -> None:
    clips = [clip_of("kip", 1), clip_of("stalder forward", 2), clip_of("whip salto", 3)]
    assert [built.clip_id for built in build_questions(clips, TAXONOMY, "gym-new")] == [clips[1].id]


def test_gym_new_offers_two_pairs_of_one_event_so_that_the_pair_gives_nothing_away() -> None:
    built = build_questions([clip_of("giant circle forward", number) for number in range(20)], TAXONOMY, "gym-new")
    for one in built:
        twins = [TAXONOMY.twin(label) for label in one.choice_labels]
        assert {twin.label for twin in twins if twin} == set(one.choice_labels)
        assert {TAXONOMY.elements[label].set_id for label in one.choice_labels} == {41}
        assert one.drawn_tier == "twin"


@pytest.mark.parametrize("n_choices", [3, 5])
def test_half_of_another_pair_is_no_twin(n_choices: int) -> None:
    (built,) = build_questions([clip_of("giant circle forward")], TAXONOMY, "gym-new", n_choices=n_choices)
    assert built.drawn_tier == "set"


def test_an_only_pair_is_filled_up_with_its_set() -> None:
    (built,) = build_questions([clip_of("(BB) salto forward tucked")], TAXONOMY, "gym-new")
    assert TAXONOMY.find("(BB) salto backward tucked").display_name in built.choices
    assert built.drawn_tier == "set"


@pytest.mark.parametrize(
    ("clip", "benchmark", "n_choices", "named"),
    [
        (Clip("x", "v", None), "gym-qa", 4, ("x",)),
        (Clip("x", "v", 99), "gym-qa", 4, ("x", 99, "tiny", 19)),
        (Clip("x", "v", 0), "gym-old", 4, ("'gym-old'", "gym-qa")),
        (Clip("x", "v", 0), "gym-qa", 19, ("tiny", 2, 18, 19)),
        (Clip("x", "v", 0), "gym-qa", 1, ("tiny", 2, 18, 1)),
    ],
)
def test_what_cannot_be_built_is_named(clip: Clip, benchmark: str, n_choices: int, named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        build_questions([clip], TAXONOMY, benchmark, 0, n_choices)


def test_a_question_prints_as_released() -> None:
    assert format_question(question()) == "What? A.kip B.cast 0.5 turn C.onodi"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"choices": ("kip", "cast", " Kip")}, ("'kip'",)),
        ({"choice_labels": (4, 5, 5)}, ([4, 5, 5],)),
        ({"choice_labels": (4, 5)}, ([4, 5],)),
        ({"answer": 0}, ("answer 0",)),
        ({"answer": -2}, ("answer -2",)),
        ({"choices": ("kip",), "choice_labels": (5,), "answer": 0}, ("1 choices",)),
        ({"tier": "hard"}, ("'hard'",)),
    ],
)
def test_an_impossible_question_is_refused_by_name(changes: dict[str, Any], named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming("q1", *named)):
        question(**changes)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    texts,
    texts,
    st.lists(texts.filter(str.strip), min_size=3, max_size=3, unique_by=lambda t: " ".join(t.split()).casefold()),
)
def test_questions_read_back_whatever_their_text(id: str, text: str, choices: list[str]) -> None:
    written = question(id=id, text=text, choices=tuple(choices))
    assert from_line(Question, to_line(written)) == written


@given(st.none() | st.integers(0, 3), st.none() | st.lists(st.floats(0, 1), min_size=4, max_size=4), st.none() | texts)
def test_answers_read_back(choice: int | None, probabilities: list[float] | None, error: str | None) -> None:
    answer = Answer("q1", choice, None if probabilities is None else tuple(probabilities), error)
    assert from_line(Answer, to_line(answer)) == answer


@pytest.mark.slow
@given(st.text(max_size=40) | st.recursive(st.none() | st.integers() | texts, st.lists).map(json.dumps))
def test_any_other_line_is_refused_with_a_sentence(line: str) -> None:
    with pytest.raises(GymQAError):
        from_line(Question, line)


@pytest.mark.parametrize(
    "change", [{"answer": "B"}, {"answer": True}, {"choices": "kip"}, {"extra": 1}, {"set_id": None}]
)
def test_a_field_of_another_type_is_named(change: dict[str, Any]) -> None:
    record = json.loads(to_line(question())) | change
    with pytest.raises(GymQAError, match=next(iter(change))):
        from_line(Question, json.dumps(record))


def test_a_prediction_joins_a_question_and_its_own_answer() -> None:
    joined = Prediction.of(question(), Answer("q1", 2, (0.2, 0.3, 0.5)))
    assert (joined.benchmark, joined.choice, joined.answer, joined.video_id) == ("gym-qa-hard", 2, 1, "v")
    assert from_line(Prediction, to_line(joined)) == joined
    with pytest.raises(GymQAError, match=naming("q2", "q1")):
        Prediction.of(question(), Answer("q2", 0))
    with pytest.raises(GymQAError, match=naming("q1", 3)):
        Prediction.of(question(), Answer("q1", 3))


def test_a_file_reads_back_and_its_first_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    questions = [question(), question(id="q2", text="line\u2028break")]
    save_questions(path, questions)
    assert load_questions(path) == questions
    path.write_text(path.read_text() + '{"half": ')
    with pytest.raises(GymQAError, match=naming("questions.jsonl:3")):
        load_questions(path)


def test_validation_lists_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    repeated = json.loads(to_line(question(id="q2"))) | {"choices": ["kip", "kip", "cast"]}
    path.write_text("\n".join([to_line(question()), json.dumps(repeated), "nonsense", to_line(question())]))
    questions, (first, second) = read_questions(path)
    (third,) = validate(questions)
    assert does_name(first, "questions.jsonl:2", "q2", "'kip'")
    assert does_name(second, "questions.jsonl:3")
    assert does_name(third, "q1", 2)
    assert validate([question(), replace(question(), id="q2")]) == []
