"""Answers that were written down or follow from counts: read strictly, and named by line where they are wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eval.adapters.human import Human
from eval.adapters.prior import Prior
from eval.adapters.registry import ADAPTERS, describe
from eval.adapters.scripted import Scripted
from gymqa.cli.commands.answers.list import adapters
from gymqa.errors import GymQAError
from tests.helpers.naming import does_name, naming
from tests.helpers.questions import question

FOUR = [question(f"q{i}", (0, 1, 2, 3), i) for i in range(4)]
TWO = question("two", (0, 1), 0)


def choices(model: Scripted | Human | Prior) -> list[int | None]:
    return [answer.choice for answer in model.answer([*FOUR, TWO])]


def test_a_script_is_a_letter_an_object_or_lines(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"q0": "D", "q2": null, "two": "C"}')
    (tmp_path / "s.jsonl").write_text('{"question_id": "q1", "letter": "B"}\n\n{"question_id": "q3", "letter": "A"}\n')
    assert choices(Scripted.read("s", "c")) == [2, 2, 2, 2, None]
    assert choices(Scripted.read("s", tmp_path / "s.json")) == [3, None, None, None, None]
    assert choices(Scripted.read("s", tmp_path / "s.jsonl")) == [None, 1, None, 0, None]
    beyond = Scripted.read("s", tmp_path / "s.json").answer([TWO])[0]
    assert does_name(beyond.error or "", 2, "C")
    assert Scripted.read("s", "A").fingerprint() != Scripted.read("s", "B").fingerprint()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("s.json", '{"q0": "AB"}', ("s.json", "q0", "'AB'")),
        ("s.json", '{"q0": 1}', ("s.json", "q0", 1)),
        ("s.json", '["A"]', ("s.json", "object")),
        (
            "s.jsonl",
            '{"question_id": "q0", "letter": "A"}\n{"question_id": "q0", "letter": "B"}\n',
            ("s.jsonl:2", "'q0'"),
        ),
        ("s.jsonl", '{"question_id": "q0"}\n', ("s.jsonl:1", "question_id", "letter")),
        ("s.jsonl", "A\n", ("s.jsonl:1", "question_id", "letter")),
        ("s.jsonl", '{"question_id": "q0", "letter": "a salto"}\n', ("s.jsonl:1", "'a salto'")),
        ("none.jsonl", None, ("none.jsonl",)),
    ],
)
def test_a_script_that_is_wrong_is_refused_by_line(
    name: str, text: str | None, why: tuple[object, ...], tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(GymQAError, match=naming(*why)):
        Scripted.read("s", tmp_path / name)


def test_the_prior_answers_what_was_right_most_often_and_by_letter_where_it_knows_no_text() -> None:
    training = [question(f"t{i}", (3, 2, 1, 0), 1) for i in range(5)] + [question("t", (3, 1, 0, 2), 0)] * 2
    prior = Prior("prior", training)  # move 2 was right 5 times, move 3 twice; B 5 times, A twice
    known, unknown = question("k", (3, 0, 1, 2), 0), question("u", (0, 1), 0)
    answers = prior.answer([known, unknown])
    assert [answer.choice for answer in answers] == [3, 1]
    assert answers[0].probabilities == pytest.approx([(2 + 2 / 7) / 8, (5 / 7) / 8, 0, 5 / 8])
    assert answers[1].probabilities == pytest.approx([2 / 7, 5 / 7])
    other = replace(known, text="What else?")  # the same names as answers to another question count for nothing
    assert prior.answer([other])[0].choice == 1
    assert prior.fingerprint() != Prior("prior", training[1:]).fingerprint()


def test_a_prior_without_a_reason_to_prefer_a_choice_leaves_it_unanswered() -> None:
    training = [question("t0", (3, 2), 0), question("t1", (3, 2), 1)]
    assert does_name(Prior("prior", training).answer([TWO])[0].error or "", "tie")
    with pytest.raises(GymQAError, match=naming("prior")):
        Prior("prior", [])


HEAD = "question_id,letter,annotator\n"
VOTES = HEAD + "q0,A,ann\nq0,a,ben\nq0,B,cem\nq1,C,ann\nq1,D,ben\nq2,,ann\nq2,B,ben\nq3,,ann\n"


def test_people_answer_by_majority_or_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(VOTES)
    everybody = Human.read("people", tmp_path / "h.csv").answer([*FOUR, TWO])
    assert [answer.choice for answer in everybody] == [0, None, 1, None, None]
    assert everybody[0].probabilities == pytest.approx((2 / 3, 1 / 3, 0, 0))
    assert everybody[0].error is None and everybody[2].error is None
    assert does_name(everybody[1].error or "", "tie")
    assert all(does_name(everybody[number].error or "", "nobody") for number in (3, 4))
    assert choices(Human.read("ann", tmp_path / "h.csv", "ann")) == [0, 2, None, None, None]
    assert choices(Human.read("ben", tmp_path / "h.csv", "ben")) == [0, 3, 1, None, None]
    (tmp_path / "one.csv").write_text("\ufeffletter,question_id\nD,q0\nD,two\n", encoding="utf-8")
    alone = Human.read("one", tmp_path / "one.csv").answer([FOUR[0], TWO])
    assert [answer.choice for answer in alone] == [3, None] and does_name(alone[1].error or "", 2, "D")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEAD + "q0,A,ann\nq1,E?,ann\n,B,ann\nq0,C,ann\n", ("line 3", "'E?'", "line 4", "line 5", "ann")),
        ("question_id,letter\nq0,A\nq0,B\n", ("line 3", "q0")),
        ("question_id,letter\nq0,A,B\n", ("line 2", "cells")),
        ("question,letter\nq0,A\n", ("question_id",)),
        ("", ("letter",)),
        (HEAD + "".join(f"q{i},?,ann\n" for i in range(9)), ("line 6", 4)),
        ('question_id,letter\n"q0,A\n', ("CSV",)),
    ],
)  # fmt: skip
def test_bad_rows_are_named_by_line(text: str, why: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(GymQAError, match=naming("h.csv", *why)):
        Human.read("people", tmp_path / "h.csv")


def test_an_annotator_who_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(VOTES)
    with pytest.raises(GymQAError, match=naming("'dan'", "ann, ben, cem")):
        Human.read("people", tmp_path / "h.csv", "dan")


def test_every_adapter_is_listed_and_built_and_a_wrong_name_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    adapters()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(ADAPTERS) == [name for name, _ in describe()]
    for name, one in ADAPTERS.entries.items():
        assert callable(ADAPTERS.load(name)) and one.what and one.needs
    adapters(json=True)
    assert '"name": "hf-vlm"' in capsys.readouterr().out
    with pytest.raises(GymQAError, match=naming("'recogniser'", "recognizer")):
        ADAPTERS.entry("recogniser")


@pytest.mark.slow
def test_scoring_needs_no_torch() -> None:
    modules = sorted(Path("eval").rglob("*.py"))
    modules = [path for path in modules if path.parent.name != "vlm" and path.name != "float32_logits.py"]
    names = [".".join(path.with_suffix("").parts) for path in modules if path.name != "__init__.py"]
    heavy = {"torch", "transformers"}
    code = (
        f"import importlib, sys; [importlib.import_module(one) for one in {names}]; print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(names) > 20 and done.stdout.strip() == "set()"
