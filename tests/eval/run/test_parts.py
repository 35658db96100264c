"""Batches and shares: every question once, a clip's together, and the same whatever the number of processes."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from eval.run.parts import batches, shard
from gymqa.questions.schema import Question
from tests.helpers.asked import questions


def asked(clips: list[int]) -> list[Question]:
    return [replace(one, clip_id=f"c{clip}") for one, clip in zip(questions(len(clips)), clips, strict=True)]


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 12), st.integers(1, 4))
def test_every_question_is_asked_once_by_one_process(clips: list[int], size: int, processes: int) -> None:
    made = batches(asked(clips), size)
    assert all(0 < len(batch) <= size for batch in made)
    taken = [batch for number in range(processes) for batch in shard(made, (number, processes))]
    assert sorted(one.id for batch in taken for one in batch) == sorted(f"q{i}" for i in range(len(clips)))
    assert all(batch in made for batch in taken)


def test_questions_of_one_clip_stay_together_as_far_as_they_fit() -> None:
    made = batches(asked([0, 1, 0, 2, 1, 0, 3]), 4)
    assert [[one.clip_id for one in batch] for batch in made] == [["c0"] * 3, ["c1", "c1", "c2", "c3"]]
    made = batches(asked([0] * 5), 2)
    assert [len(batch) for batch in made] == [2, 2, 1]
