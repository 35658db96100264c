"""A clip is sent as images after their times, as one video of the frames shown, or by the address of its video."""

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from eval.adapters.api.openai_api import OpenAIModel, load
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames
from eval.adapters.request import AdapterOptions, Request
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.reading import open_video
from gymqa.frames.video import decode, write_video
from gymqa.questions.schema import Answer
from tests.helpers.loopback_openai import Endpoint, serve_endpoint
from tests.helpers.naming import does_name, naming
from tests.helpers.questions import question


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    for name in ("c0", "c 1"):
        start = cv2.resize(rng.integers(0, 255, (5, 9, 3), dtype=np.uint8), (90, 50))
        write_video(folder / f"{name}.mp4", np.stack([np.roll(start, 2 * t, 1) for t in range(20)]), fps=10)
    return FrameCache.build(folder / "cache", ["c0", "c 1"], lambda clip: folder / f"{clip}.mp4", 50, 20, 1)


def sent(frames: ClipFrames, clip: str = "c0", **settings: Any) -> tuple[list[dict[str, Any]], Answer]:
    """The parts of a message before the question, and the answer."""
    with serve_endpoint(Endpoint()) as endpoint:
        model = OpenAIModel("m", "m", frames, ApiSettings(base_url=endpoint.url, key_variable="NO_KEY", **settings))
        (answer,) = model.answer([question("q", (0, 1), 0, clip)])
        model.close()
    return (endpoint.bodies[0]["messages"][0]["content"][:-1] if endpoint.bodies else []), answer


def test_a_video_of_the_frames_shown_keeps_their_times(cache: FrameCache, tmp_path: Path) -> None:
    frames = ClipFrames(cache, 5)
    (part,), answer = sent(frames, video="base64")
    head, data = part["video_url"]["url"].split(",")
    assert (part["type"], head) == ("video_url", "data:video/mp4;base64")
    (tmp_path / "sent.mp4").write_bytes(base64.b64decode(data))
    found = decode(tmp_path / "sent.mp4")
    assert found.shape == (5, 50, 90, 3) and np.abs(found.astype(int) - frames.take("c0")).mean() < 8
    with open_video(tmp_path / "sent.mp4") as video:
        assert float(video.fps) == 2.5  # five frames of two seconds
    assert answer.detail is not None and answer.detail.frames == (2, 6, 10, 14, 18)


def test_frames_are_sent_at_the_size_asked_for(cache: FrameCache) -> None:
    parts, _ = sent(ClipFrames(cache, 2), short_side=20)
    assert parts[0] == {"type": "text", "text": "0.50 s "}
    data = base64.b64decode(parts[1]["image_url"]["url"].split(",")[1])
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None and image.shape == (20, 36, 3)


def test_a_video_is_named_by_its_address_and_no_frames_are_said_to_have_been_shown(cache: FrameCache) -> None:
    where = {"video": "url", "video_address": "https://host/clips/{clip_id}.mp4"}
    parts, answer = sent(ClipFrames(cache, 4), "c 1", **where)
    assert parts == [{"type": "video_url", "video_url": {"url": "https://host/clips/c%201.mp4"}}]
    assert answer.detail is not None and answer.detail.frames == ()
    other = ControlledFrames(cache, "mismatched", 0, {"c0": 0, "c 1": 1})
    parts, answer = sent(ClipFrames(other, 4), "c0", **where)
    assert parts[0]["video_url"]["url"] == "https://host/clips/c%201.mp4"
    assert answer.detail is not None and answer.detail.clip_id == "c 1"


def test_images_of_no_known_rate_become_no_video(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(4):
        cv2.imwrite(str(images / f"{number}.png"), np.zeros((20, 30, 3), np.uint8))
    frames = ClipFrames(FrameCache.build(tmp_path / "cache", ["v"], lambda _: images, 20, 4, 1), 2)
    parts, answer = sent(frames, "v", video="base64")
    assert parts == [] and does_name(answer.error or "", "v", "--image_fps")
    assert [part["type"] for part in sent(frames, "v")[0]] == ["image_url"] * 2


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"video": "film"}, "video"),
        ({"video": "url"}, "video_address"),
        ({"video_address": "https://host/{clip_id}.mp4"}, "video_address"),
        ({"video": "url", "video_address": "https://host/clip.mp4"}, "https://host/clip.mp4"),
        ({"video": "url", "video_address": "file:///{clip_id}.mp4"}, "file:///{clip_id}.mp4"),
        ({"short_side": -1}, "short_side"),
    ],
)
def test_ways_of_sending_that_cannot_be_are_refused(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(GymQAError, match=naming(named)):
        OpenAIModel("m", "m", None, ApiSettings(**wrong))


def test_controls_that_change_frames_are_refused_for_a_video_sent_by_its_address(
    cache: FrameCache, tmp_path: Path
) -> None:
    api = ApiSettings(video="url", video_address="https://host/{clip_id}.mp4")
    made: dict[str, Any] = {
        "model": "m", "name": "m", "scoring": None, "batch_size": 1, "device": "cpu", "features": None,
        "frames": cache.folder, "encode_with": None, "control_seed": 0, "folder": tmp_path, "clips": {},
        "options": AdapterOptions(api=api),
    }  # fmt: skip
    with pytest.raises(GymQAError, match=naming("shuffled", "--options.api.video base64")):
        load(Request(controls=("none", "shuffled"), **made))
    assert load(Request(controls=("none",), **made)).n_frames is None
