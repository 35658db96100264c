"""Cut the clips out of one raw video in a single decoding pass: re-encode their frames, seek over gaps, verify.

A frame belongs to a clip if the frame's middle is within the clip's seconds, so that a boundary at a frame's start
means the same frame regardless of rounding. Segments without clips are skipped; memory use is constant.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from gymqa.errors import GymQAError
from gymqa.frames.video import VideoError, add_h264_stream
from gymqa.io.files import atomic_path, sha256_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Box = tuple[int, int]  # width, height in pixels

SEEK_GAP = 10.0  # seconds without a clip that are worth a seek; shorter gaps are decoded
SEEK_MARGIN = 1.0  # seconds that a seek aims early, because frames may be stored out of order
MIN_FRACTION = 0.9  # fraction of the expected frames that a clip needs; fewer means a gap in the raw video


@dataclass(frozen=True, slots=True)
class Span:
    """Time span of a clip in its raw video, in seconds from the video's start."""

    clip_id: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CutClip:
    """A clip on disk: `duration` in seconds, `width` and `height` in pixels, `size` in bytes."""

    clip_id: str
    start: float
    end: float
    duration: float
    frames: int
    width: int
    height: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A clip that could not be cut, and the reason."""

    clip_id: str
    reason: str


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
        with open_video(video) as container:
            stream = next(iter(container.streams.video), None)
            fps = stream and (stream.average_rate or stream.guessed_rate)
            if stream is not None and fps:
                yield from cutter.run(container, stream, fps)
        what = f"ends at {max(cutter.time, 0):.2f} s, before the clip does" if fps else "holds no video"
        yield from cutter.fail(f"{video.name} {what}")
    except av.error.FFmpegError:
        yield from cutter.fail(f"{video.name} does not decode after {max(cutter.time, 0):.2f} s")
    finally:
        cutter.abandon()


def open_video(path: Path) -> "InputContainer":
    """Open a video; metadata that is not valid UTF-8 is tolerated.

    Raises:
        av.error.FFmpegError: it cannot be opened.
    """
    return av.open(str(path), metadata_errors="replace")


class _Cutter:
    """Pending and open clips of one video while its frames are decoded in order."""

    def __init__(self, spans: Iterable[Span], target: Callable[[str], Path], box: Box | None) -> None:
        self._target, self._box = target, box
        self._waiting = deque(sorted(spans, key=lambda span: (span.start, span.end)))
        self._open: list[_ClipWriter] = []
        self.time = -1.0  # of the latest frame, seconds

    def run(self, container: "InputContainer", stream: "VideoStream", fps: Fraction) -> Iterator[CutClip | Failed]:
        """Write every frame to the clips it belongs to; yield each clip when it is finished."""
        if stream.codec_context is not None:  # None if FFmpeg lacks the decoder, which raises at the first frame
            stream.codec_context.thread_count = 1  # videos are cut in parallel
        scaler, half = VideoReformatter(), 0.5 / float(fps)
        for time, frame in _frames(container, stream, self._needed):
            self.time, frame_middle = time, time + half
            while self._waiting and self._waiting[0].start <= frame_middle:
                span = self._waiting.popleft()
                self._open.append(_ClipWriter(span, self._target(span.clip_id), fps))
            yield from self._close(frame_middle)
            if self._open:
                scaled = _scaled(frame, scaler, self._box)
                for clip in self._open:
                    clip.write(scaled)
        yield from self._close(self.time + 3 * half)  # the middle of the frame after the last one

    def _needed(self) -> float:
        """The second from which frames are needed: now if a clip is open, infinity if all are finished."""
        if self._open:
            return self.time
        return self._waiting[0].start if self._waiting else math.inf

    def _close(self, time: float) -> Iterator[CutClip | Failed]:
        """Finish the clips that end by `time`."""
        for clip in [clip for clip in self._open if clip.span.end <= time]:
            self._open.remove(clip)
            yield clip.finish()

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


class _ClipWriter:
    """Writer of one clip under a temporary name; the file is opened at the first frame."""

    def __init__(self, span: Span, target: Path, fps: Fraction) -> None:
        self.span, self._target, self._fps = span, target, fps.limit_denominator(1001)
        self._stack = ExitStack()
        self._frames, self._width, self._height = 0, 0, 0

    def write(self, frame: "VideoFrame") -> None:
        """Encode a frame and append it to the clip."""
        with self._writing():
            if self._frames == 0:
                self._temporary = self._stack.enter_context(atomic_path(self._target))
                self._container = self._stack.enter_context(av.open(str(self._temporary), "w", format="mp4"))
                self._width, self._height = frame.width, frame.height
                self._stream = add_h264_stream(
                    self._container, self._fps, frame.width, frame.height, preset="superfast"
                )
            frame.pts, frame.time_base = self._frames, 1 / self._fps
            frame.pict_type = PictureType.NONE  # otherwise x264 copies the raw video's key frames
            self._container.mux(self._stream.encode(frame))
            self._frames += 1

    def finish(self) -> CutClip | Failed:
        """Close the file and rename it to its target; remove it if the raw video had too few frames for it."""
        wanted = (self.span.end - self.span.start) * float(self._fps)
        if self._frames == 0 or self._frames < MIN_FRACTION * wanted - 1:
            self.abandon()
            return Failed(self.span.clip_id, f"the raw video has {self._frames} of its {wanted:.0f} frames")
        with self._writing():
            self._container.mux(self._stream.encode(None))
            self._container.close()
        made = CutClip(
            clip_id=self.span.clip_id,
            start=self.span.start,
            end=self.span.end,
            duration=round(float(self._frames / self._fps), 6),
            frames=self._frames,
            width=self._width,
            height=self._height,
            size=self._temporary.stat().st_size,
            sha256=sha256_of(self._temporary),
        )
        self._stack.close()
        return made

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise GymQAError for a failed write, which FFmpeg reports like a damaged raw video."""
        try:
            yield
        except av.error.FFmpegError as error:
            raise GymQAError(
                f"cannot write {self._target}: {error.strerror or error}; free some space, then run the command again"
            ) from error

    def abandon(self) -> None:
        """Close and remove the temporary file."""
        stop = GeneratorExit()
        self._stack.__exit__(type(stop), stop, None)


