"""decord, the other decoder of videos: a choice for those in which its frame numbers are proven to mean what is shown.

decord 0.6 numbers the packets of a file by their time stamps and seeks to key frames. Where packets are hidden (edit
lists), refer across key frames (open GOPs) or have no stamps, its numbers mean other frames than players show, and may
mean others in every run. It sees damage neither: FFmpeg conceals it, and decord repeats the last frame at the end of
what decodes. So `gymqa.frames.reading` decodes unless decord is asked for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import decord
import numpy as np
from numpy.typing import NDArray

from gymqa.frames.cut_short import is_cut_short
from gymqa.frames.reading import Frames, VideoError, is_turned, open_video

if TYPE_CHECKING:
    from decord import VideoReader

CHUNK = 64  # frames converted at a time
TOLERANCE = 1e-3  # seconds by which decord may round time stamps


@dataclass(frozen=True, slots=True)
class ProvenReader:
    """A decord reader of a video, the time of each frame in seconds [T], and the video's frames per second."""

    reader: "VideoReader"
    stamps: NDArray[np.float64]
    fps: float


def proven_reader(path: Path) -> ProvenReader | None:
    """A decord reader of a video in which each number means the frame that is shown at that place; else None.

    Proven without decoding the video: it is H.264 in mp4 or Matroska, whole, and not rotated; each packet is shown at a
    time of its own; no frame refers across a key frame; decord counts as many frames, at the same times, and gives the
    same first one. What this cannot see is damage within a frame.

    Raises:
        VideoError: the file is missing, empty, or no video.
    """
    with open_video(path) as video:
        if not video.can_seek or video.codec != "h264" or is_cut_short(path):
            return None
        packets = [(packet.pts, packet.is_keyframe, packet.is_discard) for packet in video.packets()]
        times = [(pts, is_key) for pts, is_key, is_hidden in packets if pts is not None and not is_hidden]
    if len(times) < len(packets) or not _closed(times):
        return None
    with open_video(path) as video:
        first = next(video.frames()).frame
        if is_turned(first):
            return None
        base, image, fps = video.time_base, video.upright(first), float(video.fps)
    stamps = np.sort([pts for pts, _ in times]) * base
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        shown = reader.get_frame_timestamp(np.arange(len(reader)))[:, 0]
        same = len(shown) == len(stamps) and np.allclose(shown - shown[0], stamps - stamps[0], rtol=0, atol=TOLERANCE)
        return ProvenReader(reader, stamps, fps) if same and np.array_equal(reader[0].asnumpy(), image) else None
    except (decord.DECORDError, RuntimeError):  # such as one of padded rows, which decord cannot copy
        return None


def _closed(times: list[tuple[int, bool]]) -> bool:
    """Whether stamps in decoding order differ, and a key frame is later than all before it, earlier than all after."""
    stamps = np.array([stamp for stamp, _ in times])
    keys = np.flatnonzero([is_key for _, is_key in times])
    if len(np.unique(stamps)) < len(stamps) or not len(keys) or keys[0] != 0:
        return False
    before = np.maximum.accumulate(stamps)
    after = np.minimum.accumulate(stamps[::-1])[::-1]
    return bool((after[keys] == stamps[keys]).all() and (before[keys] == stamps[keys]).all())


def read(reader: "VideoReader", path: Path, indices: "np.ndarray") -> Frames:
    """Frames of a proven reader: indices [n] -> uint8 [n, H, W, 3].

    Raises:
        VideoError: a frame does not decode.
    """
    try:
        starts = range(0, len(indices), CHUNK)
        return np.concatenate([reader.get_batch(indices[start : start + CHUNK]).asnumpy() for start in starts])
    except (decord.DECORDError, RuntimeError) as error:
        raise VideoError(f"{path} does not decode; copy or render the video again") from error
