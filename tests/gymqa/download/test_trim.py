"""Clips are cut to the frame out of raw videos, whole or not at all, and those that cannot be cut are named."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gymqa.cli.main import main
from gymqa.download import cutting
from gymqa.download import trim as trimming
from gymqa.download.cutting import CutClip, Failed, Span, cut, fitted, parse_box
from gymqa.download.trim import spans_of, trim
from gymqa.errors import GymQAError
from gymqa.finegym.temporal import read_annotations
from gymqa.frames.video import decode, write_video
from gymqa.io.files import read_json, write_json, write_text
from gymqa.sim.motion import FPS
from tests.helpers.naming import does_name, naming

BITS = 12


def numbered(frames: int, width: int = 96, height: int = 64) -> np.ndarray:
    """Frames that show their own number as black and white bars."""
    bits = (np.arange(frames)[:, None] >> np.arange(BITS)) & 1  # [T, BITS]
    bars = np.repeat(bits, width // BITS, axis=1).astype(np.uint8) * 220 + 16  # [T, W]
    return np.broadcast_to(bars[:, None, :, None], (frames, height, width, 3)).copy()


def numbers(path: Path) -> list[int]:
    """Read the frames' numbers back."""
    frames = decode(path).mean(axis=(1, 3))  # [T, W]
    bits = frames.reshape(len(frames), BITS, -1).mean(-1) > 126
    return [int(number) for number in bits @ (1 << np.arange(BITS))]


