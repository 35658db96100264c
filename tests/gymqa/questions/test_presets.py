"""Every preset reads one small file in the form in which the set's authors publish it; the contents are ours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from eval.metrics.minimal_pairs import group_scores
from gymqa.cli.main import main
from gymqa.frames.video import write_video
from gymqa.questions.files import load_questions
from gymqa.questions.importing.presets import PRESETS
from gymqa.questions.schema import Question
from tests.helpers.naming import does_name

LETTERED = "How does the ball roll?\nA. to the left\nB. to the right\nC. not at all"
FILES: dict[str, tuple[str, Any]] = {
    "mvbench": (
        "json/action_sequence.json",
        [{"video": "ABC.mp4", "question": "What came first?", "candidates": ["a jump", "a turn"], "answer": "a turn",
          "question_id": "Sequence_1", "start": 1.5, "end": 3.0},
         {"video": "DEF.mp4", "question": "What came last?", "candidates": ["a jump", "a turn", "a roll"],
          "answer": "a jump"}],
    ),
    "tvbench": (
        "json/moving_direction.json",
        [{"video": "1.mp4", "question": "Where does it move?", "candidates": ["up", "down", "left", "right"],
          "answer": "left"}],
    ),
    "tempcompass": (
        "questions/multi-choice.json",
        {"101": {"direction": [{"question": LETTERED, "answer": "B. to the right"}], "speed": []},
         "102": {"order": [{"question": LETTERED, "answer": "A. to the left"}]}},
    ),
    "motionbench": (
        "video_info.meta.jsonl",
        [{"question_type": "Action Order", "video_type": None, "key": "k1", "video_path": "one.mp4",
          "video_info": {"duration": 3.0, "fps": 30.0},
          "qa": [{"uid": "u1", "start": None, "end": None, "answer": "C", "question": LETTERED}]},
         {"question_type": "Repetition Count", "video_type": None, "key": "k2", "video_path": "two.mp4",
          "video_info": {"duration": 3.0, "fps": 30.0},
          "qa": [{"uid": "u2", "start": None, "end": None, "answer": "NA", "question": LETTERED}]}],
    ),
    "tomato": (
        "data/rotation.json",
        {"0": {"question": "How does the wheel turn?", "options": ["clockwise", "counterclockwise", "not at all"],
               "answer": 1, "demonstration_type": "object", "key": "wheel", "variation": {"reversed": 1}}},
    ),
    "favor-bench": (
        "video_perspective.json",
        [{"video_name": "v7", "questions": [
            {"task_type": "AS", "question": "What is done?", "options": ["sits", "stands"], "correct_answer": "stands"},
            {"task_type": "CM", "question": "How does the camera move?", "options": ["pan", "zoom", "tilt"],
             "correct_answer": "pan"}]}],
    ),
    "video-mme": (
        "test.parquet",
        [{"video_id": "001", "duration": "short", "domain": "Sports Competition", "sub_category": "Athletics",
          "url": "", "videoID": "xyz", "question_id": f"001-{n}", "task_type": "Counting Problem", "question": "Many?",
          "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."], "answer": letter}
         for n, letter in enumerate("BD")],
    ),
    "video-mme-v2": (
        "test.parquet",
        [{"video_id": video, "url": "", "group_type": "logic", "group_structure": "[1, 2, 3, 4]", "level": "2",
          "question_id": f"{video}-{n}", "question": "Which?", "second_head": "s", "third_head": "t", "answer": "H",
          "options": "\n".join(f"{letter}. choice {letter}." for letter in "ABCDEFGH")}
         for video in ("001", "2") for n in range(4)],
    ),
    "mvp": (
        "temporal_reasoning.parquet",
        [{"video_id": f"scene_4_{half}", "video_path": f"/star/{half}.mp4", "question": "Is it open?",
          "candidates": ["open", "closed"], "answer": answer, "source": "star"}
         for half, answer in enumerate(("open", "closed"))],
    ),
    "exact": (
        "data/metadata.jsonl",
        [{"file_name": f"dance_{n}.mp4", "id": f"dance_{n}", "domain": "dance", "is_ge": False, "take_name": "take_1",
          "groundTruth": "The head is straight.", "negative_comments": [f"Wrong {k}." for k in range(4)],
          "video_time": 27.1, "task_name": "a dance"} for n in range(8)],
    ),
    "videonet": (
        "benchmarks/mcq_val.jsonl",
        [{"key": "1-mcq-val-1", "answer": "B", "question": [
            {"type": "text", "text": "Which of these jumps is shown?\nA. split jump\nB. wolf jump\nC. tuck jump\n"
             "D. straddle jump\nPlease respond with only the letter of the correct answer."},
            {"type": "video", "video": "d0f9.mp4"}]}],
    ),
}  # fmt: skip


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(content), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
    else:
        path.write_text(json.dumps(content, indent=4))
    return path


def imported(folder: Path, preset: str, content: Any = None, name: str = "") -> list[Question]:
    """The questions that the preset makes of its file."""
    known, example = FILES[preset]
    file, out = write(folder / (name or known), content or example), folder / "out.jsonl"
    assert main(["questions", "import", str(file), "--preset", preset, "--out", str(out)]) == 0
    assert main(["questions", "validate", str(out)]) == 0
    return load_questions(out)


def test_every_preset_has_a_file_here_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(PRESETS) == set(FILES)
    assert main(["list", "presets"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PRESETS)


@pytest.mark.parametrize(
    ("preset", "choices", "answers", "videos"),
    [
        ("mvbench", ("a jump", "a turn"), [1, 0], ["action_sequence/ABC.mp4", "action_sequence/DEF.mp4"]),
        ("tvbench", ("up", "down", "left", "right"), [2], ["moving_direction/1.mp4"]),
        ("tempcompass", ("to the left", "to the right", "not at all"), [1, 0], ["videos/101.mp4", "videos/102.mp4"]),
        ("motionbench", ("to the left", "to the right", "not at all"), [2], ["one.mp4"]),
        ("tomato", ("clockwise", "counterclockwise", "not at all"), [1], ["object/wheel.mp4"]),
        ("favor-bench", ("sits", "stands"), [1, 0], ["v7.mp4", "v7.mp4"]),
        ("video-mme", ("One.", "Two.", "Three.", "Four."), [1, 3], ["xyz.mp4", "xyz.mp4"]),
        ("video-mme-v2", tuple(f"choice {letter}." for letter in "ABCDEFGH"), [7] * 8,
         ["001.mp4"] * 4 + ["002.mp4"] * 4),
        ("mvp", ("open", "closed"), [0, 1], ["star/0.mp4", "star/1.mp4"]),
        ("videonet", ("split jump", "wolf jump", "tuck jump", "straddle jump"), [1], ["d0f9.mp4"]),
    ],
)  # fmt: skip
def test_a_preset_reads_its_form(
    tmp_path: Path, preset: str, choices: tuple[str, ...], answers: list[int], videos: list[str]
) -> None:
    found = imported(tmp_path, preset)
    assert found[0].choices == choices and [one.answer for one in found] == answers
    assert [one.video for one in found] == videos and {one.benchmark for one in found} == {preset}
    assert all("\n" not in one.text for one in found)


def test_tasks_are_those_of_the_sets(tmp_path: Path) -> None:
    tasks = {name: {one.task for one in imported(tmp_path / name, name)} for name in FILES}
    assert tasks["mvbench"] == {"action_sequence"} and tasks["tempcompass"] == {"direction", "order"}
    assert tasks["favor-bench"] == {"AS", "CM"} and tasks["motionbench"] == {"Action Order"}
    assert tasks["mvp"] == {"temporal_reasoning"} and tasks["exact"] == {"dance"}


def test_yes_and_no_and_captions_of_tempcompass_are_choices(tmp_path: Path) -> None:
    asked = {"7": {"speed": [{"question": "Is it fast?", "answer": "no"}]}}
    (one,) = imported(tmp_path, "tempcompass", asked, "questions/yes_no.json")
    assert (one.choices, one.answer) == (("Yes", "No"), 1)
    for label in ("Caption A", "Option 1", "Sentence A"):
        second = label[:-1] + ("B" if label[-1] == "A" else "2")
        text = f"Which caption is right?\n{label}: It rises.\n{second}: It falls."
        captions = {"7": {"order": [{"question": text, "answer": f"{second}: It falls."}]}}
        (one,) = imported(tmp_path, "tempcompass", captions, "questions/caption_matching.json")
        assert (one.choices, one.answer) == (("It rises.", "It falls."), 1)


def test_zero_shot_yes_and_no_of_videonet_are_choices_and_examples_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [{"type": "text", "text": "Does it show a Double Flip?"}, {"type": "video", "video": "e.mp4"}]
    rows = [{"key": "1-pos-1", "question": parts, "answer": "yes"}]
    (one,) = imported(tmp_path, "videonet", rows, "binary_0shot.jsonl")
    assert (one.choices, one.answer, one.video) == (("Yes", "No"), 0, "e.mp4")
    file = write(tmp_path / "binary_1shot.jsonl", [{**rows[0], "question": [*parts, parts[1]]}])
    assert main(["questions", "import", str(file), "--preset", "videonet", "--out", str(tmp_path / "no.jsonl")]) == 2
    assert does_name(capsys.readouterr().out, f"{file}:1", "question")


def test_questions_without_an_answer_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, "motionbench")
    assert "1 rows have no answer" in capsys.readouterr().out


def test_pairs_of_mvp_and_groups_of_video_mme_count_together(tmp_path: Path) -> None:
    for preset, groups in (("mvp", 1), ("video-mme-v2", 2)):
        found = imported(tmp_path / preset, preset)
        scores, _ = group_scores(found, np.array([0.0] + [1.0] * (len(found) - 1)))
        assert scores.tolist() == [0.0] + [1.0] * (groups - 1)


def test_the_right_comment_of_exact_is_in_every_place(tmp_path: Path) -> None:
    found = imported(tmp_path, "exact")
    assert all(one.choices[one.answer] == "The head is straight." and len(one.choices) == 5 for one in found)
    assert len({one.answer for one in found}) > 1 and {one.video_id for one in found} == {"take_1"}


def test_clips_that_are_segments_are_cut_and_cached(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from gymqa.frames.cache import FrameCache

    moving = np.arange(100, dtype=np.uint8)[:, None, None, None].repeat(32, 1).repeat(32, 2).repeat(3, 3) * 2
    for name in ("ABC", "DEF"):
        path = tmp_path / "video" / "action_sequence" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, moving)  # 25 frames a second
    file, out = write(tmp_path / "json" / "action_sequence.json", FILES["mvbench"][1]), tmp_path / "mv.jsonl"
    words = ["--preset", "mvbench", "--videos", str(tmp_path / "video"), "--out", str(out)]
    assert main(["questions", "import", str(file), *words]) == 0
    folder = tmp_path / "mv-videos"
    clips = [one.clip_id for one in load_questions(out)]
    assert (folder / "clips.txt").read_text().split() == clips
    cached = ["cache", str(folder), "--lists", str(folder / "clips.txt"), "--out", str(tmp_path / "frames")]
    assert main([*cached, "--size", "16", "--max_frames", "200", "--workers", "1"]) == 0
    frames = FrameCache(tmp_path / "frames")
    lengths = frames.lengths(clips)
    assert lengths[1] == 100 and abs(int(lengths[0]) - 100 * 1.5 / 4) <= 1
    first = int(frames.gather([clips[0]], np.zeros((1, 1), np.int64)).mean())
    assert abs(first - 2 * 1.5 * 25) <= 4  # the segment begins at its own seconds
    (tmp_path / "video" / "action_sequence" / "DEF.mp4").unlink()
    assert main(["questions", "import", str(file), *words]) == 0
    assert does_name(capsys.readouterr().out, str(tmp_path / "video" / "action_sequence" / "DEF.mp4"))