def _frames(
    container: "InputContainer", stream: "VideoStream", needed: Callable[[], float]
) -> Iterator[tuple[float, "VideoFrame"]]:
    """Yield (seconds, frame) in order, each frame once, seeking over frames that are not `needed`.

    After each frame `needed` returns the second from which frames are wanted; infinity ends the iteration. If a seek
    lands too late (a wrong index), the video is decoded from its start without further seeks.
    """
    zero, base = stream.start_time or 0, stream.time_base or Fraction(1)
    latest, aim, jumps = -1.0, -1.0, True
    decoding = container.decode(stream)
    while (frame := next(decoding, None)) is not None:
        time = latest if frame.pts is None else float((frame.pts - zero) * base)
        if time <= latest:
            continue
        if jumps and latest < aim - SEEK_GAP and time > aim:
            jumps = False
            container.seek(zero, stream=stream)
            decoding = container.decode(stream)
            continue
        latest = time
        yield time, frame
        if (need := needed()) == math.inf:
            return
        if jumps and need - time > SEEK_GAP and need != aim:
            aim = need
            container.seek(zero + int((need - SEEK_MARGIN) / base), stream=stream)
            decoding = container.decode(stream)


def _scaled(frame: "VideoFrame", scaler: VideoReformatter, box: Box | None) -> "VideoFrame":
    """The frame scaled to the clips' size, in the pixel format that H.264 players support."""
    width, height = fitted(frame.width, frame.height, box)
    return scaler.reformat(frame, width, height, "yuv420p", interpolation=Interpolation.AREA)


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
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            rate, width, height = stream.average_rate, stream.width, stream.height
    except (av.error.FFmpegError, IndexError) as error:
        raise VideoError(f"{path} does not decode; it is cut again") from error
    if not frames or not rate:
        raise VideoError(f"{path} holds no frames; it is cut again")
    duration = round(float(frames / rate), 6)
    size = path.stat().st_size
    return CutClip(span.clip_id, span.start, span.end, duration, frames, width, height, size, sha256_of(path))
