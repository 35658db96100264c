"""Every question is asked once, whatever happens: stopped, half-written, changed; what came of it is told."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval.metrics.binary import binary_scores_of_likelihoods
from eval.run.results import load_result, result_path
from eval.run.run_state import RunInfo
from eval.run.runner import run
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions, save_questions
from gymqa.questions.schema import Answer, Detail, Question
from tests.helpers.asked import Scripted, Wrong, questions
from tests.helpers.naming import naming


def test_predictions_are_the_same_for_every_batch_size(tmp_path: Path) -> None:
    files = []
    for size in (1, 4, 100):
        out = tmp_path / f"{size}.jsonl"
        predictions = run(Scripted(), questions(10), out, size)
        assert [prediction.question_id for prediction in predictions] == [f"q{i}" for i in range(10)]
        assert load_predictions(out) == predictions
        files.append(out.read_bytes())
    assert files[0] == files[1] == files[2]
    first = json.loads(files[0].split(b"\n")[0])
    assert first["benchmark"] == "gym-qa-hard" and first["choice"] == 1 and first["answer"] == 0


class Sure(Scripted):
    """Is right, and nearly certain; the right choice, where it is wrong, is still likelier than the third."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [
            Answer(one.id, 0, tuple(0.999999 if place == 0 else 1.2345e-6 / 1000**place for place in range(3)))
            for one in questions
        ]


def test_what_a_sure_model_holds_for_less_likely_is_kept(tmp_path: Path) -> None:
    asked = questions(3)
    run(Sure(), asked, tmp_path / "p.jsonl", 2)
    kept = load_predictions(tmp_path / "p.jsonl")
    assert kept[0].probabilities == (1.0, 1.23e-9, 1.23e-12)
    assert binary_scores_of_likelihoods(asked, kept).tolist() == [1.0, 0.5, 0.0]


def test_a_stopped_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    first = Scripted(stop_before="q6")
    with pytest.raises(KeyboardInterrupt):
        run(first, questions(10), out, 2)
    second = Scripted()
    run(second, questions(10), out, 2)
    assert first.asked + second.asked == [f"q{i}" for i in range(10)]
    third = Scripted()
    assert len(run(third, questions(10), out)) == 10
    assert third.asked == []


def unfinished(out: Path, n: int = 5) -> Path:
    """The file of a run that was stopped before its last question."""
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(stop_before=f"q{n - 1}"), questions(n), out, 1)
    (part,) = out.with_name(out.name + ".parts").glob("*/*.jsonl")
    return part


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_half_written_last_line_is_dropped_and_its_question_asked_again(tmp_path: Path, cut: int) -> None:
    out = tmp_path / "p.jsonl"
    part = unfinished(out)
    part.write_bytes(part.read_bytes()[:-cut])
    again = Scripted()
    run(again, questions(5), out)
    assert again.asked == (["q3", "q4"] if cut < 200 else ["q2", "q3", "q4"])
    run(Scripted(), questions(5), tmp_path / "whole.jsonl")
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not part.parent.parent.exists()


def test_a_changed_model_questions_or_settings_start_over(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(choice=1), questions(4), out)
    assert {p.choice for p in run(Scripted(choice=2), questions(4), out)} == {2}
    assert len(run(Scripted(choice=2), questions(3), out)) == 3
    changed = Scripted(choice=2)
    run(changed, questions(3), out, info=RunInfo(settings={"scoring": "letters"}))
    assert len(changed.asked) == 3 and len(load_predictions(out)) == 3


def test_answers_under_other_settings_are_kept_apart_until_the_new_ones_are_whole(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(choice=1), questions(4), out)
    old = out.read_bytes(), result_path(out).read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(choice=2, stop_before="q3"), questions(4), out, 1)
    assert (out.read_bytes(), result_path(out).read_bytes()) == old
    again = Scripted(choice=2)
    assert {p.choice for p in run(again, questions(4), out, 1)} == {2}
    assert again.asked == ["q3"]


