"""Read a video as players show it: frames in presentation order, upright, each with its time; damage is an error.

The one reading of videos (PyAV): the frame cache, `gymqa ask`, snippet features and trimming all decode here. Frames
are counted by decoding them. No count or length in a file's header is trusted, and nothing is repeated to fill up what
a file lacks. Packets that an edit list hides are decoded, but not shown.

Times are seconds from the container's start, as in players and `ffmpeg -ss`: a video that starts after its audio has
no frame at second 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.buffer import Buffer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cut_short import is_cut_short

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Frames = NDArray[np.uint8]  # [T, H, W, 3] RGB
Image = NDArray[np.uint8]  # [H, W, 3] RGB

INDEXED = frozenset({"mp4", "matroska"})  # containers with an index of time stamps, in which a seek can be checked
STEADY = 0.01  # relative difference of average and highest rate that a constant frame rate may have
MOST_FPS = 240  # a higher rate is the grid of the time stamps, not the rate of the frames


class VideoError(GymQAError):
    """A video that is missing, empty, broken, or cannot be written; the text names the file."""


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A decoded frame, not yet converted: the second at which it is shown, and for how long by what its file says."""

    time: float
    duration: float
    frame: "VideoFrame"


class Video:
    """An open video, read from its start to its end.

    Args:
        path: the file.
        container: the open container.
        stream: its video stream.
        threads: how many threads decode; 0 lets FFmpeg choose.
    """

    def __init__(self, path: Path, container: "InputContainer", stream: "VideoStream", threads: int) -> None:
        self.path, self._container, self._stream = path, container, stream
        self._formats = set(container.format.name.split(","))
        self.time_base = float(stream.time_base or 0)  # seconds
        self._zero = _start_of(container, stream)  # the container's start in its own time stamps, seconds
        self._due = 0.0 if stream.start_time is None else stream.start_time * self.time_base - self._zero
        self._scaler = VideoReformatter()
        self._size: tuple[int, int] | None = None  # of the first frame
        self._shown, self.time = 0, self._due  # frames since the start or the last seek, and the latest's time
        stream.codec_context.thread_count = threads
        stream.thread_type = "SLICE" if threads == 1 else "AUTO"

    @property
    def fps(self) -> Fraction:
        """The rate of its frames per second; of a varying rate the one that they have at their densest."""
        rates = [rate for rate in (self._stream.average_rate, self._stream.guessed_rate) if rate]
        return max((rate for rate in rates if rate <= MOST_FPS), default=min(rates, default=Fraction(25)))

    @property
    def is_variable(self) -> bool:
        """Whether its frame rate varies, as its container tells."""
        average, densest = self._stream.average_rate, self._stream.guessed_rate
        return bool(average and densest and abs(average / densest - 1) > STEADY)

    @property
    def codec(self) -> str:
        """FFmpeg's name of its decoder."""
        return self._stream.codec_context.name

    @property
    def can_seek(self) -> bool:
        """Whether its container has an index of time stamps."""
        return not INDEXED.isdisjoint(self._formats)

    def frames(self) -> Iterator[ShownFrame]:
        """Yield the frames from the current position to the end.

        Raises:
            VideoError: a frame is damaged, or the file is cut short; the text says how many frames were read.
        """
        key_seen = False
        try:
            for packet in self._container.demux(self._stream):
                key_seen = key_seen or packet.is_keyframe
                for frame in self._decode(packet, key_seen):
                    yield self._timed(frame)
        except (av.FFmpegError, EOFError) as error:
            raise self._broken() from error
        if self._shown == 0:
            raise VideoError(f"{self.path} holds no frames; copy or render the video again")
        if is_cut_short(self.path):
            raise self._broken()

    def _decode(self, packet: "Packet[VideoStream]", key_seen: bool) -> "list[VideoFrame]":
        """Frames that the decoder gives for a packet; a recording may begin with packets before its first key frame."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            if key_seen or self._shown:
                raise
            return []
        if (packet.is_corrupt and self.can_seek) or any(frame.is_corrupt for frame in frames):
            raise self._broken()
        return frames

    def _timed(self, frame: "VideoFrame") -> ShownFrame:
        """The frame with its time; one without a time stamp, or with one that went back, follows the latest."""
        if self._shown == 0:
            self._size = self._size or (frame.width, frame.height)
        lasts = frame.duration * self.time_base if frame.duration else 1 / float(self.fps)
        time = self.time + lasts if self._shown else self._due
        if frame.pts is not None:
            stamped = frame.pts * self.time_base - self._zero
            if "avi" in self._formats and self._shown == 0:  # times of decoding, late where frames are reordered
                self._zero += stamped - self._due
                stamped = self._due
            time = stamped if stamped > self.time or not self._shown else time
        self._shown, self.time = self._shown + 1, time
        return ShownFrame(time, lasts, frame)

    def seek(self, seconds: float) -> None:
        """Go to the last key frame at or before a time, or before the end; `frames` then starts there.

        Raises:
            VideoError: the container cannot seek.
        """
        length = (self._container.duration or 0) / av.time_base
        try:
            stamp = round((min(max(seconds, self._due), max(length, self._due)) + self._zero) / self.time_base)
            self._container.seek(stamp, stream=self._stream)
        except av.FFmpegError as error:
            raise self._broken() from error
        self._shown = 0

    def upright(self, frame: "VideoFrame") -> Image:
        """Pixels of a frame as players show it: uint8 [H, W, 3], in the size of the first frame, rotated."""
        width, height = self._size or (frame.width, frame.height)
        rgb = np.asarray(self._scaler.reformat(frame, width, height, "rgb24").to_ndarray(), np.uint8)
        return np.ascontiguousarray(turned(rgb, frame))

    def packets(self) -> "Iterator[Packet[VideoStream]]":
        """Yield the packets of its stream, without decoding them.

        Raises:
            VideoError: the file does not read to its end.
        """
        try:
            yield from (packet for packet in self._container.demux(self._stream) if packet.size)
        except (av.FFmpegError, EOFError) as error:
            raise self._broken() from error

    def _broken(self) -> VideoError:
        """The error of a video that does not decode to its end."""
        return VideoError(
            f"{self.path} is damaged or cut short after {self._shown} frames, at {max(self.time, 0):.2f} s; "
            "copy or render the video again"
        )


@contextmanager
def open_video(path: Path, threads: int = 1) -> Iterator[Video]:
    """Open a video file; metadata that is not valid UTF-8 is tolerated.

    Args:
        path: the file.
        threads: how many threads decode; 0 lets FFmpeg choose.

    Raises:
        VideoError: the file is missing or empty, is no video, or no decoder of its codec is installed.
    """
    if not path.is_file():
        raise VideoError(f"{path} does not exist; check the path of the video")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty; copy or render the video again")
    try:
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, EOFError) as error:
        raise VideoError(f"{path} does not decode; copy or render the video again") from error
    with container:
        stream = _video_stream(container)
        if stream is None:
            raise VideoError(f"{path} holds no video; copy or render it again")
        if stream.codec_context is None:
            raise VideoError(f"{path} does not decode: FFmpeg has no decoder of its codec; convert the video to H.264")
        yield Video(path, container, stream, threads)


def _video_stream(container: "InputContainer") -> "VideoStream | None":
    """The stream that players show; a cover image is none."""
    best = container.streams.best("video")
    shown = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return best if best in shown else next(iter(shown), None)


def _start_of(container: "InputContainer", stream: "VideoStream") -> float:
    """Start of a container in the time stamps of its streams, seconds; FFmpeg rounds it to microseconds."""
    own = 0.0 if stream.start_time is None else float(stream.start_time * (stream.time_base or 0))
    stated: int | None = container.start_time
    if stated is None:
        return own
    start = stated / av.time_base
    return own if abs(own - start) < 2 / av.time_base else start


def turned(image: Image, frame: "VideoFrame") -> Image:
    """An image [H, W, 3] rotated and mirrored as the display matrix of its frame says (ISO 14496-12, 8.3.2)."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):  # x to y and y to x
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def is_turned(frame: "VideoFrame") -> bool:
    """Whether a frame may be stored otherwise than it is shown."""
    return _display_matrix(frame) is not None


def _display_matrix(frame: "VideoFrame") -> Buffer | None:
    """The display matrix of a frame: int32 [3, 3]; None if it is shown as it is stored."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return matrix if isinstance(matrix, Buffer) else None
