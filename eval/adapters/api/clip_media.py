"""Frames of a clip as data URLs, JPEGs or one video, encoded once for all its questions; the latest clips are kept."""

import base64
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eval.adapters.clip_frames import ClipFrames
from gymqa.errors import GymQAError
from gymqa.frames.video import Frames, resized, write_video

KEPT = 16
"""Cached clips; 8 frames of 224 pixels take 340 kB."""


class ClipMedia:
    """Thread-safe cache of encoded clips.

    Args:
        frames: frames of the clips.
        quality: JPEG quality, 1 to 100.
        short_side: pixels that frames are resized to; 0 leaves them as they are.
        as_video: one video of the frames shown rather than a JPEG of each.
    """

    def __init__(self, frames: ClipFrames, quality: int, short_side: int = 0, as_video: bool = False) -> None:
        self._frames, self._quality, self._side, self._as_video = frames, quality, short_side, as_video
        self._made: OrderedDict[str, Future[list[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def urls(self, clip_id: str) -> list[str]:
        """A data URL for each frame of a clip, in order, or one of a video; concurrent callers wait for one encoding.

        Raises:
            GymQAError: the frames cannot be read; the next call tries again.
        """
        with self._lock:
            made = self._made.get(clip_id)
            mine = made is None
            if made is None:
                made = self._made[clip_id] = Future()
            self._made.move_to_end(clip_id)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        if mine:
            self._make(clip_id, made)
        return made.result()

    def _make(self, clip_id: str, made: "Future[list[str]]") -> None:
        try:
            made.set_result(self._encoded(clip_id))
        except BaseException as error:
            with self._lock:
                if self._made.get(clip_id) is made:
                    del self._made[clip_id]
            made.set_exception(error)

    def _encoded(self, clip_id: str) -> list[str]:
        """The data URLs of a clip."""
        frames = self._frames.take(clip_id)
        frames = resized(frames, self._side) if self._side else frames
        if not self._as_video:
            return [jpeg_url(frame, self._quality) for frame in frames]
        times = self._frames.times(clip_id)
        if times is None:
            raise GymQAError(f"the frame rate of clip {clip_id} is not known; cache its images with --image_fps")
        return [video_url(frames, len(frames) / times.duration)]


def video_url(frames: Frames, fps: float) -> str:
    """Frames, uint8 [N, H, W, 3] RGB, as the data URL of an H.264 video; of an odd side the last row is left out."""
    height, width = (side // 2 * 2 for side in frames.shape[1:3])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, np.ascontiguousarray(frames[:, :height, :width]), fps)
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()


def jpeg_url(frame: Any, quality: int) -> str:
    """A frame, uint8 [H, W, 3] RGB, as a data URL."""

    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise GymQAError(f"a frame of shape {frame.shape} cannot be encoded as JPEG; build the frame cache again")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
