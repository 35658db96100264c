"""What every reader gives, and the care each takes of lines and paths that others wrote."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip

Side = Literal["train", "val"]
VIDEO_SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv")
LONGEST_NAME, LONGEST_PATH = 255, 2048  # bytes; file systems take 255 and 4096, the folder of videos included
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a reader finds things.

    Attributes:
        root: folder of the official files.
        videos: folder that the paths in them start from.
        fold: which of several official splits, in the data set's own words; None where there is one.
    """

    root: Path
    videos: Path
    fold: str | None = None


@dataclass
class VideoDataset:
    """Clips of a data set with their class labels, by side.

    Attributes:
        classes: names, `classes[label]`.
        train: clips to learn from.
        val: clips to test on.
        paths: clip id -> path of its video below the folder of videos, with "/" between its parts.
    """

    classes: tuple[str, ...]
    train: list[Clip] = field(default_factory=list)
    val: list[Clip] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)

    def add(self, side: Side, path: str, label: int, video: str, place: str, name: str | None = None) -> None:
        """Add one clip.

        Args:
            side: where it belongs.
            path: its video below the folder of videos.
            label: its class.
            video: what it shares with other clips that must not be told apart from it: a film, a session, a person.
            place: where this was read, for errors.
            name: what it is called; the path without its suffix if not given.

        Raises:
            GymQAError: the path leaves the folder, the label is no class, or the clip was there before.
        """
        inside = inside_path(path, place)
        if not 0 <= label < len(self.classes):
            raise GymQAError(f"{place}: label {label} is out of range; there are classes 0 to {len(self.classes) - 1}")
        clip_id = make_clip_id(name or str(PurePosixPath(inside).with_suffix("")), video, place)
        if clip_id in self.paths:
            raise GymQAError(f"{place}: clip {path} stands here a second time; remove one of its lines")
        self.paths[clip_id] = inside
        (self.train if side == "train" else self.val).append(Clip(clip_id, clip_id.split("@")[1], label))


def make_clip_id(name: str, video: str, place: str) -> str:
    """The clip id `NAME@VIDEO`, both percent-encoded: no dot, blank or slash is left in it.

    Raises:
        GymQAError: one of them is empty or cannot be written as UTF-8.
    """
    if not name or not video or CONTROL.search(name + video):
        raise GymQAError(f"{place}: {name!r} of {video!r} names no clip; write its file name in plain characters")
    return "@".join(quote(part, safe="").replace(".", "%2E") for part in (name, video))


def inside_path(text: str, place: str) -> str:
    """Return a relative path with "/" between its parts, without "." and doubled slashes.

    Symbolic links are the owner's and are followed; what a file of others says cannot climb out.

    Raises:
        GymQAError: the path is empty, absolute, climbs by "..", holds a backslash or control characters, or is longer
            than a path can be.
    """
    path = PurePosixPath(text)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in text or CONTROL.search(text):
        raise GymQAError(f"{place}: the path {text[:200]!r} leaves the folder of videos; write one below it")
    if len(text.encode()) > LONGEST_PATH or max(len(part.encode()) for part in path.parts) > LONGEST_NAME:
        raise GymQAError(f"{place}: the path {text[:60]!r}… is longer than a file's can be; correct it")
    return str(path)


def official_file(root: Path, name: str, *folders: str) -> Path:
    """The first of `root/name` and `root/<folder>/name` that is there.

    Raises:
        GymQAError: none is.
    """
    places = [root / name, *(root / folder / name for folder in folders)]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        others = "".join(f" nor {folder}/{name}" for folder in folders)
        raise GymQAError(f"{root} holds no {name}{others}; put the data set's official files there")
    return found


def whole_number(text: str, place: str, what: str) -> int:
    """Read a label or the like, in plain digits.

    Raises:
        GymQAError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise GymQAError(f"{place}: {what} {text!r} is no whole number; correct the line")
    return int(text)


def chosen_fold(fold: str | None, known: tuple[str, ...], default: str) -> str:
    """The split to read, one of `known`.

    Raises:
        GymQAError: there is no such split.
    """
    if fold is None:
        return default
    if fold not in known:
        raise GymQAError(f"there is no fold {fold!r}; choose one of {', '.join(known)}")
    return fold
