"""Cut the clips out of one raw video in a single decoding pass: re-encode their frames, seek over gaps, verify.

A clip's seconds count from the start of the raw video's container, as in players: a video that starts after its audio
has no frames at first. Frames keep their times relative to each other, so a variable frame rate stays one, and are
written upright. A frame belongs to a clip if its time is within the clip's seconds, give or take half a frame of a
constant rate, so that a boundary at a frame's start means the same frame regardless of rounding. Segments without clips
are skipped; memory use is constant.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.reformatter import Interpolation, VideoReformatter

from gymqa.download.clip_writer import ClipWriter, CutClip, Failed, Span
from gymqa.errors import GymQAError
from gymqa.frames.reading import ShownFrame, Video, VideoError, is_turned, open_video
from gymqa.io.files import sha256_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Box = tuple[int, int]  # width, height in pixels

SEEK_GAP = 10.0  # seconds without a clip that are worth a seek; shorter gaps are decoded
ROUNDED = 0.001  # seconds by which a container may round time stamps
SEEK_MARGIN = 1.0  # seconds that a seek aims early, because frames may be stored out of order


def cut(
    video: Path, spans: Iterable[Span], target: Callable[[str], Path], box: Box | None
) -> Generator[CutClip | Failed, None, None]:
    """Cut clips out of one raw video and yield each as soon as it is complete on disk or has failed.

    Args:
        video: the raw video.
        spans: its clips, in any order; they may overlap.
        target: maps a clip id to the path of its video.
        box: largest width and height of the clips; None keeps the raw video's.

    Raises:
        GymQAError: the target's folder cannot be written to.
    """
    cutter = _Cutter(spans, target, box)
    try:
        with open_video(video) as opened:
            yield from cutter.run(opened)
        yield from cutter.fail(f"{video.name} ends at {max(cutter.time, 0):.2f} s, before the clip does")
    except VideoError:
        yield from cutter.fail(f"{video.name} does not decode after {max(cutter.time, 0):.2f} s")
    finally:
        cutter.abandon()


class _Cutter:
    """Pending and open clips of one video while its frames are decoded in order."""

    def __init__(self, spans: Iterable[Span], target: Callable[[str], Path], box: Box | None) -> None:
        self._target, self._scaler = target, _Scaler(box)
        self._waiting = deque(sorted(spans, key=lambda span: (span.start, span.end)))
        self._open: list[ClipWriter] = []
        self.time = -1.0  # of the latest frame, seconds

    def run(self, video: Video) -> Iterator[CutClip | Failed]:
        """Write every frame to the clips it belongs to; yield each clip when it is finished."""
        half, end = ROUNDED if video.is_variable else 0.5 / float(video.fps), 0.0
        for shown in _frames(video, self._needed):
            self.time, end = shown.time, shown.time + shown.duration
            frame_middle = shown.time + half
            while self._waiting and self._waiting[0].start <= frame_middle:
                span = self._waiting.popleft()
                self._open.append(ClipWriter(span, self._target(span.clip_id), video.fps))
            yield from self._close(frame_middle, shown.time)
            if self._open:
                scaled = self._scaler.scaled(video, shown.frame)
                for clip in self._open:
                    clip.write(scaled, shown.time)
        yield from self._close(end + half, end)

    def _needed(self) -> float:
        """The second from which frames are needed: now if a clip is open, infinity if all are finished."""
        if self._open:
            return self.time
        return self._waiting[0].start if self._waiting else math.inf

    def _close(self, time: float, next_frame: float) -> Iterator[CutClip | Failed]:
        """Finish the clips that end by `time`; their last frame is shown until `next_frame`."""
        for clip in [clip for clip in self._open if clip.span.end <= time]:
            self._open.remove(clip)
            yield clip.finish(next_frame)

    def fail(self, reason: str) -> Iterator[Failed]:
        """Yield every unfinished clip as failed, with the reason."""
        unfinished = [*(clip.span for clip in self._open), *self._waiting]
        self.abandon()
        yield from (Failed(span.clip_id, reason) for span in unfinished)

    def abandon(self) -> None:
        """Remove partially written clips."""
        for clip in self._open:
            clip.abandon()
        self._open.clear()
        self._waiting.clear()


def _frames(video: Video, needed: Callable[[], float]) -> Iterator[ShownFrame]:
    """Yield the frames in order, each once, seeking over frames that are not `needed`.

    After each frame `needed` returns the second from which frames are wanted; infinity ends the iteration. The times of
    the frames after a seek are checked: if it lands too late (a wrong index), the video is decoded from its start
    without further seeks, as is one without time stamps or index.
    """
    latest, aim, jumps = -math.inf, -math.inf, video.can_seek
    decoding = video.frames()
    while (shown := next(decoding, None)) is not None:
        if shown.time <= latest:
            continue
        if jumps and latest < aim - SEEK_GAP and shown.time > aim:
            jumps = False
            video.seek(0)
            decoding = video.frames()
            continue
        latest = shown.time
        yield shown
        if (need := needed()) == math.inf:
            return
        if jumps and need - shown.time > SEEK_GAP and need != aim:
            aim = need
            video.seek(need - SEEK_MARGIN)
            decoding = video.frames()


class _Scaler:
    """Scale a video's frames to its clips' size, upright, in the pixel format that H.264 players support."""

    def __init__(self, box: Box | None) -> None:
        self._box, self._scaler = box, VideoReformatter()
        self._size: Box | None = None

    def scaled(self, video: Video, frame: "VideoFrame") -> "VideoFrame":
        """A frame in the size of the first one's clips."""
        if is_turned(frame):
            frame = av.VideoFrame.from_ndarray(video.upright(frame), format="rgb24")
        self._size = self._size or fitted(frame.width, frame.height, self._box)
        return self._scaler.reformat(frame, *self._size, "yuv420p", interpolation=Interpolation.AREA)


def fitted(width: int, height: int, box: Box | None) -> Box:
    """The largest even width and height within `box` that keep the aspect ratio; never larger than the frame."""
    scale = 1.0 if box is None else min(1.0, box[0] / width, box[1] / height)
    return max(2, 2 * round(width * scale / 2 - 1e-6)), max(2, 2 * round(height * scale / 2 - 1e-6))


def parse_box(text: str) -> Box:
    """Parse a size such as `456x256` into (width, height).

    Raises:
        GymQAError: it has another form, or a side is odd or below 64 pixels (which decord cannot read).
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise GymQAError(f"{text!r} is not a size; write width x height in pixels, such as 456x256")
    box = int(width), int(height)
    if min(box) < 64 or box[0] % 2 or box[1] % 2:
        raise GymQAError(f"clips cannot be {text}; choose even sides of at least 64 pixels")
    return box


def probe(path: Path, span: Span) -> CutClip:
    """Measure a clip that is already on disk.

    Raises:
        VideoError: it does not decode.
    """
    frames, first, end, width, height = 0, 0.0, 0.0, 0, 0
    with open_video(path) as video:
        for shown in video.frames():
            first = first if frames else shown.time
            frames, end = frames + 1, shown.time + shown.duration
            width, height = shown.frame.width, shown.frame.height
    duration, size = round(end - first, 6), path.stat().st_size
    return CutClip(span.clip_id, span.start, span.end, duration, frames, width, height, size, sha256_of(path))
