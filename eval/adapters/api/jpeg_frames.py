"""Frames of a clip as JPEG data URLs, encoded once for all its questions; the most recent clips are cached."""

import base64
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

import cv2

from eval.adapters.clip_frames import ClipFrames
from gymqa.errors import GymQAError

KEPT = 16
"""Cached clips; 8 frames of 224 pixels take 340 kB."""


class JpegFrames:
    """Thread-safe cache of encoded clips.

    Args:
        frames: frames of the clips.
        quality: JPEG quality, 1 to 100.
    """

    def __init__(self, frames: ClipFrames, quality: int) -> None:
        self._frames, self._quality = frames, quality
        self._made: OrderedDict[str, Future[list[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def urls(self, clip_id: str) -> list[str]:
        """A data URL for each frame of a clip, in order; concurrent callers wait for one encoding.

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
            made.set_result([jpeg_url(frame, self._quality) for frame in self._frames.take(clip_id)])
        except BaseException as error:
            with self._lock:
                if self._made.get(clip_id) is made:
                    del self._made[clip_id]
            made.set_exception(error)


def jpeg_url(frame: Any, quality: int) -> str:
    """A frame, uint8 [H, W, 3] RGB, as a data URL."""

    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise GymQAError(f"a frame of shape {frame.shape} cannot be encoded as JPEG; build the frame cache again")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
