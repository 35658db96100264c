"""Questions of other sets, without element, event or tier, take part in all of evaluation."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.adapters.request import Request
from eval.metrics.breakdown import breakdown
from eval.parsing.choice import parse_choice
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.frames.controls import partners
from gymqa.hub import load_gym_qa
from gymqa.questions.files import from_line, save_questions, to_line
from gymqa.questions.schema import LETTERS, Question
from gymqa.questions.shortcuts import stats
from tests.helpers.asked import questions as of_finegym
from tests.helpers.imported_questions import imported, tiny_set
from tests.helpers.leaderboard_example import TAXONOMY
from tests.helpers.naming import does_name, naming


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "questions" / "test.jsonl"
    save_questions(path, tiny_set())
    return path


def rows(folder: Path) -> dict[str, Any]:
    read = json.loads((folder / "leaderboard.json").read_text())["rows"]
    return {row["metric"]: row for row in read if row["model"] == "A" and row["benchmark"] == "tiny"}


def test_a_line_holds_what_the_question_has_and_older_lines_stay_as_they_are() -> None:
    line = json.loads(to_line(tiny_set()[0]))
    assert not {"tier", "drawn_tier", "set_id", "element"} & line.keys() and line["source"] == "tiny"
    assert [from_line(Question, to_line(one)) for one in tiny_set()] == tiny_set()
    older = to_line(of_finegym(1)[0])
    assert list(json.loads(older)) == [
        "id", "clip_id", "video_id", "text", "choices", "answer", "tier", "drawn_tier", "choice_labels", "event",
        "set_id", "element", "kind", "attributes", "group", "released",
    ]  # fmt: skip
    assert to_line(from_line(Question, older)) == older


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"source": ""}, "source"), ({"source": "gym-qa"}, "gym-qa"), ({"source": "../up"}, "../up"),
        ({"element": 3}, "element"), ({"tier": "set"}, "tiers"), ({"answer": 4}, "4"),
        ({"choices": ("one",)}, "1"), ({"choices": ("same", "Same ", "x", "y")}, "same"),
    ],
)  # fmt: skip
def test_a_question_of_another_set_has_its_source_and_nothing_of_finegym(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(GymQAError, match=naming(named)):
        replace(imported(0), **changes)


@pytest.mark.parametrize("changes", [{"element": None}, {"set_id": None}, {"source": "tiny"}, {"video": "a.mp4"}])
def test_a_question_for_an_element_has_one_and_no_source(changes: dict[str, Any]) -> None:
    with pytest.raises(GymQAError, match="q0"):
        replace(of_finegym(1)[0], **changes)


def test_letters_up_to_z_are_read() -> None:
    choices = imported(0, 26).choices
    assert [parse_choice(f"The answer is ({letter}).", choices) for letter in LETTERS] == list(range(26))


def test_a_mismatched_clip_is_of_another_video() -> None:
    clips = {one.clip_id: one for one in tiny_set()}
    request = Request(
        model="", name="", scoring=None, batch_size=1, device="cpu", features=None, frames=None, encode_with=None,
        control_seed=0, folder=Path(), clips=clips,
    )  # fmt: skip
    found = partners(request.elements, 0)
    assert found.keys() == clips.keys()
    assert all(clips[clip].video_id != clips[other].video_id for clip, other in found.items())


def test_they_are_broken_down_by_task_alone_even_with_a_taxonomy() -> None:
    found = breakdown(tiny_set(), np.ones(6), taxonomy=TAXONOMY)
    assert {(one.facet, one.value, one.n) for one in found} == {("task", "count", 3), ("task", "order", 3)}


def test_shortcuts_need_no_taxonomy(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = stats(tiny_set())
    assert found["n"] == 6 and found["videos"] == 3 and found["n_choices"] == [2, 3, 4, 26] and found["groups"] == 1
    assert found["chance"] == round((1 / 2 + 1 / 3 + 3 / 4 + 1 / 26) / 6, 3)
    assert found["letter_prior"] == round(2 / 6, 3) and not {"oracle_event", "middle_choice"} & found.keys()
    assert main(["questions", "stats", str(asked), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert stats(of_finegym(6), None).keys() == found.keys()
    with pytest.raises(GymQAError, match="tiny-0"):
        stats(tiny_set(), TAXONOMY)


@pytest.mark.slow
def test_they_are_asked_rotated_binary_and_scored(asked: Path, tmp_path: Path) -> None:
    common = ["evaluate", "--adapter", "scripted", "--model", "A", "--questions", str(asked)]
    for more in ([], ["--rotations", "all"], ["--binaries"]):
        out = ["--out", str(tmp_path / "results" / "".join(more).replace("-", ""))]
        assert main([*common, *out, *more]) == 0
    plain = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert plain == ["binaries", "rotationsall", "tiny.jsonl", "tiny.result.json"]
    site = ["report", *map(str, [tmp_path / "results" / "tiny.jsonl", tmp_path / "results" / "binaries"])]
    assert main([*site, "--questions", str(asked), "--out", str(tmp_path / "site"), "--resamples", "50"]) == 0
    found = rows(tmp_path / "site")
    assert found["accuracy"]["n"] == 5 and found["accuracy"]["value"] == pytest.approx(1 / 5)  # the pair counts once
    assert found["single_questions"]["value"] == pytest.approx(2 / 6)
    assert {"binary", "multiple_binary"} <= found.keys()
    rotated = ["report", str(tmp_path / "results" / "rotationsall"), "--questions", str(asked)]
    assert main([*rotated, "--out", str(tmp_path / "rotated"), "--resamples", "50"]) == 0
    assert rows(tmp_path / "rotated")["circular"]["value"] == 0


def test_they_are_pushed_and_exported_without_annotations(asked: Path, tmp_path: Path) -> None:
    out = tmp_path / "hub"
    assert main(["hub", "push", str(asked), "--repo", "me/tiny", "--out", str(out), "--dry_run"]) == 0
    card = (out / "README.md").read_text()
    assert "license: other" in card and "tiny-imported" in card and "oracle" not in card and "FineGym" not in card
    read = load_gym_qa(out, "tiny", split="test", tier="imported")
    assert read[3]["video"]["path"] == "b/jump.mp4" and read[3]["task"] == "order" and len(read[3]["choices"]) == 26
    assert main(["export", "lmms-eval", str(tmp_path / "lmms"), "--dataset", str(out), "--split", "test"]) == 0
    assert (tmp_path / "lmms" / "gymqa_tiny_imported.yaml").is_file()
    assert main(["export", "vlmevalkit", str(tmp_path / "vlm"), "--dataset", str(out), "--split", "test"]) == 0
    assert "a/run" in (tmp_path / "vlm" / "GymQA-tiny.tsv").read_text().splitlines()[1].split("\t")
    assert '{"GymQA-tiny": ""}' in (tmp_path / "vlm" / "gymqa_vlmevalkit.py").read_text()


def test_what_is_no_mp4_is_no_video_of_vlmevalkit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_questions(tmp_path / "test.jsonl", [replace(imported(0), video="a/run.webm")])
    pushed = ["hub", "push", str(tmp_path / "test.jsonl"), "--repo", "me/tiny", "--out", str(tmp_path / "hub")]
    assert main([*pushed, "--dry_run"]) == 0
    words = ["export", "vlmevalkit", str(tmp_path / "vlm"), "--dataset", str(tmp_path / "hub"), "--split", "test"]
    assert main(words) == 2 and does_name(capsys.readouterr().err, "a/run.webm")
