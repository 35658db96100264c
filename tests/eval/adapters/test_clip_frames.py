"""What a result says was shown is what was shown: the very frames, in their order, of the very clip."""

from pathlib import Path

import numpy as np
import pytest

from eval.adapters.clip_frames import ClipFrames
from eval.adapters.provenance import detailed
from eval.metrics.columns import read_columns
from eval.run.runner import run
from gymqa.frames.controls import ControlledFrames
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import Answer
from tests.helpers.asked import Wrong
from tests.helpers.numbered_frames import ELEMENTS, LENGTHS, NumberedFrames
from tests.helpers.questions import question


@pytest.mark.parametrize("clip", ["a", "b", "c"])
@pytest.mark.parametrize("control", ["none", "one-frame", "frozen", "shuffled", "reversed", "mismatched"])
def test_an_answer_tells_the_frames_that_the_model_saw(control: str, clip: str) -> None:
    frames = ClipFrames(ControlledFrames(NumberedFrames(), control, 1, ELEMENTS), 4)
    asked = question("q", (0, 1), 0, clip)
    told = detailed(Answer("q", 0), asked, "Which?", frames).detail
    pixels = frames.take(clip)[:, 0, 0]
    whose, which = {list(LENGTHS)[number] for number in pixels[:, 0]}, tuple(np.asarray(pixels[:, 1]).tolist())
    assert told is not None and told.frames == which
    assert {told.clip_id or clip} == whose and (told.clip_id == "") == (control != "mismatched")


def test_without_video_nothing_is_told_to_have_been_shown() -> None:
    told = detailed(Answer("q", 0), question("q", (0, 1), 0, "a"), "Which?", None).detail
    assert told is not None and (told.frames, told.clip_id) == ((), "")


def test_the_clip_shown_is_kept_and_read_as_columns(tmp_path: Path) -> None:
    frames, asked = (
        ClipFrames(ControlledFrames(NumberedFrames(), "mismatched", 1, ELEMENTS), 2),
        question("q", (0, 1), 0, "a"),
    )
    out = tmp_path / "p.jsonl"
    run(Wrong([detailed(Answer("q", 0), asked, "Which?", frames)]), [asked], out)
    (kept,) = load_predictions(out)
    assert kept.detail is not None and kept.detail.clip_id in ("c", "d")
    assert read_columns(out).choice.tolist() == [0]
