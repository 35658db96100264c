"""Late fusion of saved predictions: the mean, clip by clip, and nothing else."""

import json
from pathlib import Path

import pytest

from eval.metrics.fusion import control_of, fuse
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from tests.helpers.naming import naming

Line = dict[str, object]
CLIPS = [f"V_E_000000_000009_A_000{number}_0001" for number in range(4)]


def line(clip: int, label: int, *probabilities: float, **more: object) -> Line:
    return {"clip_id": CLIPS[clip], "label": label, "probabilities": list(probabilities) or None, **more}


def write(path: Path, *lines: Line) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


RGB = [line(0, 0, 0.9, 0.1), line(1, 1, 0.6, 0.4), line(2, 1, 0.2, 0.8), line(3, 0, error="it is empty")]
FLOW = [line(3, 0, 1.0, 0.0), line(1, 1, 0.1, 0.9), line(0, 0, 0.5, 0.5), line(2, 1, 0.6, 0.4)]


def test_two_streams_are_the_mean_and_score_by_gymqa_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write(tmp_path / "rgb.jsonl", *RGB), write(tmp_path / "flow.jsonl", *FLOW)]
    out = tmp_path / "2stream.jsonl"
    assert cli.main(["fuse", *map(str, files), "--out", str(out)]) == 0
    assert "the mean of 2 over 4 clips, 1 without probabilities" in capsys.readouterr().out
    found = [json.loads(one) for one in out.read_text().splitlines()]
    assert [one["clip_id"] for one in found] == CLIPS and [one["label"] for one in found] == [0, 1, 1, 0]
    assert found[0]["probabilities"] == [0.7, 0.3] and found[1]["probabilities"] == [0.35, 0.65]
    assert found[2]["probabilities"] == [0.4, 0.6]  # flow alone was wrong here, and colours were in the one before
    assert found[3]["probabilities"] is None and found[3]["error"] == "rgb.jsonl: it is empty"
    assert "control" not in found[0]
    assert cli.main(["metrics", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["top1"]["value"] == 0.75


def test_a_clip_that_one_stream_lost_is_lost_however_sure_the_other_is(tmp_path: Path) -> None:
    fused = fuse([write(tmp_path / "rgb.jsonl", *RGB), write(tmp_path / "flow.jsonl", *FLOW)])
    assert fused.answered.tolist() == [1, 1, 1, 0] and fused.predicted[3] == -1


def test_three_files_weigh_alike(tmp_path: Path) -> None:
    rows = [(1.0, 0.0), (0.4, 0.6), (0.1, 0.9)]
    files = [write(tmp_path / f"{n}.jsonl", line(0, 0, *row)) for n, row in enumerate(rows)]
    assert fuse(files).probabilities.tolist() == [pytest.approx([0.5, 0.5])]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (FLOW[:3], (1, CLIPS[2], "rgb.jsonl", "other.jsonl")),
        ([*FLOW[:3], line(2, 0, 0.6, 0.4)], (1, "rgb.jsonl", 0, "other.jsonl")),
        ([line(n, 0, 0.2, 0.3, 0.5) for n in range(4)], ("rgb.jsonl", 2, "other.jsonl", 3)),
    ],
)
def test_predictions_of_other_clips_labels_or_classes_are_refused(
    tmp_path: Path, other: list[Line], named: tuple[object, ...]
) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        fuse([write(tmp_path / "rgb.jsonl", *RGB), write(tmp_path / "other.jsonl", *other)])


def test_one_file_or_the_same_twice_is_no_average(tmp_path: Path) -> None:
    file = write(tmp_path / "rgb.jsonl", *RGB)
    for files in ([file], [file, tmp_path / "." / "rgb.jsonl"]):
        with pytest.raises(GymQAError):
            fuse(files)


def test_controls_are_kept_and_not_mixed(tmp_path: Path) -> None:
    shuffled = [write(tmp_path / f"{n}.jsonl", line(0, 0, 0.5, 0.5, control="shuffled")) for n in "ab"]
    assert cli.main(["fuse", *map(str, shuffled), "--out", str(tmp_path / "both.jsonl")]) == 0
    assert json.loads((tmp_path / "both.jsonl").read_text())["control"] == "shuffled"
    with pytest.raises(GymQAError, match=naming(shuffled[0], "shuffled", "none")):
        control_of([shuffled[0], write(tmp_path / "none.jsonl", line(0, 0, 0.5, 0.5))])
