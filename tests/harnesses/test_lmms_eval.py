"""lmms-eval itself scores the exported tasks as gymqa does; run by `make test-harnesses`, skipped elsewhere."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval.adapters.prompting import lettered
from eval.parsing.choice import parse_choice
from gymqa.cli import main as cli
from gymqa.hub.data_card import data_card
from gymqa.hub.question_dataset import QuestionSplit, write_dataset
from gymqa.questions.schema import Question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.places import ROOT

PYTHON = os.environ.get("GYMQA_HARNESS_PYTHON", "")
WRITTEN = [json.loads(line) for line in (ROOT / "tests/eval/parsing/written_replies.jsonl").open(encoding="utf-8")]

pytestmark = pytest.mark.skipif(not PYTHON, reason="make test-harnesses runs it")


def question(number: int, group: str = "") -> Question:
    one, labels = clip(0, number % 4, f"gymsimV000{number % 5}"), (1, 0, 2, 3)
    names = tuple(GYMSIM.elements[label].display_name for label in labels)
    element = GYMSIM.elements[0]
    made = Question(
        f"q{number}", one.id, f"gymsimV000{number % 5}", "Which move?", names, 1, "set", "set", labels,
        element.event, element.set_id, 0,
    )  # fmt: skip
    return replace(made, group=group)


def run(tmp_path: Path, tier: str, questions: tuple[Question, ...], replies: list[str]) -> dict[str, Any]:
    splits = [QuestionSplit("gymsim24", tier, "val", questions)]
    write_dataset(tmp_path / "ds", splits, data_card("me/gym-qa", splits, GYMSIM))
    for one in questions:
        footage = tmp_path / "videos" / "subactions" / f"{one.clip_id}.mp4"
        footage.parent.mkdir(parents=True, exist_ok=True)
        footage.touch()
    words = ["--dataset", str(tmp_path / "ds"), "--videos", str(tmp_path / "videos")]
    assert cli.main(["export", "lmms-eval", str(tmp_path / "tasks"), *words]) == 0
    given, out = tmp_path / "replies.json", tmp_path / "results.json"
    given.write_text(json.dumps({one.id: reply for one, reply in zip(questions, replies, strict=True)}))
    task = f"gymqa_gymsim24_{tier.replace('-', '_')}"
    script = ROOT / "tests" / "harnesses" / "run_lmms_eval.py"
    done = subprocess.run(
        [PYTHON, str(script), str(tmp_path / "tasks"), task, str(given), str(out)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(out.read_text()))


def test_scores_of_replies_of_every_kind_are_gymqas(tmp_path: Path) -> None:
    replies = [one["reply"] for one in WRITTEN]
    questions = tuple(question(number) for number in range(len(replies)))
    found = run(tmp_path, "set", questions, replies)
    read = [parse_choice(reply, one.choices) for reply, one in zip(replies, questions, strict=True)]
    assert found["results"]["gymqa_accuracy,none"] == pytest.approx(sum(one == 1 for one in read) / len(read))
    assert found["results"]["gymqa_answered,none"] == pytest.approx(sum(one is not None for one in read) / len(read))
    assert found["results"]["gymqa_accuracy_stderr_clustered,none"] > 0
    assert found["version"] == 2.0
    assert set(found["targets"].values()) == {"B"}
    assert found["prompt"] == lettered(questions[0])


def test_minimal_pairs_have_a_score_of_pairs_and_no_standard_error_of_singles(tmp_path: Path) -> None:
    questions = tuple(question(number, f"p{number // 2}") for number in range(8))
    found = run(tmp_path, "minimal-pairs", questions, ["B", "B", "A", "B", "B", "A", "", "B"])["results"]
    assert (found["gymqa_accuracy,none"], found["gymqa_answered,none"]) == (0.25, 7 / 8)
    assert {found[f"gymqa_accuracy_stderr{kind},none"] for kind in ("", "_clt", "_clustered")} == {"N/A"}
