"""A clip is shown as a model's makers do: as video with its frame rate and times, or as images with their times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from eval.adapters.clip_frames import ClipFrames
from eval.adapters.vlm.families import FAMILIES, Family
from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.limits import halving, require_room
from eval.adapters.vlm.loading import LoadedVlm, load_vlm
from eval.adapters.vlm.showing import Showing, video_metadata
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.sampling import ClipTimes
from gymqa.frames.video import Frames, write_video
from gymqa.io.files import read_json, write_json
from gymqa.questions.schema import Question
from tests.helpers.naming import does_name, naming
from tests.helpers.questions import question
from tests.helpers.tiny_vlms import save_tiny

CLIPS = {"short": (20, 64, 96), "long": (40, 64, 96), "high": (20, 80, 48)}  # frames, height, width; 10 per second


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    for name, (n, *shape) in CLIPS.items():
        start = cv2.resize(rng.integers(0, 255, (5, 7, 3), dtype=np.uint8), shape[::-1])
        write_video(folder / f"{name}.mp4", np.stack([np.roll(start, 2 * t, 1) for t in range(n)]), fps=10)
    return FrameCache.build(folder / "cache", CLIPS, lambda clip: folder / f"{clip}.mp4", 48, 40, 1)


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> LoadedVlm:
    return load_vlm(str(save_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen3"))))


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llava", tmp_path_factory.mktemp("llava"))


def seen(loaded: LoadedVlm, frames: ClipFrames, clip: str) -> str:
    """The text that a model reads about a clip, with the tokens of what it sees."""
    model, asked = HfVlm("m", loaded, frames), question("q", (0, 1), 0, clip)
    inputs = model._inputs([asked], [model._asked(asked)], [frames.take(clip)])
    return str(loaded.processor.tokenizer.decode(inputs["input_ids"][0]))


def test_a_video_is_told_its_true_rate_times_and_length(cache: FrameCache) -> None:
    showing = Showing(FAMILIES["qwen3_vl"], ClipFrames(cache, 4))
    given = showing.inputs(["short", "long"], showing.take(["short", "long"]))
    assert [video.shape for video in given["videos"]] == [(4, 48, 72, 3)] * 2
    short, long = given["video_metadata"]
    assert (short.fps, short.duration, short.total_num_frames, short.frames_indices) == (10, 2, 20, [2, 7, 12, 17])
    assert (long.duration, long.frames_indices, long.width, long.height) == (4, [5, 15, 25, 35], 72, 48)
    assert given["do_sample_frames"] is False


def test_the_times_of_a_video_stand_in_what_qwen3_reads(cache: FrameCache, qwen3: LoadedVlm) -> None:
    text = seen(qwen3, ClipFrames(cache, 4), "long")
    assert "<1.0 seconds>" in text and "<3.0 seconds>" in text  # middles of two frames each


def test_images_have_their_times_before_them(cache: FrameCache) -> None:
    parts = Showing(Family(), ClipFrames(cache, 2)).parts("short")
    assert parts == [
        {"type": "text", "text": "0.50 s "}, {"type": "image"}, {"type": "text", "text": "1.50 s "}, {"type": "image"},
    ]  # fmt: skip


def test_frames_at_a_rate_differ_in_number_by_the_clips_length(cache: FrameCache, qwen3: LoadedVlm) -> None:
    frames = ClipFrames(cache, 8, fps=2)
    assert [len(frames.take(clip)) for clip in CLIPS] == [4, 8, 4]
    assert len(ClipFrames(cache, 8, fps=2, max_frames=5).take("long")) == 5
    assert frames.fingerprint()["fps"] == 2 and "n_frames" not in frames.fingerprint()
    asked = [question(f"q{i}", (0, 1, 2), 0, clip) for i, clip in enumerate(CLIPS)]
    together, alone = (HfVlm("m", qwen3, frames, batch_size=size).choice_logprobs(asked) for size in (8, 1))
    np.testing.assert_allclose(np.array(together), np.array(alone), atol=1e-5)


@pytest.mark.parametrize("wrong", [{"fps": 0.0}, {"fps": float("inf")}, {"fps": 1.0, "max_frames": 0}])
def test_a_rate_that_is_none_is_refused(cache: FrameCache, wrong: dict[str, Any]) -> None:
    with pytest.raises(GymQAError):
        ClipFrames(cache, 8, **wrong)


def test_a_single_frame_is_repeated_where_a_video_needs_two(cache: FrameCache) -> None:
    showing = Showing(FAMILIES["qwen2_5_vl"], ClipFrames(cache, 1))
    given = showing.inputs(["short"], showing.take(["short"]))
    assert len(given["videos"][0]) == 2 and given["video_metadata"][0].frames_indices == [10, 10]


def test_time_goes_on_where_frames_are_in_another_order(cache: FrameCache) -> None:
    plain, turned = (ClipFrames(ControlledFrames(cache, control), 4) for control in ("none", "reversed"))
    assert plain.seconds("short") == turned.seconds("short") == [0.2, 0.7, 1.2, 1.7]
    np.testing.assert_array_equal(turned.take("short")[0], cache.whole("short", np.array([17]))[0])


def test_a_clip_of_unknown_rate_is_unanswered_as_video_and_shown_as_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        cv2.imwrite(str(images / f"{number}.png"), np.full((48, 64, 3), 40 * number, np.uint8))
    frames = ClipFrames(FrameCache.build(tmp_path / "cache", ["v"], lambda _: images, 16, 6, 1), 2)
    assert does_name(Showing(FAMILIES["qwen3_vl"], frames).why_unseen("v") or "", "v", "--image_fps")
    showing = Showing(FAMILIES["llava"], frames)
    assert showing.why_unseen("v") is None
    assert showing.parts("v") == [{"type": "image"}] * 2


def test_what_is_shown_and_how_is_part_of_the_fingerprint(cache: FrameCache, qwen3: LoadedVlm) -> None:
    found = HfVlm("m", qwen3, ClipFrames(cache, 8, fps=2)).fingerprint()
    assert found["frames"]["shown_as"] == "video with metadata" and found["frames"]["picture"] == "whole"
    assert found["processor"]["class"] == "Qwen3VLProcessor"
    assert found["processor"]["video_processor"]["class"] == "Qwen3VLVideoProcessor"
    assert "32768" in found["processor"]["video_processor"]["size"]


def test_a_family_that_was_not_tried_is_refused_unless_forced(llava_folder: Path, tmp_path: Path) -> None:
    for path in llava_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_json(tmp_path / "config.json", {**read_json(llava_folder / "config.json"), "model_type": "janus"})
    with pytest.raises(GymQAError, match=naming("janus", "--options.untried true", "qwen3_vl")):
        load_vlm(str(tmp_path))
    assert load_vlm(str(llava_folder), untried=True).family == Family()


def test_a_prompt_beyond_the_models_context_is_refused_with_the_frames_that_fit(
    cache: FrameCache, llava_folder: Path
) -> None:
    loaded = load_vlm(str(llava_folder))
    loaded.model.config.get_text_config().max_position_embeddings = 90
    asked = [question("q", (0, 1), 0, "short")]
    assert HfVlm("m", loaded, ClipFrames(cache, 2)).answer(asked)[0].choice is not None
    with pytest.raises(GymQAError, match=naming("m", 90, "8", "--options.n_frames")):
        HfVlm("m", loaded, ClipFrames(cache, 8)).answer(asked)
    require_room("m", loaded.model, 90, 8)


class Small:
    """Work whose memory holds two questions."""

    def __init__(self, error: Exception) -> None:
        self.error, self.sizes = error, []  # type: tuple[Exception, list[int]]

    def __call__(self, questions: Sequence[Question], clips: Sequence[Frames]) -> list[str]:
        self.sizes.append(len(questions))
        if len(questions) > 2:
            raise self.error
        return [f"{one.id}{len(clips)}" for one in questions]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("CPUAllocator: not enough memory"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(
    error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    asked, small = [question(f"q{i}", (0, 1), 0, "c") for i in range(5)], Small(error)
    fitting, found = halving(small, asked, [])
    assert (fitting, found) == (2, ["q00", "q10", "q20", "q30", "q40"])
    assert small.sizes == [5, 3, 2, 1, 2]
    assert "fit" in capfd.readouterr().err


def test_what_is_no_lack_of_memory_is_not_hidden_and_one_question_too_large_is_told() -> None:
    asked = [question(f"q{i}", (0, 1), 0, "c") for i in range(3)]
    with pytest.raises(RuntimeError, match="shapes"):
        halving(Small(RuntimeError("shapes differ")), asked, [])

    def never(questions: Any, clips: Any) -> list[str]:
        raise MemoryError

    with pytest.raises(GymQAError, match="memory"):
        halving(never, asked[:1], [])


def test_after_a_batch_was_halved_the_next_are_as_small(
    cache: FrameCache, qwen3: LoadedVlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [question(f"q{i}", (0, 1, 2), 0, "short") for i in range(6)]
    model, sizes, forward = HfVlm("m", qwen3, ClipFrames(cache, 4), batch_size=4), [], type(qwen3.model).forward
    whole = model.choice_logprobs(asked)

    def lacking(self: Any, *args: Any, **inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, *args, **inputs)

    monkeypatch.setattr(type(qwen3.model), "forward", lacking)
    np.testing.assert_allclose(np.array(model.choice_logprobs(asked)), np.array(whole), atol=1e-5)
    assert sizes == [4, 2, 2, 2]


def test_an_older_folder_without_a_file_of_the_video_processor_is_taken(cache: FrameCache, tmp_path: Path) -> None:
    save_tiny("internvl", tmp_path)
    saved = read_json(tmp_path / "processor_config.json")
    write_json(tmp_path / "preprocessor_config.json", {**saved.pop("image_processor"), "processor_class": "x"})
    saved.pop("video_processor")
    write_json(tmp_path / "processor_config.json", saved)
    assert seen(load_vlm(str(tmp_path)), ClipFrames(cache, 4), "short").count("<IMG_CONTEXT>") == 4


def test_times_of_a_varying_rate_become_numbers_of_frames_at_its_densest() -> None:
    told = video_metadata(ClipTimes(25, 2.0, 3, 3, (0.0, 0.04, 1.6)), [0.0, 0.04, 1.6], (8, 9))
    assert (told.frames_indices, told.total_num_frames, told.timestamps) == ([0, 1, 40], 41, [0.0, 0.04, 1.6])
