"""VideoDataset, the result of every data set reader; validation of paths, clip ids, labels and splits."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.clip_ids import inside_path, make_clip_id

Side = Literal["train", "val"]
MP4S, MPEGS = (".mp4", ".m4v", ".mov", ".3gp"), (".mpg", ".mpeg", ".ts", ".m2ts")
VIDEO_SUFFIXES = (*MP4S, *MPEGS, ".avi", ".mkv", ".webm", ".flv", ".wmv", ".asf", ".ogv", ".gif")


@dataclass(frozen=True, slots=True)
class Source:
    """Input of a reader.

    Attributes:
        root: folder of the official files.
        videos: folder that the paths in them are relative to.
        fold: name of the official split, as the data set calls it; None if there is only one.
        val_fraction: fraction of each class to take as val clips, of a data set without a split.
        group: regular expression; clips of one match in their path are alike, and stay on one side.
        seed: of what is drawn.
    """

    root: Path
    videos: Path
    fold: str | None = None
    val_fraction: float | None = None
    group: str | None = None
    seed: int = 0


@dataclass
class VideoDataset:
    """Clips of a data set with their class labels, split into train and val.

    Attributes:
        classes: class names, `classes[label]`.
        train: training clips.
        val: validation clips.
        paths: clip id -> path of its video relative to the folder of videos, with "/" as separator.
    """

    classes: tuple[str, ...]
    train: list[Clip] = field(default_factory=list)
    val: list[Clip] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)

    def add(self, side: Side, path: str, label: int, video: str, where: str, name: str | None = None) -> None:
        """Add one clip.

        Args:
            side: train or val.
            path: its video, relative to the folder of videos.
            label: its class.
            video: the source that it shares with related clips (film, session, person), to detect leaks between splits.
            where: `file:line` of the entry, for messages.
            name: its name; the path without its suffix by default.

        Raises:
            GymQAError: the path leaves the folder, the label is out of range, or the clip was added before.
        """
        inside = inside_path(path, where)
        if not 0 <= label < len(self.classes):
            raise GymQAError(f"{where}: label {label} is out of range; there are classes 0 to {len(self.classes) - 1}")
        clip_id = make_clip_id(name or str(PurePosixPath(inside).with_suffix("")), video, where)
        other = self.paths.get(clip_id)
        if other == inside:
            raise GymQAError(f"{where}: clip {path} is listed a second time; remove one of its lines")
        if other is not None:
            raise GymQAError(f"{where}: {path} and {other} would be one clip, named without suffix; rename one of them")
        self.paths[clip_id] = inside
        (self.train if side == "train" else self.val).append(Clip(clip_id, clip_id.split("@")[1], label))


def official_file(root: Path, name: str, *folders: str) -> Path:
    """The first existing path of `root/name` and `root/<folder>/name`.

    Raises:
        GymQAError: none exists.
    """
    candidates = [root / name, *(root / folder / name for folder in folders)]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        others = "".join(f" nor {folder}/{name}" for folder in folders)
        raise GymQAError(f"{root} holds no {name}{others}; put the data set's official files there")
    return found


def whole_number(text: str, where: str, what: str) -> int:
    """Parse a non-negative integer of plain digits, such as a label.

    Raises:
        GymQAError: it is not one.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise GymQAError(f"{where}: {what} {text!r} is not a whole number; correct the line")
    return int(text)


def chosen_fold(fold: str | None, known: tuple[str, ...], default: str) -> str:
    """The name of the split to read, one of `known`.

    Raises:
        GymQAError: there is no such split.
    """
    if fold is None:
        return default
    if fold not in known:
        raise GymQAError(f"there is no fold {fold!r}; choose one of {', '.join(known)}")
    return fold
