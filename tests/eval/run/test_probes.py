"""Probes of contamination change what is asked, and nothing else: ids, clips, order and scoring stay."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval.run.question_files import read_files
from eval.run.results import load_result, result_path
from eval.run.run_state import RunInfo
from gymqa.cli.commands.answers.evaluate import ask_file
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.finegym.decision_trees import Attribute
from gymqa.questions.files import load_predictions, save_questions
from gymqa.questions.probes import LETTERS_ALONE, NONE_OF_THESE, PROBES, probed
from gymqa.questions.schema import Answer, Question, format_question
from tests.helpers.asked import questions as of_finegym
from tests.helpers.imported_questions import imported, tiny_set
from tests.helpers.naming import does_name, naming


class Remembering:
    """Chooses the text that it has learned to be right, else the first choice, and notes what it was asked."""

    def __init__(self, known: Sequence[Question]) -> None:
        self.name, self.texts = "remembering", list[str]()
        self._known = {one.text: one.choices[one.answer] for one in known}

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.texts += map(format_question, questions)
        found = [(one, self._known.get(one.text, "")) for one in questions]
        return [Answer(one.id, one.choices.index(text) if text in one.choices else 0) for one, text in found]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "questions" / "test.jsonl"
    save_questions(path, [replace(one, text=f"Which way, {one.id}?") for one in tiny_set()])
    return path


def test_the_right_choice_is_replaced_in_its_place() -> None:
    for question in (*tiny_set(), *of_finegym(3)):
        (found,) = probed(NONE_OF_THESE, [question])
        assert found.choices[found.answer] == "None of these" and found.answer == question.answer
        assert replace(found, choices=question.choices) == question
    offered = replace(imported(0, 3, 0), choices=("x", "none of these", "y"))
    (found,) = probed(NONE_OF_THESE, [offered])
    assert len({choice.casefold() for choice in found.choices}) == 3 and found.choices[1:] == offered.choices[1:]


def test_letters_alone_show_neither_question_nor_choices() -> None:
    for question in tiny_set():
        (found,) = probed(LETTERS_ALONE, [question])
        assert format_question(found) == " ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(question.choices)])
        assert (found.id, found.clip_id, found.answer) == (question.id, question.clip_id, question.answer)


def test_yes_and_no_are_refused() -> None:
    tree = (Attribute("Which?", True),)
    decision = replace(of_finegym(1)[0], kind="decision", choices=("Yes", "No"), choice_labels=(), attributes=tree)
    for name in PROBES:
        with pytest.raises(GymQAError, match=naming("q0")):
            probed(name, [decision])


def test_who_has_learned_the_answers_falls(asked: Path, tmp_path: Path) -> None:
    (file,) = read_files([asked])
    rights = {}
    for control in ("none", NONE_OF_THESE, LETTERS_ALONE):
        out, model = tmp_path / f"{control}.jsonl", Remembering(file.questions)
        ask_file(model, file, out, 4, RunInfo(control=control))
        rights[control] = sum(one.choice == one.answer for one in load_predictions(out))
        assert load_result(result_path(out)).control == control
        assert [one.question_id for one in load_predictions(out)] == [one.id for one in file.questions]
        shown = [one for one in model.texts if "Which way" in one]
        assert len(shown) == (0 if control == LETTERS_ALONE else 6)
    assert rights == {"none": 6, NONE_OF_THESE: 2, LETTERS_ALONE: 2}  # the right one is the first of two


@pytest.mark.slow
def test_probes_are_controls_of_evaluate_and_of_the_report(asked: Path, tmp_path: Path) -> None:
    words = ["evaluate", "--adapter", "scripted", "--model", "A", "--questions", str(asked)]
    results = tmp_path / "results"
    assert main([*words, "--out", str(results), "--controls", "none", *PROBES]) == 0
    assert {path.name for path in results.glob("*.jsonl")} == {"tiny.jsonl", *(f"tiny.{name}.jsonl" for name in PROBES)}
    site = tmp_path / "site"
    assert main(["report", str(results), "--questions", str(asked), "--out", str(site), "--resamples", "50"]) == 0
    rows = json.loads((site / "leaderboard.json").read_text())["rows"]
    assert {row["control"] for row in rows if row["model"] == "A"} == {"none", *PROBES}


def test_a_wrong_control_is_named_with_the_probes(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--adapter", "scripted", "--model", "A", "--questions", str(asked)]
    assert main([*words, "--controls", "none-of-them"]) == 2
    assert does_name(capsys.readouterr().err, "none-of-them", *PROBES)
    assert (
        main(["evaluate", "--adapter", "blind", "--model", "A", "--questions", str(asked), "--controls", *PROBES]) == 2
    )
    assert does_name(capsys.readouterr().err, NONE_OF_THESE)
