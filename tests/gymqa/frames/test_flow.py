"""Optical flow against movements that are known, and its cache: resumed, parallel, never another clip's."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import gymqa.frames.flow
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import FlowMethod, build_flow, flow_fields, frames_folder_of, to_bytes
from gymqa.frames.video import Frames, write_video
from gymqa.frames.views import JointFrames
from tests.helpers.naming import does_name, naming

SIZE = 64
METHODS = ["tvl1", "dis"]


def moving(dx: float, dy: float, frames: int = 2, size: int = SIZE, seed: int = 0) -> Frames:
    """A smooth texture that goes `dx` to the right and `dy` down a frame, in subpixels, made by Fourier shifts."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.fft2(cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), 2, borderType=cv2.BORDER_REFLECT))
    fy, fx = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    shown = [np.fft.ifft2(spectrum * np.exp(-2j * np.pi * t * (fx * dx + fy * dy))).real for t in range(frames)]
    clip = np.stack(shown)
    grey = ((clip - clip.min()) / (clip.max() - clip.min()) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    """Three clips of different movements, one of a single frame, and one that does not decode."""
    folder = tmp_path_factory.mktemp("videos")
    for name, clip in {"right": moving(2, 0, 5), "down": moving(0, 2, 4), "left": moving(-3, 0, 3)}.items():
        write_video(folder / f"{name}.mp4", clip, crf=5)
    write_video(folder / "still.mp4", moving(0, 0, 1))
    (folder / "lost.mp4").write_bytes(b"no video")
    ids = ["right", "down", "lost", "left", "still"]
    return FrameCache.build(folder / "frames", ids, lambda clip: folder / f"{clip}.mp4", SIZE, 8, workers=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dx", "dy"), [(2.0, 0.0), (0.0, 3.0), (-2.5, 1.5)])
def test_a_moving_texture_has_the_flow_it_moves_by(method: FlowMethod, dx: float, dy: float) -> None:
    inner = flow_fields(moving(dx, dy), method)[0, 12:-12, 12:-12]  # what enters at the edge came from nowhere
    assert np.abs(np.median(inner, (0, 1)) - [dx, dy]).max() < 0.05
    assert np.abs(inner - [dx, dy]).mean() < 0.15


def test_small_frames_before_change_no_flow() -> None:
    clip = moving(2, 0, 4)
    alone = flow_fields(clip, "dis")
    flow_fields(np.ascontiguousarray(clip[:, :40, :40]), "dis")
    assert (flow_fields(clip, "dis") == alone).all()


def test_the_last_field_comes_twice_and_a_single_frame_does_not_move() -> None:
    fields = flow_fields(moving(1, 0, 4), "dis")
    assert fields.shape == (4, SIZE, SIZE, 2) and (fields[3] == fields[2]).all()
    assert not flow_fields(moving(1, 0, 1), "dis").any()


def test_twenty_pixels_are_the_most_that_is_kept() -> None:
    fields = np.array([[[[-35.0, -20.0], [0.0, 10.0], [20.0, 99.0]]]], np.float32)
    assert to_bytes(fields).tolist() == [[[[0, 0], [128, 191], [255, 255]]]]


def test_a_flow_cache_has_the_moments_of_its_frames_and_the_reasons_of_lost_clips(
    cache: FrameCache, tmp_path: Path
) -> None:
    flow = build_flow(tmp_path / "flow", cache.folder, "dis", workers=1)
    assert flow.clip_ids == cache.clip_ids and flow.failures == cache.failures
    assert flow.lengths(flow.clip_ids).tolist() == cache.lengths(cache.clip_ids).tolist() == [5, 4, 3, 1]
    assert (flow.modality, flow.get("right").shape) == ("flow", (5, SIZE, SIZE, 2))
    middle = {clip: np.median(flow.get(clip)[:, 12:-12, 12:-12], (0, 1, 2)) for clip in flow.clip_ids}
    assert middle["right"] == pytest.approx([140, 128], abs=2) and middle["left"] == pytest.approx([108, 128], abs=2)
    assert middle["down"] == pytest.approx([128, 140], abs=2) and middle["still"].tolist() == [128, 128]
    assert frames_folder_of(flow.folder).resolve() == cache.folder.resolve() and not flow.damaged()


@pytest.mark.slow
def test_two_processes_and_a_build_that_was_stopped_give_the_same_bytes(cache: FrameCache, tmp_path: Path) -> None:
    whole = build_flow(tmp_path / "whole", cache.folder, "dis", workers=1)
    shared = build_flow(tmp_path / "shared", cache.folder, "dis", workers=2)
    index = (shared.folder / "clips.jsonl").read_text().splitlines(keepends=True)
    assert "".join(index) == (whole.folder / "clips.jsonl").read_text()
    (shared.folder / "clips.jsonl").write_text("".join(index[:2]) + index[2][:9])  # stopped while writing the second
    build_flow(shared.folder, cache.folder, "dis", workers=1)
    for name in ("frames.bin", "clips.jsonl"):
        assert (shared.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_what_is_there_is_not_computed_again(
    cache: FrameCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_flow(tmp_path, cache.folder, "dis", workers=1)
    seen: list[int] = []
    monkeypatch.setattr(gymqa.frames.flow, "flow_fields", lambda frames, method: seen.append(len(frames)))
    build_flow(tmp_path, cache.folder, "dis", workers=1)
    assert not seen


def test_flow_of_another_method_of_other_frames_or_of_flow_is_refused(cache: FrameCache, tmp_path: Path) -> None:
    made = build_flow(tmp_path / "flow", cache.folder, "dis", workers=1).folder
    values = json.loads((made / "clips.jsonl").read_text().splitlines()[0])
    (made / "clips.jsonl").write_text(json.dumps({**values, "method": "tvl1"}) + "\n")
    with pytest.raises(GymQAError, match=naming("size 64", "method tvl1", "method dis")):
        build_flow(made, cache.folder, "dis", workers=1)
    with pytest.raises(GymQAError, match=naming(made, "flow", "rgb")):
        build_flow(tmp_path / "twice", made, "dis", workers=1)
    (made / "clips.jsonl").write_text(json.dumps(values) + "\n")
    (made / "source.json").write_text('{"frames": "elsewhere"}')
    with pytest.raises(GymQAError, match=naming("elsewhere", cache.folder)):
        build_flow(made, cache.folder, "dis", workers=1)


def test_frames_made_anew_at_the_same_place_give_new_flow_and_refuse_the_old(tmp_path: Path) -> None:
    def frames(**clips: Frames) -> Path:
        for name, clip in clips.items():
            write_video(tmp_path / f"{name}.mp4", clip, crf=5)
        made = FrameCache.build(tmp_path / "frames", clips, lambda clip: tmp_path / f"{clip}.mp4", SIZE, 8, workers=1)
        return made.folder

    first = build_flow(tmp_path / "first", frames(a=moving(2, 0)), "dis", workers=1)
    both = build_flow(first.folder, frames(a=moving(2, 0), b=moving(0, 2)), "dis", workers=1)  # a clip more
    assert both.clip_ids == ["a", "b"] and (both.get("a") == first.get("a")).all()
    JointFrames(both)
    shutil.rmtree(tmp_path / "frames")
    again = build_flow(tmp_path / "second", frames(a=moving(-2, 0), c=moving(0, 2)), "dis", workers=1)
    assert np.median(again.get("a")[..., 0]) < 128 < np.median(both.get("a")[..., 0])
    for use in (lambda: build_flow(first.folder, tmp_path / "frames", "dis", workers=1), lambda: JointFrames(both)):
        with pytest.raises(GymQAError, match=naming(first.folder, 1, "a")):
            use()
    index = again.folder / "clips.jsonl"
    index.write_text(re.sub(r', "of": \d+', "", index.read_text()))  # does not say what it is of
    with pytest.raises(GymQAError, match=naming(again.folder)):
        build_flow(again.folder, tmp_path / "frames", "dis", workers=1)


def test_frames_too_small_for_the_method_are_reported_and_not_replaced(cache: FrameCache, tmp_path: Path) -> None:
    videos = cache.folder.parent
    tiny = FrameCache.build(tmp_path / "tiny", ["right"], lambda clip: videos / f"{clip}.mp4", 4, 8, workers=1)
    flow = build_flow(tmp_path / "flow", tiny.folder, "dis", workers=1)
    assert "right" not in flow and does_name(flow.failures["right"], "4 px", "dis")


def test_the_command_says_what_it_made_and_what_it_lacks(
    cache: FrameCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["flow", "--frames", str(cache.folder), "--method", "dis", "--out", str(tmp_path / "flow")]
    assert cli.main([*words, "--workers", "1", "--timeout", "null", "--memory_gb", "null"]) == 0
    said = capsys.readouterr().out
    assert "4 clips, dis, raw" in said and "no flow: lost:" in said
    with pytest.raises(SystemExit):
        cli.main(["flow", "--help"])
    assert "--method" in capsys.readouterr().out


def test_tvl1_without_contrib_modules_names_the_mend(
    cache: FrameCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(cv2, "optflow", raising=False)
    with pytest.raises(GymQAError, match=naming("opencv-contrib-python-headless", "--method dis")):
        build_flow(tmp_path / "flow", cache.folder, "tvl1", workers=1)
    assert not (tmp_path / "flow").exists()
