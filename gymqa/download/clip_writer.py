"""Write one clip of a raw video as H.264, its frames at their times, and refuse it where the raw video has a hole."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType

from gymqa.errors import GymQAError
from gymqa.frames.video import add_h264_stream
from gymqa.io.files import atomic_path, sha256_of

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

HOLE = 0.25  # seconds without a new frame that are missing in a raw video, rather than a frame that is shown for long
MIN_FRACTION = 0.9  # fraction of its seconds that a clip needs
TICKS = 100  # units of a clip's time stamps in a frame


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


class ClipWriter:
    """Writer of one clip under a temporary name; the file is opened at the first frame.

    A frame is encoded when the next one comes, which says how long it is shown.

    Args:
        span: the clip and its seconds.
        target: path of the clip.
        fps: frames per second, the highest if the rate varies.
    """

    def __init__(self, span: Span, target: Path, fps: Fraction) -> None:
        self.span, self._target, self._fps = span, target, fps.limit_denominator(1001)
        self._stack = ExitStack()
        self._frames, self._width, self._height = 0, 0, 0
        self._first, self._latest, self._missing = 0.0, span.start, 0.0  # seconds
        self._until = 0  # end of the latest encoded frame, ticks
        self._durations: dict[int, int] = {}  # of encoded frames that are not written yet, by their time stamps; ticks
        self._pending: VideoFrame | None = None

    def write(self, frame: "VideoFrame", time: float) -> None:
        """Append a frame that is shown from a second on."""
        with self._writing():
            if self._pending is None:
                self._begin(frame, time)
            else:
                self._encode(self._pending, time)
        self._count_missing(time)
        self._pending, self._latest = frame, time

    def _begin(self, frame: "VideoFrame", time: float) -> None:
        """Open the file for the first frame."""
        self._temporary = self._stack.enter_context(atomic_path(self._target))
        self._container = self._stack.enter_context(av.open(str(self._temporary), "w", format="mp4"))
        self._first, self._width, self._height = time, frame.width, frame.height
        self._stream = add_h264_stream(self._container, self._fps, frame.width, frame.height, preset="superfast")
        self._stream.codec_context.time_base = 1 / self._fps / TICKS
        self._stream.options = {**self._stream.options, "bf": "0"}  # an mp4 cannot tell when reordered frames end

    def _encode(self, frame: "VideoFrame", until: float) -> None:
        """Encode the latest frame, which is shown until a second."""
        start = max(self._ticks(self._latest), self._until)  # two frames may share a rounded time
        frame.pts, frame.time_base = start, 1 / self._fps / TICKS
        self._until = max(start + 1, self._ticks(until))
        self._durations[start] = self._until - start
        frame.pict_type = PictureType.NONE  # otherwise x264 copies the raw video's key frames
        self._mux(self._stream.encode(frame))
        self._frames += 1

    def _mux(self, packets: "Iterable[Packet[VideoStream]]") -> None:
        """Write encoded frames, with the durations that x264 does not know."""
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts or 0, 0)
            self._container.mux(packet)

    def _ticks(self, time: float) -> int:
        """A second as a time stamp of the clip; rounded stamps of a constant rate are put back on its grid."""
        frames = (time - self._first) * float(self._fps)
        return TICKS * round(frames) if abs(frames - round(frames)) < 0.1 else round(TICKS * frames)

    def _count_missing(self, time: float) -> None:
        """Add the seconds since the latest frame to the missing ones if it was not shown for so long."""
        frame = 1 / float(self._fps)
        if time - self._latest > max(HOLE, 2 * frame):
            self._missing += time - self._latest - frame

    def finish(self, next_frame: float) -> CutClip | Failed:
        """Close the file and rename it to its target; remove it if the raw video lacks too many of its seconds.

        Args:
            next_frame: second at which the raw video's next frame is shown; the last one lasts to it, or to the clip's
                end, but at least a frame.
        """
        frame = 1 / float(self._fps)
        end = min(next_frame, max(self.span.end, self._latest + frame))
        self._count_missing(min(next_frame, self.span.end))
        wanted = self.span.end - self.span.start
        if self._pending is None or self._missing > (1 - MIN_FRACTION) * wanted + frame:
            self.abandon()
            there = 0.0 if self._pending is None else wanted - self._missing
            return Failed(self.span.clip_id, f"the raw video shows {there:.2f} of its {wanted:.2f} s")
        with self._writing():
            self._encode(self._pending, end)
            self._mux(self._stream.encode(None))
            self._container.close()
        made = CutClip(
            clip_id=self.span.clip_id,
            start=self.span.start,
            end=self.span.end,
            duration=round(float(self._until / self._fps / TICKS), 6),
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
