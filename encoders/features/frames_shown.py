"""Which frames of its clips a store's features were made of: frames.json beside them, for answers to tell."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.controls import Shown, shown_of
from gymqa.frames.source import FrameSource
from gymqa.io.files import read_json, write_text

if TYPE_CHECKING:
    from encoders.video.base import VideoEncoder

FILE = "frames.json"


def note_frames(folder: Path, encoder: "VideoEncoder", source: FrameSource, clips: Iterable[str]) -> None:
    """Write down which frames the first views of clips were made of, beside those that are known; whole or not at all.

    Raises:
        GymQAError: what is there is damaged, or cannot be written.
    """
    known = read_frames(folder)
    there = [clip for clip in clips if clip in source]
    found = {
        clip: shown_of(source, clip, np.asarray(encoder.frame_indices(int(length), None)))
        for clip, length in zip(there, source.lengths(there) if there else [], strict=True)
    }
    if known | found != known:
        write_text(folder / FILE, json.dumps(dict(sorted((known | found).items())), separators=(",", ":")) + "\n")


def read_frames(folder: Path) -> dict[str, Shown]:
    """By clip id whose frames its features were made of, and which, in the encoder's order; empty for an older store.

    Raises:
        GymQAError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        return {str(clip): (str(other), tuple(map(int, frames))) for clip, (other, frames) in read_json(path).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise GymQAError(f"{path} is damaged; remove it and extract the features again") from error
