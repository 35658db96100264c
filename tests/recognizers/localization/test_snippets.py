"""Snippet features: each moment of a video is seen once, in time, and a video that does not decode is named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gymqa.errors import GymQAError
from gymqa.frames.video import VideoError, write_video
from gymqa.frames.video_stream import frames_at
from gymqa.io.files import read_json
from recognizers.backbones.slowfast import SlowFastConfig
from recognizers.factory import model_config
from recognizers.localization.segments import VideoSegment
from recognizers.localization.snippet_store import extract_snippets
from recognizers.localization.snippets import ClipEncoder, FrameEncoder, video_features, with_neighbours
from recognizers.ssl.augment import to_model
from tests.helpers.naming import naming


def video(path: Path, seconds: float, fps: float = 10.0) -> Path:
    """A video that grows brighter: frame i has the value 20 + i."""
    values = 20 + np.arange(round(seconds * fps))
    frames = np.broadcast_to(values[:, None, None, None], (len(values), 64, 80, 3)).astype(np.uint8)
    write_video(path, frames, fps, crf=0)
    return path


@pytest.mark.parametrize("fps", [4.0, 10.0, 25.0])
def test_a_frame_is_what_the_video_shows_at_its_second(tmp_path: Path, fps: float) -> None:
    chunks = list(frames_at(video(tmp_path / "v.mp4", 9.0), fps, 16))
    assert all(chunk.shape[1:] == (16, 16, 3) and len(chunk) <= 64 for chunk in chunks)
    found = np.concatenate(chunks).mean((1, 2, 3)) - 20
    shown = np.floor((np.arange(round(9 * fps)) + 0.5) / fps * 10 - 1e-9)
    assert len(found) == len(shown) and np.abs(found - shown).max() <= 1.5  # limited-range YUV rounds


def test_a_video_that_does_not_decode_is_refused(tmp_path: Path) -> None:
    whole = video(tmp_path / "v.mp4", 9.0).read_bytes()
    (tmp_path / "no.mp4").write_bytes(b"no video" * 99)
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    for name in ("no", "cut", "none"):
        with pytest.raises(VideoError, match=naming(f"{name}.mp4")):
            list(frames_at(tmp_path / f"{name}.mp4", 4, 16))
    with pytest.raises(GymQAError, match=naming(0)):
        list(frames_at(tmp_path / "v.mp4", 0, 16))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (4, 3)])
@pytest.mark.parametrize("length", [1, 5, 6, 23])
def test_chunks_are_joined_with_their_neighbours(before: int, after: int, length: int) -> None:
    frames = np.arange(length, dtype=np.uint8).reshape(-1, 1, 1, 1)
    seen = []
    for chunk in with_neighbours(iter(np.array_split(frames, -(-length // 5))), before, after, most=4):
        line = chunk.reshape(-1).astype(int)
        assert before + after < len(line) <= before + 4 + after
        seen += [line[i : i + before + 1 + after].tolist() for i in range(len(line) - before - after)]
    wanted = [np.clip(np.arange(t - before, t + after + 1), 0, length - 1).tolist() for t in range(length)]
    assert seen == wanted


def test_motion_is_none_where_nothing_moves(tmp_path: Path) -> None:
    still = np.full((20, 64, 64, 3), 90, np.uint8)
    still[10:, 20:40, 20:40] = 200
    write_video(tmp_path / "v.mp4", still, 10)
    encoder = FrameEncoder()
    found = video_features(tmp_path / "v.mp4", encoder, 10).float()
    motion = found[:, -encoder.dim // 3 :].abs().mean(1)
    assert found.shape == (20, encoder.dim) and int(motion.argmax()) == 10
    assert motion[10] > 5 * motion[1:9].max()


@pytest.mark.slow
def test_a_recognizer_sees_the_frames_around_each(tmp_path: Path) -> None:
    model = model_config("sefar_tiny").build()
    model.save_pretrained(tmp_path / "model")
    encoder = ClipEncoder(tmp_path / "model")
    path = video(tmp_path / "v.mp4", 2.0)
    found = video_features(path, encoder, 10)
    assert found.shape == (20, encoder.dim)
    frames = torch.from_numpy(np.concatenate(list(frames_at(path, 10, encoder.size))))
    alone = encoder.encode(frames[6 - encoder.before : 7 + encoder.after])
    assert torch.allclose(found[6].float(), alone[0], atol=2e-3)


@pytest.mark.slow
def test_a_recognizer_that_leaves_frames_out_sees_as_many_different_ones(tmp_path: Path) -> None:
    config = SlowFastConfig(image_size=32, n_frames=8, stride=2, width=8, beta=2)
    model = config.build().eval()
    model.save_pretrained(tmp_path)
    encoder = ClipEncoder(tmp_path)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3)).astype(np.uint8))
    assert encoder.before + 1 + encoder.after == 15
    wanted = [model.forward_features(to_model(frames[None, first : first + 15 : 2], 32)).fused[0] for first in (0, 1)]
    assert torch.allclose(encoder.encode(frames), torch.stack(wanted), atol=1e-4)
    published = [model_config(name) for name in ("slowfast_r50", "i3d_r50", "nl_i3d_r50")]
    assert all(len(set(one.sample(one.temporal_extent).tolist())) == one.frames for one in published)


def test_a_recognizer_of_flow_is_refused(tmp_path: Path) -> None:
    replace(model_config("sefar_tiny"), modality="flow").build().save_pretrained(tmp_path)
    with pytest.raises(GymQAError, match=naming(tmp_path, "flow", "rgb")):
        ClipEncoder(tmp_path)


def test_a_store_goes_on_and_names_what_does_not_decode(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    video(tmp_path / "videos" / "good.mp4", 2.0)
    (tmp_path / "videos" / "bad.mp4").write_bytes(b"")
    encoder = FrameEncoder()
    store = extract_snippets(encoder, tmp_path, ["good", "bad", "none"], tmp_path / "store", 5)
    assert "good" in store and store.features("good").shape == (10, encoder.dim)
    assert set(store.failures) == {"bad", "none"} and "bad.mp4" in store.failures["bad"]
    before = store.path("good").stat().st_mtime_ns
    video(tmp_path / "videos" / "bad.mp4", 1.0)
    store = extract_snippets(encoder, tmp_path, ["good", "bad", "none"], tmp_path / "store", 5)
    assert store.path("good").stat().st_mtime_ns == before and "bad" in store and set(store.failures) == {"none"}
    with pytest.raises(GymQAError, match=naming(tmp_path / "store", "--out")):
        extract_snippets(encoder, tmp_path, ["good"], tmp_path / "store", 4)
    with pytest.raises(GymQAError, match=naming("'../good'")):
        store.path("../good")
    store.path("good").write_bytes(b"damaged")
    with pytest.raises(GymQAError, match=naming("good.safetensors")):
        store.features("good")
    assert read_json(tmp_path / "store" / "failures.json").keys() == {"none"}


def test_snippets_are_means_over_their_seconds(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    video(tmp_path / "videos" / "good.mp4", 2.0)
    store = extract_snippets(FrameEncoder(), tmp_path, ["good"], tmp_path / "store", 8)
    rows = torch.arange(16.0)[:, None]
    whole = store.snippets(rows, VideoSegment("good", "good", 0.0, None, ()), 0.5)
    assert whole[:, 0].tolist() == [1.5, 5.5, 9.5, 13.5]
    cut = store.snippets(rows[:15], VideoSegment("good", "good", 0.0, None, ()), 0.5)  # the video ends within a snippet
    assert cut[:, 0].tolist() == [1.5, 5.5, 9.5, 13.0]
    part = store.snippets(rows, VideoSegment("good_E", "good", 0.5, 1.25, ()), 0.25)
    assert part[:, 0].tolist() == [4.5, 6.5, 8.5]
