"""A data set as `gymqa dataset import` leaves it, which `gymqa split`, `cache` and `train` take.

labelled.txt  all training clips     unlabelled.txt  empty     val.txt  the clips to test on     splits.json  counts
classes.txt   one class name a line, by label
videos.txt    "<clip id> <path below the folder of videos>"
dataset.json  where it came from, where the videos are, and which of them are missing; written last
"""

from dataclasses import dataclass
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.splits import Splits, read_splits
from gymqa.io.files import read_json, write_json, write_text
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import VideoDataset, inside_path

DATASET, CLASSES, VIDEOS = "dataset.json", "classes.txt", "videos.txt"


@dataclass(frozen=True, slots=True)
class Imported:
    """An imported data set."""

    folder: Path
    classes: tuple[str, ...]
    splits: Splits
    videos: Path
    paths: dict[str, str]

    def clip_path(self, clip_id: str) -> Path:
        """Path of the clip's video, which need not exist.

        Raises:
            GymQAError: the data set has no such clip.
        """
        if clip_id not in self.paths:
            raise GymQAError(f"{self.folder / VIDEOS} has no clip {clip_id}; take lists and videos of one import")
        return self.videos / self.paths[clip_id]


def is_imported(folder: Path) -> bool:
    """Whether the folder is one that `write_import` finished."""
    return (folder / DATASET).is_file()


def missing_videos(dataset: VideoDataset, videos: Path) -> list[str]:
    """Paths below `videos` of the data set's videos that are not there."""
    return [path for path in dataset.paths.values() if not (videos / path).exists()]


def write_import(
    folder: Path, dataset: VideoDataset, name: str, root: Path, videos: Path, fold: str | None
) -> dict[str, object]:
    """Write a data set's lists, and return what dataset.json says.

    Args:
        folder: to be written.
        dataset: what its reader gave.
        name: of the data set.
        root: folder of its official files.
        videos: folder of its videos.
        fold: which of its splits.

    Raises:
        GymQAError: the folder cannot be written to.
    """
    (folder / DATASET).unlink(missing_ok=True)
    splits = Splits(dataset.train, [], dataset.val)
    splits.write(folder)
    write_text(folder / CLASSES, "".join(f"{class_name}\n" for class_name in dataset.classes))
    write_text(folder / VIDEOS, "".join(f"{clip} {path}\n" for clip, path in dataset.paths.items()))
    about: dict[str, object] = {
        "dataset": name,
        "fold": fold,
        "root": str(root.resolve()),
        "videos": str(videos.resolve()),
        "classes": len(dataset.classes),
        "train": len(dataset.train),
        "val": len(dataset.val),
        "missing": missing_videos(dataset, videos),
    }
    write_json(folder / DATASET, about)
    return about


def read_import(folder: Path) -> Imported:
    """Read what `write_import` wrote.

    Raises:
        GymQAError: a file is missing or wrong (the line is named).
    """
    about = read_json(folder / DATASET)
    if not isinstance(about, dict) or not isinstance(about.get("videos"), str):
        raise GymQAError(f"{folder / DATASET} does not say where the videos are; import the data set again")
    classes = tuple(line for _, line in read_lines(folder / CLASSES))
    paths: dict[str, str] = {}
    for place, line in read_lines(folder / VIDEOS):
        clip_id, _, path = line.partition(" ")
        paths[clip_id] = inside_path(path, place)
    return Imported(folder, classes, read_splits(folder, len(classes)), Path(about["videos"]), paths)
