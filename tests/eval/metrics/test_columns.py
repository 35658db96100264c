"""A predictions file as columns says what its lines say; the metrics command prints them."""

import json
from pathlib import Path

import numpy as np
import pytest

from eval.metrics.columns import read_columns
from eval.stats.bootstrap import mean_interval
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions, to_line
from gymqa.questions.schema import Detail, Prediction
from tests.helpers.naming import naming

LINES = [
    Prediction("q0", "c0", "v", "gym-qa", 1, 1, (0.25, 0.75)),
    Prediction("q1", "c1", "w", "gym-qa", 0, 1, (0.75, 0.25)),
    Prediction("q2", "c2\u2028\n", "w", "gym-new", None, 0, None, "c2.mp4 is empty"),
    Prediction("q3", "c3", "v", "gym-new", 3, 3, None, None, Detail("ab" * 32, (0, 4, 9), "r-1", "D.\n")),
]


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_columns_are_the_lines(tmp_path: Path) -> None:
    file = write(tmp_path / "p.jsonl", *map(to_line, LINES))
    found = read_columns(file)
    assert found.question_ids.to_pylist() == [one.question_id for one in load_predictions(file)]
    assert [found.video_names[index] for index in found.video] == ["v", "w", "w", "v"]
    assert [found.benchmark_names[index] for index in found.benchmark] == [one.benchmark for one in LINES]
    assert (found.choice.tolist(), found.answer.tolist()) == ([1, 0, -1, 3], [1, 1, 0, 3])
    assert (found.points.tolist(), found.answered.tolist()) == ([1, 0, 0, 1], [1, 1, 0, 1])
    assert np.isnan(found.confidence).tolist() == [False, False, True, True]
    assert found.confidence[:2].tolist() == [0.75, 0.75]


GOOD = json.loads(to_line(LINES[0]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{half"], ("p.jsonl:1",)),
        ([to_line(LINES[0]), json.dumps(GOOD | {"answer": "B"})], ("p.jsonl:2",)),
        ([json.dumps(GOOD | {"choice": True})], ("p.jsonl:1",)),
        ([json.dumps(GOOD | {"extra": 1})], ("p.jsonl:1",)),
        ([json.dumps({"question_id": "q"})], ("p.jsonl:1",)),
        ([json.dumps(GOOD | {"choice": -2})], ("p.jsonl", "letters")),
        ([json.dumps(GOOD | {"answer": 26})], ("p.jsonl", "letters")),
        ([json.dumps(GOOD | {"choice": 2})], ("p.jsonl", "probability")),
        ([to_line(LINES[0])] * 2, ("p.jsonl", "twice")),
        ([to_line(LINES[2]), json.dumps(GOOD | {"probabilities": [-0.25, 1.25]})], ("p.jsonl:2", "-0.25")),
        ([to_line(LINES[2]), json.dumps(GOOD | {"probabilities": [0.9, 0.9]})], ("p.jsonl:2", "q0", "1.8")),
        ([json.dumps(GOOD | {"probabilities": [float("nan"), 1.0]})], ("p.jsonl:1", "nan")),
        ([json.dumps(GOOD | {"probabilities": [float("inf"), 1.0]})], ("p.jsonl:1", "inf")),
        ([json.dumps(GOOD).replace("0.25", "1e999")], ("p.jsonl:1", "inf")),
        ([""], ("p.jsonl",)),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, lines: list[str], said: tuple[str, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*said)):
        read_columns(write(tmp_path / "p.jsonl", *lines))
    with pytest.raises(GymQAError, match=naming("none.jsonl")):
        read_columns(tmp_path / "none.jsonl")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["metrics", *words]) == 0
    return capsys.readouterr().out


def test_the_command_scores_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "p.jsonl", *map(to_line, LINES))
    found = json.loads(printed(capsys, str(file), "--json"))["metrics"]
    expected = mean_interval([1.0, 0.0], ["v", "w"])
    assert found["gym-qa"] == {"value": 0.5, "low": expected.low, "high": expected.high}
    assert (found["gym-new answered"], found["gym-qa ECE"]) == (0.5, pytest.approx(0.25))
    assert "gym-new answered         50.0 %" in printed(capsys, str(file))


def test_the_command_scores_class_probabilities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(0, [0.9, 0.1]), (0, [0.8, 0.2]), (1, [0.6, 0.4]), (1, None)]
    lines = [json.dumps({"clip_id": f"c{i}", "video_id": f"v{i % 2}", "label": label, "probabilities": row})
             for i, (label, row) in enumerate(rows)]  # fmt: skip
    file = write(tmp_path / "c.jsonl", *lines)
    found = json.loads(printed(capsys, str(file), "--json"))
    assert found["metrics"]["top1"]["value"] == 0.5 and found["metrics"]["answered"] == 0.75
    assert found["confusion"] == [[2, 0], [1, 0]]
    assert [one["recall"] for one in found["classes"]] == [1.0, 0.0]
    table = printed(capsys, str(file), "--classes")
    assert "    0      2      66.7   100.0   80.0" in table and "mAP_micro" in table


def test_the_command_scores_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = write(tmp_path / "t.jsonl", '{"video_id": "v", "label": 0, "start": 0, "end": 10}')
    found = write(tmp_path / "f.jsonl", '{"video_id": "v", "label": 0, "start": 0, "end": 7, "score": 1}')
    text = printed(capsys, str(found), "--truth", str(truth))
    assert "mAP@0.7                  100.0 %" in text and "mAP@0.75                 0.0 %" in text
    assert "mAP average              50.0 %" in text
    assert main(["metrics", str(found)]) == 2
    assert "--truth" in capsys.readouterr().err
    assert main(["metrics", str(write(tmp_path / "x.jsonl", "{}"))]) == 2
