"""Clips are cut by time stamps, as players count them, and upright; one senseless time costs its own clip alone."""

from pathlib import Path

import numpy as np
import pytest

from gymqa.cli.main import main
from gymqa.download.cutting import CutClip, Failed, Span, cut
from gymqa.frames.reading import open_video
from gymqa.frames.video import decode
from gymqa.io.files import read_json, write_json
from tests.helpers.naming import does_name
from tests.helpers.numbered_videos import FPS, KINDS, TURNS, numbered, numbers, shifted, turn, with_audio, write

OF = {kind.name: kind for kind in KINDS}
COUNT = 50


def cut_all(video: Path, *spans: tuple[float, float]) -> list[CutClip | Failed]:
    """The clips of some seconds, written beside the video as `0.mp4`, `1.mp4` and so on."""
    named = [Span(str(number), start, end) for number, (start, end) in enumerate(spans)]
    results = {result.clip_id: result for result in cut(video, named, lambda clip: video.parent / f"{clip}.mp4", None)}
    return [results[span.clip_id] for span in named]


def times(path: Path) -> np.ndarray:
    """Seconds at which a video's frames are shown, and at which the last one ends: [T + 1]."""
    with open_video(path) as video:
        shown = list(video.frames())
    return np.array([*(frame.time for frame in shown), shown[-1].time + shown[-1].duration])


@pytest.mark.parametrize("name", ["closed.mp4", "h264.mkv", "hevc.mp4"])
def test_a_varying_rate_is_cut_by_time_and_stays_one(name: str, tmp_path: Path) -> None:
    steps = [100 if number < 25 else 400 for number in range(COUNT)]  # 0.04 s, from 1 s on 0.16 s
    raw = write(tmp_path / name, OF[name], numbered(COUNT), np.cumsum([0, *steps[:-1]]).tolist())
    whole, late, edge = cut_all(raw, (0.6, 1.4), (1.05, 2.0), (1.0, 1.64))
    assert isinstance(whole, CutClip) and isinstance(late, CutClip) and isinstance(edge, CutClip)
    shown = times(raw)
    for made, first, stop in ((whole, 15, 28), (late, 26, 32), (edge, 25, 29)):
        path = tmp_path / f"{made.clip_id}.mp4"
        assert numbers(decode(path)) == list(range(first, stop))
        np.testing.assert_allclose(times(path)[:-1], shown[first:stop] - shown[first], atol=0.002)
        assert times(path)[-1] == pytest.approx(made.duration, abs=0.002)
        assert shown[first] + made.duration == pytest.approx(made.end, abs=0.042)
    assert whole.duration == pytest.approx(0.8, abs=0.002)


def test_frames_of_a_constant_rate_keep_it(tmp_path: Path) -> None:
    for name in ("closed.mp4", "xvid.avi", "mpeg2.ts", "raw.h264", "animation.gif", "vp9.webm"):
        (made,) = cut_all(write(tmp_path / name, OF[name], numbered(COUNT)), (0.4, 1.2))
        assert isinstance(made, CutClip) and (made.frames, made.duration) == (20, 0.8)
        assert numbers(decode(tmp_path / "0.mp4")) == list(range(10, 30))
        np.testing.assert_allclose(times(tmp_path / "0.mp4"), np.arange(21) / FPS, atol=1e-4)


@pytest.mark.parametrize("name", TURNS)
def test_clips_are_upright(name: str, tmp_path: Path) -> None:
    raw = turn(write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT)), tmp_path / "b.mp4", TURNS[name][0])
    (made,) = cut_all(raw, (0.4, 1.2))
    clip, shown = decode(tmp_path / "0.mp4"), decode(raw)[10:30]
    assert isinstance(made, CutClip) and clip.shape == shown.shape == (20, made.height, made.width, 3)
    assert np.abs(clip.astype(int) - shown).mean() < 6


def test_seconds_count_from_the_start_of_the_audio(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT))
    raw = with_audio(whole, tmp_path / "late.mp4", 1.0)
    made, before, partly = cut_all(raw, (1.2, 1.6), (0.1, 0.7), (0.2, 1.6))
    assert isinstance(made, CutClip) and numbers(decode(tmp_path / "0.mp4")) == list(range(5, 15))
    assert isinstance(before, Failed) and does_name(before.reason, "0.00", "0.60")
    assert isinstance(partly, Failed) and "of its" in partly.reason
    (offset,) = cut_all(shifted(whole, tmp_path / "offset.ts", 5.0), (0.2, 0.6))
    assert isinstance(offset, CutClip) and numbers(decode(tmp_path / "0.mp4")) == list(range(5, 15))


def test_a_size_that_changes_on_the_way_changes_no_clip(tmp_path: Path) -> None:
    small = write(tmp_path / "a.ts", OF["h264.ts"], numbered(25))
    large = write(tmp_path / "b.ts", OF["h264.ts"], numbered(25, 128, 96, first=25))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    (made,) = cut_all(tmp_path / "both.ts", (0.6, 1.4))
    assert isinstance(made, CutClip) and (made.width, made.height) == (64, 48)
    assert numbers(decode(tmp_path / "0.mp4")) == list(range(15, 35))


@pytest.mark.parametrize("second", [1e9, 1e18, 1e300])
def test_a_senseless_second_costs_its_clip_alone(second: float, tmp_path: Path) -> None:
    raw = write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT))
    for senseless in ((second, second + 1), (0.4, second)):
        made, lost, last = cut_all(raw, (0.2, 0.6), senseless, (1.0, 1.4))
        assert isinstance(made, CutClip) and isinstance(last, CutClip)
        assert isinstance(lost, Failed) and does_name(lost.reason, "a.mp4")


@pytest.mark.slow
def test_the_command_reports_a_senseless_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "videos").mkdir()
    write(tmp_path / "videos" / "abcdefghijk.mp4", OF["closed.mp4"], numbered(COUNT))
    stages = {
        f"A_{n:04d}_0009": {"stages": 1, "timestamps": [span]} for n, span in enumerate([[0.2, 0.6], [1e18, 2e18]])
    }
    action = {"E_000000_000009": {"event": 1, "timestamps": [[0.0, 9.0]], "segments": stages}}
    write_json(tmp_path / "annotations" / "finegym_annotation_info_v1.1.json", {"abcdefghijk": action})
    assert main(["finegym", "trim", str(tmp_path), "--workers", "1"]) == 0
    assert "1 clips, 1 not made" in capsys.readouterr().out
    settings = tmp_path / "subactions" / ".trimming" / "settings.json"
    write_json(settings, {**read_json(settings), "format": 1})
    assert main(["finegym", "trim", str(tmp_path), "--workers", "1"]) == 2
    assert does_name(capsys.readouterr().err, tmp_path / "subactions", "--out")
