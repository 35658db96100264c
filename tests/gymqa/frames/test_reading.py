"""Every video is read as it is shown: each frame once, in order, upright, however few are kept; damage is told."""

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from gymqa.frames.decord_reading import proven_reader
from gymqa.frames.reading import VideoError, open_video
from gymqa.frames.sampling import uniform
from gymqa.frames.video import decode
from gymqa.frames.video_stream import frames_at
from tests.helpers.naming import does_name
from tests.helpers.numbered_videos import (
    FPS,
    HEIGHT,
    KINDS,
    TURNS,
    WIDTH,
    Kind,
    numbered,
    numbers,
    shifted,
    turn,
    with_audio,
    write,
)
from tests.helpers.places import SHARED

COUNT = 34
OF = {kind.name: kind for kind in KINDS}


def require_shown(path: Path, expected: list[int]) -> None:
    """Check that a full read shows these numbers, and that a sparse read keeps the evenly spaced ones of them."""
    whole = decode(path)
    assert numbers(whole) == expected
    for few in (1, 5, len(expected) - 1):
        np.testing.assert_array_equal(decode(path, max_frames=few), whole[uniform(len(whole), few)])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_frame_is_shown_once_however_it_is_stored(kind: Kind, tmp_path: Path) -> None:
    require_shown(write(tmp_path / kind.name, kind, numbered(COUNT)), list(range(COUNT)))


@pytest.mark.parametrize("name", ["closed.mp4", "open.mp4", "hevc.mp4", "asp.mp4"])
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_what_an_edit_list_hides_is_not_shown(name: str, container: str, tmp_path: Path) -> None:
    whole = write(tmp_path / name, OF[name], numbered(COUNT))
    cut = shifted(whole, tmp_path / f"cut.{container}", -13 / FPS)
    require_shown(cut, list(range(13, COUNT)))


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_video_that_starts_later_loses_no_frame(container: str, tmp_path: Path) -> None:
    whole = write(tmp_path / "open.mp4", OF["open.mp4"], numbered(COUNT))
    require_shown(shifted(whole, tmp_path / f"late.{container}", 1.5), list(range(COUNT)))


def test_a_rate_that_varies_changes_no_frame(tmp_path: Path) -> None:
    ticks = np.cumsum([100 if number < 20 else 400 for number in range(COUNT)]).tolist()
    for kind in (OF["closed.mp4"], OF["h264.mkv"], OF["hevc.mp4"]):
        require_shown(write(tmp_path / kind.name, kind, numbered(COUNT), ticks), list(range(COUNT)))


@pytest.mark.parametrize("name", TURNS)
def test_frames_are_shown_upright(name: str, tmp_path: Path) -> None:
    matrix, shown = TURNS[name]
    stored = write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT))
    turned = turn(stored, tmp_path / "b.mp4", matrix)
    np.testing.assert_array_equal(decode(turned), shown(decode(stored)))
    np.testing.assert_array_equal(decode(turned, max_frames=5), decode(turned)[uniform(COUNT, 5)])
    streamed = np.concatenate(list(frames_at(turned, FPS, 32)))
    np.testing.assert_array_equal(streamed, decode(turned, 32))


def test_decord_reads_only_what_it_reads_alike(tmp_path: Path) -> None:
    proven = []
    for kind in KINDS:
        path = write(tmp_path / kind.name, kind, numbered(COUNT))
        proven += [kind.name] if proven_reader(path) is not None else []
        for few in (None, 5, COUNT - 1):
            np.testing.assert_array_equal(decode(path, max_frames=few, decoder="decord"), decode(path, max_frames=few))
    assert {"closed.mp4", "h264.mkv"} <= set(proven)
    assert not {"open.mp4", "hevc.mp4", "xvid.avi", "mpeg2.ts", "animation.gif"} & set(proven)
    hidden = shifted(tmp_path / "closed.mp4", tmp_path / "hidden.mp4", -13 / FPS)
    turned = turn(tmp_path / "closed.mp4", tmp_path / "turned.mp4", TURNS["mirrored"][0])
    assert proven_reader(hidden) is None and proven_reader(turned) is None


def test_a_header_that_promises_more_frames_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "motion.avi", OF["motion.avi"], numbered(COUNT))
    content = bytearray(path.read_bytes())
    for at in (content.index(b"avih") + 24, content.index(b"strh") + 40):
        assert int.from_bytes(content[at : at + 4], "little") == COUNT
        content[at : at + 4] = (9 * COUNT).to_bytes(4, "little")
    path.write_bytes(content)
    require_shown(path, list(range(COUNT)))


def test_a_cover_image_and_a_second_video_are_not_the_video(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT))
    with av.open(str(path)) as read, av.open(str(tmp_path / "two.mp4"), "w") as two:
        copied = two.add_stream_from_template(read.streams.video[0])
        other = two.add_stream("mjpeg", rate=1)
        other.width, other.height, other.pix_fmt = 128, 96, "yuvj420p"
        other.disposition = av.stream.Disposition.attached_pic.value  # type: ignore[assignment]  # av 15 takes no enum
        two.mux(other.encode(av.VideoFrame.from_ndarray(numbered(1, 128, 96, 99)[0], format="rgb24")))
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copied
                two.mux(packet)
    require_shown(tmp_path / "two.mp4", list(range(COUNT)))


