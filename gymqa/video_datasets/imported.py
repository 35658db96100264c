"""Write and read the folder of an imported data set, the input of `gymqa split`, `cache` and `train`.

labelled.txt  all training clips     unlabelled.txt  empty     val.txt  validation clips     splits.json  counts
classes.txt   one class name per line, in the order of the labels
videos.txt    "<clip id> <path relative to the folder of videos>"
dataset.json  its source, the folder of the videos, and the missing videos; written last
"""

from dataclasses import dataclass
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import inside_path
from gymqa.finegym.splits import Splits, read_splits
from gymqa.io.files import read_json, write_json, write_text
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import VideoDataset

DATASET, CLASSES, VIDEOS = "dataset.json", "classes.txt", "videos.txt"
SEGMENTS = ".segments"


@dataclass(frozen=True, slots=True)
class ClipPaths:
    """Where the clips of an imported data set or question set are, and its name."""

    folder: Path
    name: str
    videos: Path
    paths: dict[str, str]

    def clip_path(self, clip_id: str) -> Path:
        """Path of the clip's video, which need not exist; one that was cut for the import is in its folder SEGMENTS.

        Raises:
            GymQAError: the data set has no such clip.
        """
        if clip_id not in self.paths:
            raise GymQAError(f"{self.folder / VIDEOS} has no clip {clip_id}; use lists and videos of the same import")
        path = self.paths[clip_id]
        return (self.folder if path.startswith(f"{SEGMENTS}/") else self.videos) / path


@dataclass(frozen=True, slots=True)
class Imported(ClipPaths):
    """An imported data set."""

    classes: tuple[str, ...]
    splits: Splits


def is_imported(folder: Path) -> bool:
    """Whether `write_import` has completed the folder."""
    return (folder / DATASET).is_file()


def missing_videos(dataset: VideoDataset, videos: Path) -> list[str]:
    """Paths, relative to `videos`, of the data set's videos that do not exist."""
    return [path for path in dataset.paths.values() if not (videos / path).exists()]


def write_import(
    folder: Path, dataset: VideoDataset, name: str, root: Path, videos: Path, fold: str | None
) -> dict[str, object]:
    """Write a data set's lists; return the contents of dataset.json.

    Args:
        folder: folder to write.
        dataset: the data set, as its reader returned it.
        name: name of the data set.
        root: folder of its official files.
        videos: folder of its videos.
        fold: name of the split.

    Raises:
        GymQAError: the folder is not writable.
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
        GymQAError: a file is missing, or a line (which is named) is malformed.
    """
    found = read_clip_paths(folder)
    classes = tuple(line for _, line in read_lines(folder / CLASSES))
    return Imported(folder, found.name, found.videos, found.paths, classes, read_splits(folder, len(classes)))


def read_clip_paths(folder: Path) -> ClipPaths:
    """Read the paths of a data set's clips, also of a question set without classes and splits.

    Raises:
        GymQAError: a file is missing, or a line (which is named) is malformed.
    """
    about = read_json(folder / DATASET)
    if not isinstance(about, dict) or not isinstance(about.get("videos"), str):
        raise GymQAError(f"{folder / DATASET} does not name the folder of the videos; import the data set again")
    paths: dict[str, str] = {}
    for where, line in read_lines(folder / VIDEOS):
        clip_id, _, path = line.partition(" ")
        paths[clip_id] = inside_path(path, where)
    return ClipPaths(folder, str(about.get("dataset", "")), Path(about["videos"]), paths)
