"""One raw video to its sub-action clips: decoded once, in order, each frame encoded anew; memory does not grow.

A frame belongs to a clip when the frame's middle lies within the clip's seconds, so that a boundary that falls on a
frame, give or take a rounding, always means the same frame. Stretches without clips are jumped over.
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

from gymqa.download.annotation_files import sha256_of
from gymqa.errors import GymQAError
from gymqa.frames.video import VideoError, add_h264_stream
from gymqa.io.files import atomic_path

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Box = tuple[int, int]  # width, height in pixels

JUMP = 10.0  # seconds without a clip worth jumping over; less is decoded
MARGIN = 1.0  # seconds that a jump lands early, for frames stored in another order than shown
ENOUGH = 0.9  # share of the frames that a clip's seconds hold; fewer means that the raw video has a hole there


@dataclass(frozen=True, slots=True)
class Span:
    """Where a clip lies in its raw video, seconds from the video's start."""

    clip_id: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CutClip:
    """A clip as it lies on disk: `duration` in seconds, `width` and `height` in pixels, `size` in bytes."""

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
    """A clip that cannot be made, and why."""

    clip_id: str
    reason: str


def cut(
    video: Path, spans: Iterable[Span], target: Callable[[str], Path], box: Box | None
) -> Generator[CutClip | Failed, None, None]:
    """Cut clips out of one raw video and yield each as soon as it lies on disk, whole, or has failed.

    Args:
        video: the raw video.
        spans: its clips, in any order; they may overlap.
        target: from a clip id to the path of its video.
        box: the clips' largest width and height; None keeps the raw video's.

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
    """Open a video of others; titles and the like that are no UTF-8 are no reason to refuse its pictures.

    Raises:
        av.error.FFmpegError: it does not open.
    """
    return av.open(str(path), metadata_errors="replace")


class _Cutter:
    """The clips of one video that wait, and those being written, while its frames go by."""

    def __init__(self, spans: Iterable[Span], target: Callable[[str], Path], box: Box | None) -> None:
        self._target, self._box = target, box
        self._waiting = deque(sorted(spans, key=lambda span: (span.start, span.end)))
        self._open: list[_ClipWriter] = []
        self.time = -1.0  # of the latest frame, seconds

    def run(self, container: "InputContainer", stream: "VideoStream", fps: Fraction) -> Iterator[CutClip | Failed]:
        """Send every frame to the clips it belongs to; those that end before the video does are yielded."""
        if stream.codec_context is not None:  # as it is where FFmpeg lacks the decoder, which the first frame then says
            stream.codec_context.thread_count = 1  # videos are cut in parallel
        scaler, half = VideoReformatter(), 0.5 / float(fps)
        for time, frame in _frames(container, stream, self._needed):
            self.time, middle = time, time + half
            while self._waiting and self._waiting[0].start <= middle:
                span = self._waiting.popleft()
                self._open.append(_ClipWriter(span, self._target(span.clip_id), fps))
            yield from self._close(middle)
            if self._open:
                scaled = _scaled(frame, scaler, self._box)
                for clip in self._open:
                    clip.write(scaled)
        yield from self._close(self.time + 3 * half)  # where the middle of one more frame would be

    def _needed(self) -> float:
        """The second from which frames are needed next: now while a clip is open, never when all are done."""
        if self._open:
            return self.time
        return self._waiting[0].start if self._waiting else math.inf

    def _close(self, time: float) -> Iterator[CutClip | Failed]:
        """Finish the clips that end by `time`."""
        for clip in [clip for clip in self._open if clip.span.end <= time]:
            self._open.remove(clip)
            yield clip.finish()

    def fail(self, reason: str) -> Iterator[Failed]:
        """Yield every clip that is not finished, with the reason."""
        unfinished = [*(clip.span for clip in self._open), *self._waiting]
        self.abandon()
        yield from (Failed(span.clip_id, reason) for span in unfinished)

    def abandon(self) -> None:
        """Remove what is half-written."""
        for clip in self._open:
            clip.abandon()
        self._open.clear()
        self._waiting.clear()


class _ClipWriter:
    """One clip being written under a temporary name; the file is opened at the first frame."""

    def __init__(self, span: Span, target: Path, fps: Fraction) -> None:
        self.span, self._target, self._fps = span, target, fps.limit_denominator(1001)
        self._stack = ExitStack()
        self._frames, self._width, self._height = 0, 0, 0

    def write(self, frame: "VideoFrame") -> None:
        """Encode a frame as the clip's next."""
        with self._writing():
            if self._frames == 0:
                self._temporary = self._stack.enter_context(atomic_path(self._target))
                self._container = self._stack.enter_context(av.open(str(self._temporary), "w", format="mp4"))
                self._width, self._height = frame.width, frame.height
                self._stream = add_h264_stream(
                    self._container, self._fps, frame.width, frame.height, preset="superfast"
                )
            frame.pts, frame.time_base = self._frames, 1 / self._fps
            frame.pict_type = PictureType.NONE  # or x264 would make a key frame wherever the raw video has one
            self._container.mux(self._stream.encode(frame))
            self._frames += 1

    def finish(self) -> CutClip | Failed:
        """Close the file and give it its name; or remove it where the raw video had too few frames for it."""
        wanted = (self.span.end - self.span.start) * float(self._fps)
        if self._frames == 0 or self._frames < ENOUGH * wanted - 1:
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
        """Tell a disk that is full from a raw video that is broken: FFmpeg raises the same for both."""
        try:
            yield
        except av.error.FFmpegError as error:
            raise GymQAError(
                f"cannot write {self._target}: {error.strerror or error}; make room, and the same command goes on"
            ) from error

    def abandon(self) -> None:
        """Close and remove the temporary file."""
        stop = GeneratorExit()
        self._stack.__exit__(type(stop), stop, None)