def test_a_size_that_changes_on_the_way_is_brought_to_the_first(tmp_path: Path) -> None:
    small = write(tmp_path / "a.ts", OF["h264.ts"], numbered(20))
    large = write(tmp_path / "b.ts", OF["h264.ts"], numbered(20, 128, 96, first=20))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    require_shown(tmp_path / "both.ts", list(range(40)))


def test_a_recording_that_begins_between_key_frames_is_read_from_the_first(tmp_path: Path) -> None:
    for name in ("mpeg2.ts", "h264.ts"):
        content = write(tmp_path / name, OF[name], numbered(COUNT)).read_bytes()
        packets = [content[at : at + 188] for at in range(0, len(content), 188)]
        tail = packets[:3] + packets[len(packets) // 4 :]  # the tables, then from somewhere on
        (tmp_path / f"late_{name}").write_bytes(b"".join(tail))
        shown = numbers(decode(tmp_path / f"late_{name}"))
        assert shown == list(range(shown[0], COUNT)) and 0 < shown[0] <= 20


@pytest.mark.parametrize("name", ["h264.mkv", "vp9.webm", "xvid.avi", "closed.mp4", "motion.avi"])
def test_a_file_that_is_cut_short_is_reported_with_the_frames_that_were_read(name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (COUNT, 48, 64, 3), dtype=np.uint8)
    whole = write(tmp_path / "a.mp4", OF["closed.mp4"], noise) if name == "closed.mp4" else None
    path = tmp_path / name
    if whole is None:
        write(path, OF[name], noise)
    else:  # its index before its frames, as videos for the web have it
        with av.open(str(whole)) as read, av.open(str(path), "w", options={"movflags": "faststart"}) as target:
            copied = target.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(read.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copied
                    target.mux(packet)
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    readable = 0
    with pytest.raises(VideoError) as caught, open_video(path) as video:
        for _ in video.frames():
            readable += 1
    assert 5 < readable < COUNT - 5
    assert does_name(str(caught.value), path.name, readable)
    for few in (None, 3):
        with pytest.raises(VideoError) as caught:
            decode(path, max_frames=few)
        assert does_name(str(caught.value), path.name, readable)


def test_seconds_count_from_the_containers_start(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mp4", OF["closed.mp4"], numbered(COUNT))
    late = with_audio(whole, tmp_path / "late.mp4", 1.0)
    with open_video(late) as video:
        assert next(video.frames()).time == pytest.approx(1.0, abs=0.002)
    shown = numbers(np.concatenate(list(frames_at(late, FPS, 48)))[:, :, 8:40].repeat(2, 2)[:, :, :64])
    assert len(shown) == COUNT + FPS and len(set(shown[: FPS + 1])) == 1
    offset = shifted(whole, tmp_path / "offset.ts", 5.0)
    with open_video(offset) as video:
        assert next(video.frames()).time == pytest.approx(0.0, abs=0.002)


def judged(path: Path) -> list[int]:
    """The numbers that ffmpeg shows, or where there is none those that PyAV decodes."""
    if shutil.which("ffmpeg") is None:
        with av.open(str(path)) as container:
            return numbers(np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-an", "-fps_mode", "passthrough"]
    shown = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    return numbers(np.frombuffer(shown.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH, 3))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_videos_of_every_length_are_read_as_ffmpeg_reads_them(kind: Kind, tmp_path: Path) -> None:
    for count in (12, 61) if kind.name.endswith(".ts") else (1, 2, 9, 61):  # FFmpeg recognizes no shorter ones
        path = write(tmp_path / f"{count}_{kind.name}", kind, numbered(count))
        assert numbers(decode(path)) == judged(path) == list(range(count))


@pytest.mark.exhaustive
@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv", "ts"])
@pytest.mark.parametrize("reordered", [0, 1, 3])
@pytest.mark.parametrize("key_every", [1, 5, 12, 99])
def test_every_structure_is_read_as_ffmpeg_reads_it(
    codec: str, container: str, reordered: int, key_every: int, tmp_path: Path
) -> None:
    x264_only = {"crf": "12", "preset": "veryfast", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}
    own = x264_only if codec == "libx264" else {"qmin": "2", "qmax": "2"}
    kind = Kind("a", codec, {"bf": str(reordered), "g": str(key_every), **own})
    whole = write(tmp_path / f"a.{container}", kind, numbered(COUNT))
    require_shown(whole, list(range(COUNT)))
    if codec == "libx264":  # the others know no time between two frames
        ticks = np.cumsum([100 + 50 * (number % 3) for number in range(COUNT)]).tolist()
        require_shown(write(tmp_path / f"v.{container}", kind, numbered(COUNT), ticks), list(range(COUNT)))
    for seconds in (-9 / FPS, 0.7) if container in ("mp4", "mov") else (0.7,):  # others have no edit lists
        moved = shifted(whole, tmp_path / f"{seconds}.{container}", seconds)
        require_shown(moved, judged(moved))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["xvid_asp.avi", "a.mpg", "cutcopy.mp4", "offset.ts", "av1.webm", "base.gif", "rot90.mp4"]
)
def test_the_cases_that_were_read_wrongly_are_read_alike_by_every_road(name: str, shared: Path) -> None:
    path = SHARED / "cases" / "videos" / name
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    whole = decode(path)
    assert len(whole) == count
    for few in (7, 32):
        np.testing.assert_array_equal(decode(path, max_frames=few), whole[uniform(count, few)])
