"""Question sets as datasets: every field a column, nothing lost, wrong folders named."""

from pathlib import Path

import pytest

from gymqa.errors import GymQAError
from gymqa.hub import load_gym_qa, questions_path, save_gym_qa
from gymqa.questions import Question

QUESTIONS = [
    Question(f"q{i}", f"c{i}", "v", "What?", ("kip", "cast"), i % 2, "set", "event", (4, 5), "UB", 41, 4 + i % 2)
    for i in range(3)
]


def test_a_saved_split_loads_as_one_row_a_question(tmp_path: Path) -> None:
    save_gym_qa(tmp_path, "val", "gym-qa-hard", QUESTIONS)
    rows = load_gym_qa(tmp_path, "val", "gym-qa-hard")
    assert rows.column_names == list(Question.__dataclass_fields__)
    read_back = [
        Question(**{**row, **{name: tuple(row[name]) for name in ("choices", "choice_labels", "attributes")}})
        for row in rows
    ]
    assert read_back == QUESTIONS
    assert str(rows.split) == "val"


def test_a_split_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=r"gym-qa/val.jsonl does not exist"):
        load_gym_qa(tmp_path)
    save_gym_qa(tmp_path, "val", "gym-qa", [])
    with pytest.raises(GymQAError, match=r"gym-qa/val.jsonl holds no question"):
        load_gym_qa(tmp_path)


@pytest.mark.parametrize(("benchmark", "split"), [("gym-old", "val"), ("gym-qa", "../val"), ("gym-qa", "")])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, benchmark: str, split: str) -> None:
    with pytest.raises(GymQAError):
        questions_path(tmp_path, benchmark, split)
