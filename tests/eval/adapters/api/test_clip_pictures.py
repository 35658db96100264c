"""A clip's frames become JPEG once, whoever asks and however many at once; few clips are kept."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from eval.adapters.api.clip_media import KEPT, ClipMedia
from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames
from gymqa.errors import GymQAError
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import Frames
from tests.helpers.loopback_openai import Endpoint, serve_endpoint
from tests.helpers.questions import question


class Counting(ClipFrames):
    """Frames that note what is read of them, and can fail."""

    def __init__(self, cache: FrameCache, fails: int = 0) -> None:
        super().__init__(cache, 4)
        self.taken: list[str] = []
        self.fails, self.lock = fails, threading.Lock()

    def take(self, clip_id: str) -> Frames:
        with self.lock:
            self.taken.append(clip_id)
            if len(self.taken) <= self.fails:
                raise GymQAError("the disk is gone")
        time.sleep(0.01)
        return super().take(clip_id)


def test_questions_of_a_clip_share_its_pictures(world: tuple[FrameCache, Splits]) -> None:
    frames, (one, other) = Counting(world[0]), world[0].clip_ids[:2]
    asked = [question(f"q{i}", (i % 4, 4), 0, other if i > 3 else one) for i in range(6)]
    with serve_endpoint(Endpoint()) as endpoint:
        model = OpenAIModel("m", "m", frames, ApiSettings(base_url=endpoint.url, key_variable="NO_SUCH_KEY"))
        model.answer(asked)
        model.close()
        model.answer(asked[:1])
        model.close()
    assert sorted(frames.taken) == sorted([one, other])
    sent = [[part["image_url"]["url"] for part in body["messages"][0]["content"][1:-1:2]] for body in endpoint.bodies]
    assert len(sent) == 7 and len({tuple(urls) for urls in sent}) == 2 and {len(urls) for urls in sent} == {4}


def test_many_threads_at_once_encode_a_clip_once(world: tuple[FrameCache, Splits]) -> None:
    frames = Counting(world[0])
    pictures, clip = ClipMedia(frames, 90), world[0].clip_ids[0]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(pictures.urls, [clip] * 32))
    assert frames.taken == [clip] and all(urls == found[0] for urls in found)


def test_clips_not_asked_for_lately_are_forgotten(world: tuple[FrameCache, Splits]) -> None:
    frames, clips = Counting(world[0]), world[0].clip_ids[: KEPT + 1]
    assert len(clips) == KEPT + 1
    pictures = ClipMedia(frames, 90)
    for clip in (*clips[:KEPT], clips[0], clips[KEPT], clips[0], clips[1]):
        pictures.urls(clip)
    assert frames.taken == [*clips[:KEPT], clips[KEPT], clips[1]]


def test_a_clip_that_could_not_be_read_is_read_again(world: tuple[FrameCache, Splits]) -> None:
    pictures = ClipMedia(Counting(world[0], fails=1), 90)
    with pytest.raises(GymQAError, match="the disk is gone"):
        pictures.urls(world[0].clip_ids[0])
    assert len(pictures.urls(world[0].clip_ids[0])) == 4
