"""Which decision a clip is asked: no text gives its answer away, whatever other clips are asked."""

from collections import Counter, defaultdict
from math import fsum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli import main as cli
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.questions.attributes import build_attribute_questions, decision_weights
from gymqa.questions.files import load_questions
from gymqa.questions.shortcuts import file_stats, stats
from gymqa.runtime.seeding import SeededRandom
from tests.helpers.gymsim_taxonomy import GYMSIM, clip, tree_of


def yes_by_text(taxonomy: Taxonomy, counts: dict[int, int]) -> dict[tuple[int, str], float]:
    """The share of yes in each question's answers, by set and text."""
    shares = decision_weights(taxonomy.elements, counts)
    mass: dict[tuple[int, str], dict[bool, float]] = defaultdict(lambda: {True: 0.0, False: 0.0})
    for one in taxonomy.elements:
        own = shares.get(one.label, {})
        for asked, share in own.items():
            clips = counts.get(one.label, 0) + 1
            mass[one.set_id, asked.question][asked.value] += clips * share / fsum(own.values())
    return {key: found[True] / (found[True] + found[False]) for key, found in mass.items()}


@pytest.mark.slow
@given(st.integers(0, 1000))
def test_every_text_has_as_many_yes_as_no_where_elements_are_alike(clips: int) -> None:
    for yes in yes_by_text(GYMSIM, dict.fromkeys(range(len(GYMSIM)), clips)).values():
        assert yes == pytest.approx(0.5, abs=0.01)


def test_frequent_elements_are_asked_elsewhere() -> None:
    taxonomy, counts = tree_of("a+ b+", "a+ b-", "a-"), {0: 39, 1: 39, 2: 19}
    assert yes_by_text(taxonomy, counts) == pytest.approx({(25, "a?"): 0.5, (25, "b?"): 0.5}, abs=0.01)
    shares = decision_weights(taxonomy.elements, counts)
    assert shares[0][Attribute("a?", True)] / fsum(shares[0].values()) == pytest.approx(1 / 4, abs=0.01)


def test_where_a_tree_has_nothing_else_to_ask_it_asks_that() -> None:
    shares = decision_weights(tree_of("a+", "a-", "a-").elements, {0: 900})
    assert [list(own) for own in shares.values()] == [[Attribute("a?", True)], *[[Attribute("a?", False)]] * 2]


def test_what_all_elements_answer_alike_is_not_asked() -> None:
    assert decision_weights(tree_of("a+ b+", "a+ b-", "a+").elements, {}).keys() == {0, 1}


@pytest.mark.slow
@given(st.lists(st.integers(0, 10**6), min_size=len(GYMSIM), max_size=len(GYMSIM)))
def test_no_decision_is_left_out_however_frequent_elements_are(frequent: list[int]) -> None:
    shares = decision_weights(GYMSIM.elements, dict(enumerate(frequent)))
    assert all(share > 0 for own in shares.values() for share in own.values())
    assert {*shares} == {one.label for one in GYMSIM.elements}


def test_the_most_frequent_answer_of_a_text_is_right_half_of_the_time() -> None:
    clips = [clip(label, number) for label in range(len(GYMSIM)) for number in range(200)]
    found = stats(build_attribute_questions(clips, GYMSIM, "decision"), GYMSIM)
    assert found["most_frequent_answer"] < 0.53


def test_weights_are_kept_to() -> None:
    drawn = Counter(SeededRandom("weights", number).weighted({"a": 1.0, "b": 3.0, "c": 0.0}) for number in range(4000))
    assert drawn["c"] == 0 and abs(drawn["a"] - 1000) < 140  # five standard deviations


def test_decisions_are_weighed_by_the_training_list_and_by_no_other_clip(gymsim_root: Path, tmp_path: Path) -> None:
    lists = gymsim_root / "annotations"
    (tmp_path / "annotations").mkdir()
    for file in lists.iterdir():
        (tmp_path / "annotations" / file.name).write_bytes(file.read_bytes())
    train, val = (f"gymsim24_{part}_element.txt" for part in ("train", "val"))
    asked = (lists / val).read_text()
    (tmp_path / "few.txt").write_text(asked[: asked.index("\n", 900) + 1])

    def built(clips: Path) -> list[tuple[str, str]]:
        words = ["--finegym", str(tmp_path), "--benchmark", "decision", "--out", str(tmp_path / "q.jsonl")]
        assert cli.main(["questions", "build", str(clips), *words]) == 0
        return [(one.clip_id, one.text) for one in load_questions(tmp_path / "q.jsonl")]

    before = built(lists / val)
    (tmp_path / "annotations" / val).unlink()
    assert set(built(tmp_path / "few.txt")) < set(before) == set(built(lists / val))
    made_up = "".join(f"v_E_{number:06}_000001_A_0001_0002 0\n" for number in range(2000))
    (tmp_path / "annotations" / train).write_text(made_up)
    assert built(lists / val) != before


@pytest.mark.slow
def test_finegyms_decisions_are_not_guessed_by_their_texts(shared: Path, tmp_path: Path) -> None:
    clips, file = shared / "finegym/gym99_val_element.txt", tmp_path / "val.jsonl"
    words = ["--finegym", str(shared / "finegym"), "--setting", "gym99", "--benchmark", "decision", "--out", str(file)]
    assert cli.main(["questions", "build", str(clips), *words]) == 0
    built = load_questions(file)
    assert len(built) == 8521 and abs(sum(one.choices[one.answer] == "Yes" for one in built) / 8521 - 0.5) < 0.02
    assert file_stats(file, shared / "finegym", "gym99")["most_frequent_answer"] < 0.56
