"""Of minimal pairs the share of twos counts questions, where chance is a half, and all twos right counts pairs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ModelRun
from eval.metrics.binary import binary_questions
from gymqa.cli.main import main
from gymqa.questions.files import save_questions, to_line
from gymqa.questions.schema import Prediction, Question
from tests.helpers.leaderboard_example import questions

NAME = "minimal-pairs"


def pairs() -> list[Question]:
    """Two pairs of questions with four choices."""
    asked = questions("gym-new", 4)
    return [replace(one, group=f"pair {number // 2}") for number, one in enumerate(asked)]


def right(question: Question) -> bool:
    """The first question of each pair."""
    return question.id in ("gym-new-0", "gym-new-2")


def in_twos(asked: list[Question]) -> list[Prediction]:
    found = []
    for one in asked:
        for two in binary_questions(one):
            said = two.answer if right(one) else 1 - two.answer
            found.append(Prediction(two.id, two.clip_id, two.video_id, NAME, said, two.answer))
    return found


def at_once(asked: list[Question]) -> list[Prediction]:
    """The right choice is the likeliest, or of the four the one that loses to two others."""
    found = []
    for one in asked:
        own, others = (0.4, (0.3, 0.2, 0.1)) if right(one) else (0.2, (0.4, 0.3, 0.1))
        shares = [*others]
        shares.insert(one.answer, own)
        said = shares.index(max(shares))
        found.append(Prediction(one.id, one.clip_id, one.video_id, NAME, said, one.answer, tuple(shares)))
    return found


def test_shares_of_twos_are_of_questions_and_all_twos_right_of_pairs() -> None:
    asked = pairs()
    run = ModelRun("m", "", {NAME: at_once(asked)}, binaries={NAME: in_twos(asked)})
    found = {row.metric: (row.value, row.n) for row in build_rows({NAME: asked}, [run], resamples=50)}
    assert found == {
        "accuracy": (0, 2),
        "single_questions": (0.5, 4),
        "binary": (0.5, 4),
        "multiple_binary": (0, 2),
        "binary_by_probability": (pytest.approx((1 + 1 / 3) / 2), 4),
    }


@pytest.mark.parametrize(
    ("answer", "metric", "share"), [(in_twos, "binary", 1 / 2), (at_once, "binary by probability", 2 / 3)]
)
def test_metrics_count_them_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
    answer: Callable[[list[Question]], list[Prediction]], metric: str, share: float,
) -> None:  # fmt: skip
    asked, file = pairs(), tmp_path / "answers.jsonl"
    save_questions(tmp_path / "asked.jsonl", asked)
    file.write_text("".join(to_line(one) + "\n" for one in answer(asked)))
    assert main(["metrics", str(file), "--questions", str(tmp_path / "asked.jsonl"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert found[f"{NAME} {metric}"]["value"] == pytest.approx(share)