def cut_all(video: Path, spans: list[Span], out: Path) -> dict[str, CutClip | Failed]:
    return {result.clip_id: result for result in cut(video, spans, lambda clip: out / f"{clip}.mp4", None)}


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 s of numbered frames with a key frame every 10 s, so that gaps are jumped over."""
    path = tmp_path_factory.mktemp("raw") / "abcdefghijk.mp4"
    write_video(path, numbered(1750), fps=25, preset="ultrafast")
    return path


SPANS = [
    Span("late", 61.2, 62.0),
    Span("first", 0.0, 0.4),
    Span("overlapping", 0.2, 1.0),
    Span("between frames", 35.01, 35.49),
    Span("last", 69.6, 70.0),
]
WANTED = {
    "first": range(0, 10),
    "overlapping": range(5, 25),
    "between frames": range(875, 887),
    "late": range(1530, 1550),
    "last": range(1740, 1750),
}


@pytest.mark.slow
def test_each_clip_holds_exactly_the_frames_of_its_seconds(long_video: Path, tmp_path: Path) -> None:
    results = cut_all(long_video, SPANS, tmp_path)
    assert all(isinstance(result, CutClip) for result in results.values())
    assert {name: numbers(tmp_path / f"{name}.mp4") for name in WANTED} == {k: list(v) for k, v in WANTED.items()}


def test_an_index_that_leads_too_far_costs_time_but_no_frame(
    long_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "SEEK_MARGIN", -11.0)
    cut_all(long_video, SPANS, tmp_path)
    assert {name: numbers(tmp_path / f"{name}.mp4") for name in WANTED} == {k: list(v) for k, v in WANTED.items()}


def test_a_key_frame_of_the_raw_video_makes_none_in_the_clip(long_video: Path, tmp_path: Path) -> None:
    cut_all(long_video, [Span("clip", 9.6, 10.4)], tmp_path)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert [frame.key_frame for frame in container.decode(video=0)] == [True] + [False] * 19


def test_frames_of_30000_over_1001_a_second_keep_their_count_and_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "raw.mp4", numbered(120), fps=30000 / 1001)
    (made,) = cut(tmp_path / "raw.mp4", [Span("clip", 1.0, 3.0)], lambda clip: tmp_path / f"{clip}.mp4", None)
    assert numbers(tmp_path / "clip.mp4") == list(range(30, 90))
    assert isinstance(made, CutClip) and made.duration == pytest.approx(60 * 1001 / 30000, abs=1e-6)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].average_rate == container.streams.video[0].guessed_rate
        assert float(container.streams.video[0].average_rate or 0) == pytest.approx(30000 / 1001, abs=1e-4)


def test_clips_beyond_the_end_or_in_a_broken_video_are_named(long_video: Path, tmp_path: Path) -> None:
    spans = [Span("inside", 68.0, 69.0), Span("over the end", 69.5, 70.5), Span("beyond", 90.0, 92.0)]
    results = cut_all(long_video, spans, tmp_path)
    assert isinstance(results["inside"], CutClip)
    for name in ("over the end", "beyond"):
        result = results[name]
        assert isinstance(result, Failed) and does_name(result.reason, "69.96 s")
    (tmp_path / "noise.mp4").write_bytes(b"noise" * 500)
    assert does_name(str(cut_all(tmp_path / "noise.mp4", spans, tmp_path)["inside"]), "noise.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside.mp4", "noise.mp4"]


def test_an_unknown_codec_costs_a_videos_clips_and_a_damaged_title_nothing(long_video: Path, tmp_path: Path) -> None:
    raw = long_video.read_bytes()
    sample = raw.rindex(b"avc1")
    (tmp_path / "codec.mp4").write_bytes(raw[:sample] + b"none" + raw[sample + 4 :])
    (result,) = cut_all(tmp_path / "codec.mp4", [Span("clip", 1.0, 2.0)], tmp_path).values()
    assert isinstance(result, Failed) and does_name(result.reason, "codec.mp4", "0.00")
    (tmp_path / "title.mp4").write_bytes(raw.replace(b"VideoHandler", b"\xffideoHandler"))
    assert isinstance(cut_all(tmp_path / "title.mp4", [Span("clip", 1.0, 2.0)], tmp_path)["clip"], CutClip)
    assert numbers(tmp_path / "clip.mp4") == list(range(25, 50))


def test_a_clip_over_a_hole_in_the_raw_video_is_not_made(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "raw.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number, picture in enumerate(numbered(100)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number + (50 if number >= 30 else 0), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    results = cut_all(tmp_path / "raw.mp4", [Span("whole", 0.2, 1.0), Span("hole", 0.8, 3.6)], tmp_path)
    assert isinstance(results["whole"], CutClip) and "of its" in str(results["hole"])


def test_stopping_half_way_leaves_whole_clips_only(long_video: Path, tmp_path: Path) -> None:
    results = cut(long_video, SPANS, lambda clip: tmp_path / f"{clip}.mp4", None)
    next(results)
    results.close()
    assert [path.name for path in tmp_path.iterdir()] == ["first.mp4"]


@pytest.mark.parametrize(
    ("picture", "box", "size"),
    [
        ((1280, 720), (456, 256), (456, 256)),
        ((960, 720), (456, 256), (342, 256)),
        ((320, 240), (456, 256), (320, 240)),
        ((321, 241), None, (320, 240)),
    ],
)
def test_pictures_are_fitted_into_the_box_and_never_enlarged(
    picture: tuple[int, int], box: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert fitted(*picture, box) == size


@pytest.mark.parametrize("text", ["456", "456x", "455x256", "32x32", "axb"])
def test_a_size_that_clips_cannot_have_is_refused(text: str) -> None:
    with pytest.raises(GymQAError, match=naming(text)):
        parse_box(text)


@pytest.mark.slow
def test_gymsims_clips_show_the_frames_of_the_raw_video_at_the_annotated_seconds(
    gymsim_root: Path, tmp_path: Path
) -> None:
    report = trim(gymsim_root, out=tmp_path, workers=2)
    raw = decode(gymsim_root / "videos" / "gymsimT0000.mp4").astype(np.int16)
    spans = spans_of(read_annotations(gymsim_root / "annotations" / "finegym_annotation_info.json"))
    assert len(report.made) == 24
    offsets = []
    for made in report.made:
        start, stop = (round(second * FPS) for second in (spans[made.clip_id].start, spans[made.clip_id].end))
        frames = decode(tmp_path / f"{made.clip_id}.mp4")
        assert len(frames) == stop - start == made.frames
        for number, frame in enumerate(frames):
            near = range(max(0, start + number - 3), min(len(raw), start + number + 4))
            errors = [np.abs(raw[index] - frame).mean() for index in near]
            offsets.append(near[int(np.argmin(errors))] - start - number)
    assert max(map(abs, offsets)) <= 1
    assert offsets.count(0) > 0.95 * len(offsets)  # a still frame is as near to its neighbours
    missing = sorted({entry.reason for entry in report.failed})
    expected = ("T0001", "T0002", "V0000", "V0001")
    assert all(does_name(reason, f"gymsim{video}") for reason, video in zip(missing, expected, strict=True))


@pytest.fixture
def folder(long_video: Path, tmp_path: Path) -> Path:
    """A FineGym-shaped folder of two raw videos, and a third video that is missing."""
    root = tmp_path / "root"
    (root / "videos").mkdir(parents=True)
    stages = {f"A_{4 * n:04d}_{4 * n + 2:04d}": {"stages": 1, "timestamps": [[4.0 * n, 4.0 * n + 2]]} for n in range(8)}
    stages["A_0050_0052"] = {"stages": 3, "timestamps": [[50.0, 50.4], [50.4, 51.0], [51.0, 52.0]]}
    action = {"E_000003_000060": {"event": 1, "timestamps": [[3.2, 60.0]], "segments": stages}}
    ids = ("abcdefghij0", "abcdefghij1", "abcdefghij2")
    write_json(root / "annotations" / "finegym_annotation_info_v1.1.json", dict.fromkeys(ids, action))
    for video_id in ids[:2]:
        (root / "videos" / f"{video_id}.mp4").symlink_to(long_video)
    return root


def clip(video: int, second: int) -> str:
    return f"abcdefghij{video}_E_000003_000060_A_{second:04d}_{second + 2:04d}"


@pytest.mark.slow
def test_the_manifest_describes_every_clip_and_the_failures_every_other(folder: Path) -> None:
    report = trim(folder, workers=2, box=(84, 64))
    lines = (folder / "subactions" / "manifest.jsonl").read_text().splitlines()
    entries = {entry["clip_id"]: entry for entry in map(json.loads, lines)}
    assert len(entries) == len(report.made) == 18
    stages = entries[clip(1, 50)]  # from the first stage to the last
    assert (stages["start"], stages["end"], stages["frames"], stages["duration"]) == (53.2, 55.2, 50, 2.0)
    assert numbers(folder / "subactions" / f"{clip(1, 50)}.mp4")[0] == 1330
    for clip_id, entry in entries.items():
        path = folder / "subactions" / f"{clip_id}.mp4"
        assert decode(path).shape == (entry["frames"], entry["height"], entry["width"], 3)
        assert (entry["width"], entry["height"]) == (84, 56)
        assert entry["size"] == path.stat().st_size
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    failures = [json.loads(line) for line in (folder / "subactions" / "failures.jsonl").read_text().splitlines()]
    assert len(failures) == 9
    assert failures[0] == {"clip_id": clip(2, 0), "reason": "raw video abcdefghij2 is missing"}


@pytest.mark.slow
def test_whole_actions_are_cut_as_well(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finegym", "trim", str(folder), "--actions", "--workers", "1"]) == 0
    assert f"{folder / 'actions'}: 2 clips, 1 not made" in capsys.readouterr().out
    (first, second) = sorted((folder / "actions").glob("*.mp4"))
    assert (first.name, second.name) == ("abcdefghij0_E_000003_000060.mp4", "abcdefghij1_E_000003_000060.mp4")
    assert numbers(first) == list(range(80, 1500))
    assert not (folder / "subactions").exists()
    (folder / "list.txt").write_text(clip(0, 0))
    assert main(["finegym", "trim", str(folder), "--actions", "--lists", str(folder / "list.txt")]) == 2
    assert does_name(capsys.readouterr().err, "--lists", "--actions")


@pytest.mark.slow
def test_a_list_says_which_clips_and_the_same_command_makes_only_what_is_missing(folder: Path) -> None:
    wanted = [clip(0, 0), clip(0, 8), clip(2, 0), clip(0, 99)]
    write_text(folder / "list.txt", "".join(f"{name} 3\n" for name in wanted))
    report = trim(folder, [folder / "list.txt"], workers=1)
    assert [made.clip_id for made in report.made] == wanted[:2]
    assert {failed.clip_id for failed in report.failed} == set(wanted[2:])
    reason = next(failed.reason for failed in report.failed if failed.clip_id == wanted[3])
    assert does_name(reason, "finegym_annotation_info_v1.1.json")
    out = folder / "subactions"
    kept = (out / f"{wanted[0]}.mp4").stat().st_mtime_ns
    content = (out / f"{wanted[1]}.mp4").read_bytes()
    (out / f"{wanted[1]}.mp4").write_bytes(content[:100])
    with (out / ".trimming" / "abcdefghij0.jsonl").open("a") as journal:
        journal.write('{"clip_id": "abc')  # as a kill would leave it
    (folder / "videos" / "abcdefghij2.mp4").symlink_to((folder / "videos" / "abcdefghij0.mp4").resolve())
    report = trim(folder, [folder / "list.txt"], workers=1)
    assert [made.clip_id for made in report.made] == wanted[:3]
    assert (out / f"{wanted[0]}.mp4").stat().st_mtime_ns == kept
    assert (out / f"{wanted[1]}.mp4").read_bytes() == content


@pytest.mark.slow
def test_clips_of_other_seconds_are_made_again_and_clips_of_ones_own_are_kept(folder: Path) -> None:
    out, mine = folder / "subactions", clip(1, 4)
    write_video(out / f"{mine}.mp4", numbered(7))
    (out / f"{clip(1, 8)}.mp4").write_bytes(b"broken")
    made = {made.clip_id: made for made in trim(folder, workers=2).made}
    assert numbers(out / f"{mine}.mp4") == list(range(7)) and made[mine].frames == 7
    assert made[clip(1, 8)].frames == 50
    annotation = folder / "annotations" / "finegym_annotation_info_v1.1.json"
    info = read_json(annotation)
    info["abcdefghij0"]["E_000003_000060"]["timestamps"] = [[3.0, 60.0]]
    write_json(annotation, info)
    trim(folder, workers=2)
    assert numbers(out / f"{clip(0, 0)}.mp4")[0] == 75 and numbers(out / f"{clip(1, 0)}.mp4")[0] == 80


@pytest.mark.slow
def test_a_folder_of_another_size_is_refused(folder: Path) -> None:
    trim(folder, workers=2, box=(64, 64))
    with pytest.raises(GymQAError, match=naming("64x64", "--out")):
        trim(folder, workers=2)


@pytest.mark.slow
def test_a_folder_that_is_removed_meanwhile_is_no_success(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trimming._run

    def removed_behind(jobs: list[trimming.Job], workers: int) -> Iterator[list[Failed]]:
        yield from real(jobs, workers)
        shutil.rmtree(folder / "subactions")

    monkeypatch.setattr(trimming, "_run", removed_behind)
    with pytest.raises(GymQAError, match=naming("18 of 27", folder / "subactions", clip(0, 0))):
        trim(folder, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_no_broken_clip_and_goes_on(folder: Path, kill: signal.Signals) -> None:
    out, annotation = folder / "subactions", folder / "annotations" / "finegym_annotation_info_v1.1.json"
    action = read_json(annotation)["abcdefghij0"]
    write_json(annotation, {f"abcdefghij{letter}": action for letter in "012345"})  # enough to be stopped in
    for letter in "2345":
        (folder / "videos" / f"abcdefghij{letter}.mp4").symlink_to((folder / "videos" / "abcdefghij0.mp4").resolve())
    command = [sys.executable, "-m", "gymqa.cli.main", "finegym", "trim", str(folder), "--workers", "1"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(out.glob("abc*.mp4")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    if kill == signal.SIGKILL:
        process.kill()  # the parent only, as the system does it when memory runs out
    else:
        os.killpg(process.pid, kill)
    try:
        _, printed = process.communicate(timeout=60)  # the pipe closes with its last holder: no worker stays behind
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == (-9 if kill == signal.SIGKILL else 130) and b"Traceback" not in printed
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("abc*.mp4")}
    assert 0 < len(before) < 54
    assert main([*command[3:]]) == 0
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.mp4")}
    assert len(after) == 54 and not [name for name in after if name.startswith(".")]
    assert before.items() <= after.items()
    assert len((out / "manifest.jsonl").read_text().splitlines()) == 54


@pytest.mark.slow
def test_the_command_counts_what_was_not_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finegym", "trim", str(folder), "--size", "64x64", "--out", str(folder / "small")]) == 0
    printed = capsys.readouterr().out
    assert "18 clips, 9 not made" in printed
    assert "not made: 9 clips: raw video abcdefghij2 is missing" in printed
    assert main(["finegym", "trim", str(folder / "videos")]) == 2
    assert "gymqa finegym download" in capsys.readouterr().err
    assert main(["finegym", "trim", str(folder), "--workers", "-1", "--out", str(folder / "none")]) == 2
    assert does_name(capsys.readouterr().err, "-1", "workers") and not (folder / "none").exists()