def test_answers_without_a_readable_result_are_not_trusted(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(2), out)
    result_path(out).write_text("{half")
    again = Scripted()
    run(again, questions(2), out)
    assert again.asked == ["q0", "q1"]


def test_predictions_that_were_changed_by_hand_are_noticed(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(2), out)
    out.write_text(out.read_text().replace('"choice": 1', '"choice": 0'))
    with pytest.raises(GymQAError, match=naming("p.jsonl", "p.result.json")):
        run(Scripted(), questions(2), out)


def test_a_file_that_no_run_made_is_left_as_it_is(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("do not lose me")
    with pytest.raises(GymQAError, match=naming("notes.txt", "--out")):
        run(Scripted(), questions(2), notes)
    assert notes.read_text() == "do not lose me" and os.listdir(tmp_path) == ["notes.txt"]


def test_the_result_tells_what_was_asked_and_the_same_run_gives_the_same_files(tmp_path: Path) -> None:
    info = RunInfo("SeFAR", "scripted", "r1", "shuffled", "letters", environment={"python": "3"}, settings={"seed": 0})
    kept = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        out = folder / "p.jsonl"
        run(Scripted(), questions(4), out, info=info)
        result = load_result(result_path(out))
        kept.append((out.read_bytes(), result_path(out).read_bytes()))
    assert kept[0] == kept[1]
    assert (result.model.name, result.model.adapter, result.model.encoder) == ("scripted", "scripted", "SeFAR")
    assert result.model.fingerprint == {"choice": 1, "parts": ["a", "b"]}
    assert (result.benchmark, result.control, result.scoring) == ("gym-qa-hard", "shuffled", "letters")
    assert result.predictions.sha256 == hashlib.sha256(kept[0][0]).hexdigest()
    save_questions(tmp_path / "q.jsonl", questions(4))
    assert result.questions.sha256 == hashlib.sha256((tmp_path / "q.jsonl").read_bytes()).hexdigest()
    run(Scripted(), questions(4), tmp_path / "a" / "p.jsonl", info=replace(info, environment={"python": "4"}))
    assert result_path(tmp_path / "a" / "p.jsonl").read_bytes() == kept[0][1]  # answered where it was answered
    other = tmp_path / "c" / "p.jsonl"
    run(Scripted(), questions(4), other, info=replace(info, control="none", environment={"python": "4"}))
    changed = load_result(result_path(other))
    assert changed.config_hash != result.config_hash and changed.environment_hash != result.environment_hash


def test_probabilities_are_kept_without_the_digits_that_batches_change(tmp_path: Path) -> None:
    answers = [Answer("q0", 0, (0.333333333, 0.33333334, 0.33333))]
    (prediction,) = run(Wrong(answers), questions(1), tmp_path / "p.jsonl")
    assert prediction.probabilities == (0.3333, 0.3333, 0.3333)


def test_what_a_model_tells_of_an_answer_is_kept(tmp_path: Path) -> None:
    detail = Detail(prompt_sha256="ab", frames=(0, 4, 8), revision="v2", reply="B, I think")
    run(Wrong([Answer("q0", 0, detail=detail)]), questions(1), tmp_path / "p.jsonl")
    (prediction,) = load_predictions(tmp_path / "p.jsonl")
    assert prediction.detail == detail


def test_unanswered_is_kept_as_unanswered(tmp_path: Path) -> None:
    (prediction,) = run(Scripted(choice=None), questions(1), tmp_path / "p.jsonl")
    assert prediction.choice is None


@pytest.mark.parametrize(
    "answers",
    [
        [Answer("q0", 0)],
        [Answer("q0", 0), Answer("q7", 0)],
        [Answer("q0", 0), Answer("q0", 1)],
        [Answer("q0", 0), Answer("q1", 3)],
        [Answer("q0", 0), Answer("q1", -1)],
        [Answer("q0", 0), Answer("q1", 0, (0.5, 0.5))],
        [Answer("q0", 0), Answer("q1", 0, (float("nan"), 0.5, 0.5))],
    ],
)
def test_answers_that_fit_no_question_are_refused_and_nothing_is_kept(tmp_path: Path, answers: list[Answer]) -> None:
    out = tmp_path / "p.jsonl"
    with pytest.raises(GymQAError):
        run(Wrong(answers), questions(2), out)
    (part,) = tmp_path.glob("p.jsonl.parts/*/*.jsonl")
    assert part.read_bytes() == b"" and not out.exists()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    part = unfinished(tmp_path / "p.jsonl", 4)
    lines = part.read_text().splitlines(keepends=True)
    foreign = lines[1].replace('"q1"', '"q7"')
    for damaged in (lines[0] + "garbage\n" + lines[2], lines[0] + lines[0] + lines[1], lines[0] + foreign):
        part.write_text(damaged)
        with pytest.raises(GymQAError, match=naming("0.jsonl:2")):
            run(Scripted(), questions(4), tmp_path / "p.jsonl")


def test_an_id_twice_a_file_for_a_folder_and_a_batch_of_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match="twice"):
        run(Scripted(), questions(2) + questions(1), tmp_path / "p.jsonl")
    with pytest.raises(GymQAError, match=naming("batch size", 0)):
        run(Scripted(), questions(2), tmp_path / "p.jsonl", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(GymQAError, match=naming(tmp_path / "file")):
        run(Scripted(), questions(2), tmp_path / "file" / "p.jsonl")


def test_odd_text_in_an_error_survives_the_file(tmp_path: Path) -> None:
    reason = "clip\udc80.mp4\u2028 is broken\n"
    model = Wrong([Answer("q0", None, None, reason)])
    run(model, questions(1), tmp_path / "p.jsonl")
    (again,) = run(model, questions(1), tmp_path / "p.jsonl")
    assert again.error == reason


class Unlucky(Scripted):
    """Gets no answer to q3, for a reason that may pass, until it is told to."""

    lucky = False

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        found = super().answer(questions)
        lost = Answer("q3", None, None, "busy", retry=True)
        return [lost if one.question_id == "q3" and not self.lucky else one for one in found]


def stopped(*anything: object) -> None:
    raise KeyboardInterrupt


def test_failed_questions_are_asked_again_though_a_run_ended_between_predictions_and_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, model = tmp_path / "p.jsonl", Unlucky()
    run(model, questions(5), out, 2)
    assert load_result(result_path(out)).open == ("q3",)
    model.lucky, model.asked = True, []
    with monkeypatch.context() as patch:
        patch.setattr("eval.run.runner.save_result", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(model, questions(5), out, 2)
    assert [one.choice for one in run(model, questions(5), out, 2)] == [1] * 5
    assert model.asked == ["q3"] and load_result(result_path(out)).open == ()
    assert {path.name for path in tmp_path.iterdir()} == {"p.jsonl", "p.result.json"}


def test_predictions_changed_by_hand_while_failed_questions_are_asked_again_are_refused(tmp_path: Path) -> None:
    out, model = tmp_path / "p.jsonl", Unlucky()
    run(model, questions(5), out, 2)
    model.stop_before = "q3"
    with pytest.raises(KeyboardInterrupt):
        run(model, questions(5), out, 2)
    out.write_text(out.read_text().replace('"choice": 1', '"choice": 2', 1))
    with pytest.raises(GymQAError, match=naming(out)):
        run(model, questions(5), out, 2)


def test_partial_answers_left_when_the_result_was_written_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "p.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr("eval.run.runner.remove_parts", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(Scripted(), questions(5), out, 2)
    other = tmp_path / "p.jsonl.parts" / "0123456789abcdef"
    other.mkdir()
    run(Scripted(), questions(5), out, 2)
    assert [path.name for path in (tmp_path / "p.jsonl.parts").iterdir()] == [other.name]