def _frames(
    container: "InputContainer", stream: "VideoStream", needed: Callable[[], float]
) -> Iterator[tuple[float, "VideoFrame"]]:
    """Yield frames and their seconds in order, each once, jumping over what is not `needed`.

    After each frame `needed` says from which second on frames are wanted; infinity ends it. Where a jump lands too
    late (an index that errs), the video is decoded from its start, and no jump is tried again.
    """
    zero, base = stream.start_time or 0, stream.time_base or Fraction(1)
    latest, aim, jumps = -1.0, -1.0, True
    decoding = container.decode(stream)
    while (frame := next(decoding, None)) is not None:
        time = latest if frame.pts is None else float((frame.pts - zero) * base)
        if time <= latest:
            continue
        if jumps and latest < aim - JUMP and time > aim:
            jumps = False
            container.seek(zero, stream=stream)
            decoding = container.decode(stream)
            continue
        latest = time
        yield time, frame
        if (need := needed()) == math.inf:
            return
        if jumps and need - time > JUMP and need != aim:
            aim = need
            container.seek(zero + int((need - MARGIN) / base), stream=stream)
            decoding = container.decode(stream)


def _scaled(frame: "VideoFrame", scaler: VideoReformatter, box: Box | None) -> "VideoFrame":
    """The frame at the clips' size, in the pixel format that H.264 players read."""
    width, height = fitted(frame.width, frame.height, box)
    return scaler.reformat(frame, width, height, "yuv420p", interpolation=Interpolation.AREA)


def fitted(width: int, height: int, box: Box | None) -> Box:
    """The largest even width and height within `box` that keep the picture's shape; never larger than the picture."""
    scale = 1.0 if box is None else min(1.0, box[0] / width, box[1] / height)
    return max(2, 2 * round(width * scale / 2 - 1e-6)), max(2, 2 * round(height * scale / 2 - 1e-6))


def parse_box(text: str) -> Box:
    """Read `456x256`.

    Raises:
        GymQAError: another form, or sides that are odd or below 64 pixels (which decord cannot read).
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise GymQAError(f"{text!r} is no size; write width x height in pixels, such as 456x256")
    box = int(width), int(height)
    if min(box) < 64 or box[0] % 2 or box[1] % 2:
        raise GymQAError(f"clips cannot be {text}; choose even sides of at least 64 pixels")
    return box


def probe(path: Path, span: Span) -> CutClip:
    """Describe a clip that lies on disk already.

    Raises:
        VideoError: it does not decode.
    """
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            rate, width, height = stream.average_rate, stream.width, stream.height
    except (av.error.FFmpegError, IndexError) as error:
        raise VideoError(f"{path} does not decode; it is made again") from error
    if not frames or not rate:
        raise VideoError(f"{path} holds no frames; it is made again")
    duration = round(float(frames / rate), 6)
    size = path.stat().st_size
    return CutClip(span.clip_id, span.start, span.end, duration, frames, width, height, size, sha256_of(path))
