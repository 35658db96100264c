"""Small videos whose frames show their number, in many containers and codecs, and the number that a frame shows."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, WIDTH, HEIGHT = 8, 64, 48
FPS = 25
H264 = {"preset": "ultrafast", "crf": "12", "threads": "1"}
H265 = "log-level=none:pools=none:frame-threads=1:keyint=10:min-keyint=10"

OPEN = {"min-keyint": "8", "b-adapt": "0", "open-gop": "1"}

# Matrices (a, b, c, d) of ISO 14496-12, 8.3.2, and what they do to the frames that are stored
TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    "quarter turn": ((0, 1, -1, 0), lambda frames: np.rot90(frames, -1, (1, 2))),
    "half turn": ((-1, 0, 0, -1), lambda frames: frames[:, ::-1, ::-1]),
    "three quarters": ((0, -1, 1, 0), lambda frames: np.rot90(frames, 1, (1, 2))),
    "mirrored": ((-1, 0, 0, 1), lambda frames: frames[:, :, ::-1]),
    "transposed": ((0, 1, 1, 0), lambda frames: frames.swapaxes(1, 2)),
}


@dataclass(frozen=True)
class Kind:
    """How a video is encoded.

    Attributes:
        name: file name, whose ending is the container's.
        codec: FFmpeg's encoder.
        options: its options.
        pix_fmt: pixel format.
        container: FFmpeg's muxer where the ending does not name it.
    """

    name: str
    codec: str
    options: Mapping[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    container: str | None = None


def x264(**options: str) -> dict[str, str]:
    """Options of libx264 with these parameters of its own."""
    return {**H264, "bf": "2", "x264-params": ":".join(f"{name}={value}" for name, value in options.items())}


KINDS = (
    Kind("closed.mp4", "libx264", x264(keyint="10")),
    Kind("open.mp4", "libx264", x264(keyint="8", scenecut="0", **OPEN) | {"preset": "veryfast"}),
    Kind("h264.mov", "libx264", x264(keyint="10")),
    Kind("h264.mkv", "libx264", x264(keyint="30")),
    Kind("h264.ts", "libx264", x264(keyint="10")),
    Kind("h264.flv", "libx264", x264(keyint="10")),
    Kind("h264.avi", "libx264", {**H264, "bf": "0", "g": "10"}),
    Kind("raw.h264", "libx264", x264(keyint="10")),
    Kind("ten_bits.mp4", "libx264", H264, "yuv422p10le"),
    Kind("full_colour.mp4", "libx264", H264, "yuv444p"),
    Kind("grey.mp4", "libx264", H264, "gray"),
    Kind("hevc.mp4", "libx265", {"preset": "ultrafast", "bf": "2", "x265-params": f"{H265}:open-gop=1"}),
    Kind("hevc10.mov", "libx265", {"preset": "ultrafast", "x265-params": H265}, "yuv420p10le"),
    Kind("xvid.avi", "mpeg4", {"bf": "2", "g": "10", "qmin": "2", "qmax": "2"}),
    Kind("asp.mp4", "mpeg4", {"bf": "2", "g": "10", "qmin": "2", "qmax": "2"}),
    Kind("mpeg2.mpg", "mpeg2video", {"bf": "2", "g": "10", "qmin": "2", "qmax": "2"}),
    Kind("mpeg2.ts", "mpeg2video", {"bf": "2", "g": "10", "qmin": "2", "qmax": "2"}),
    Kind("mpeg1.mpg", "mpeg1video", {"bf": "2", "qmin": "2", "qmax": "2"}),
    Kind("wmv2.wmv", "wmv2", {"g": "10", "qmin": "2", "qmax": "2"}, container="asf"),
    Kind("msmpeg4.avi", "msmpeg4", {"g": "10", "qmin": "3", "qmax": "3"}),
    Kind("sorenson.flv", "flv", {"g": "10", "qmin": "2", "qmax": "2"}),
    Kind("vp8.webm", "libvpx", {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1", "crf": "4", "b": "1M"}),
    Kind("vp9.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0", "g": "10"}),
    Kind("av1.mp4", "libsvtav1", {"preset": "12", "crf": "20", "svtav1-params": "lp=1"}),
    Kind("animation.gif", "gif", pix_fmt="rgb8"),
    Kind("motion.avi", "mjpeg", {"qmin": "2", "qmax": "2"}, "yuvj420p"),
    Kind("alpha.mov", "png", pix_fmt="rgba"),
    Kind("prores.mov", "prores_ks", pix_fmt="yuv422p10le"),
    Kind("lossless.mkv", "ffv1", pix_fmt="gray16le"),
)


def numbered(count: int, width: int = WIDTH, height: int = HEIGHT, first: int = 0) -> np.ndarray:
    """Frames [T, H, W, 3] whose upper two thirds show their number in eight bars, above a dark and a bright half."""
    frames = np.empty((count, height, width, 3), np.uint8)
    bars = ((np.arange(first, first + count)[:, None] >> np.arange(BITS)) & 1).astype(bool)  # [T, BITS]
    frames[:] = np.where(np.repeat(bars, width // BITS, axis=1), 225, 25)[:, None, :, None]
    frames[:, 2 * height // 3 :, : width // 2] = 50
    frames[:, 2 * height // 3 :, width // 2 :] = 190
    return frames


def numbers(frames: np.ndarray) -> list[int]:
    """The number that each of the frames [T, H, W, 3] shows."""
    row = frames[:, frames.shape[1] // 3].mean(-1).reshape(len(frames), BITS, -1)
    middle = row[..., row.shape[-1] // 4 : -row.shape[-1] // 4].mean(-1) > 125
    return [int(number) for number in middle @ (1 << np.arange(BITS))]


def write(path: Path, kind: Kind, frames: np.ndarray, ticks: Sequence[int] | None = None) -> Path:
    """Encode frames; `ticks` are their times in hundredths of a frame, where the rate is to vary."""
    with av.open(str(path), "w", format=kind.container) as container:
        stream = container.add_stream(kind.codec, rate=FPS, options=dict(kind.options))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.thread_count = kind.pix_fmt, 1
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, 100 * FPS)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=kind.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            if ticks is not None:
                frame.pts, frame.time_base = ticks[number], Fraction(1, 100 * FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shifted(source: Path, target: Path, seconds: float) -> Path:
    """Copy a video's packets to other times; an mp4 or mov hides those before second 0 by its edit list.

    Args:
        source: the video.
        target: the copy.
        seconds: added to all time stamps.
    """
    with av.open(str(source)) as read, av.open(str(target), "w", options={"avoid_negative_ts": "disabled"}) as write:
        stream = read.streams.video[0]
        copied = write.add_stream_from_template(stream)
        ticks = round(seconds / (stream.time_base or 1))
        for packet in read.demux(stream):
            if packet.pts is None:  # the end
                continue
            decoded = packet.pts - round(0.2 / (stream.time_base or 1)) if packet.dts is None else packet.dts
            packet.pts, packet.dts, packet.stream = packet.pts + ticks, decoded + ticks, copied
            write.mux(packet)
    return target


def turn(source: Path, target: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Copy an mp4 with another display matrix ((a, b), (c, d)) in its track's header."""
    content = source.read_bytes()
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    a, b, c, d = (value << 16 for value in matrix)
    at = content.index(plain, content.index(b"tkhd"))
    target.write_bytes(content[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[at + len(plain) :])
    return target


def with_audio(source: Path, target: Path, late: float) -> Path:
    """Copy a video so that it starts some seconds after its audio, which is silence."""
    with av.open(str(source)) as read, av.open(str(target), "w") as write:
        stream = read.streams.video[0]
        copied, sound = write.add_stream_from_template(stream), write.add_stream("aac", rate=8000, layout="mono")
        ticks = round(late / (stream.time_base or 1))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        for number in range(24):
            silence.pts, silence.time_base = 1024 * number, Fraction(1, 8000)
            write.mux(sound.encode(silence))
        write.mux(sound.encode(None))
        for packet in read.demux(stream):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, copied
                write.mux(packet)
    return target
