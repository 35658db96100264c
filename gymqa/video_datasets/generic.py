"""Readers of generic data sets: class folders with leave-one-person-out splits (Weizmann), and `<path> <label>` lists.

Class folders hold `<class>/<person>_<anything>.avi`. Source: Weizmann's "Actions as Space-Time Shapes" (ICCV'05), files
such as bend/daria_bend.avi, evaluated by leaving out one person at a time.
"""

from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import VIDEO_SUFFIXES, Side, Source, VideoDataset, official_file, whole_number


def read_class_folders(source: Source) -> VideoDataset:
    """Read class folders; the fold is the person whose clips are val, and a clip's `video` is its person.

    Raises:
        GymQAError: there is no class folder with videos, or no such person.
    """
    folders = sorted(folder for folder in source.videos.iterdir() if folder.is_dir() and not _is_hidden(folder))
    found = {folder.name: _videos(folder) for folder in folders}
    classes = tuple(name for name, videos in found.items() if videos)
    if not classes:
        raise GymQAError(
            f"{source.videos} has no folder with videos; put each class's videos into a folder of its name"
        )
    persons = sorted({_person(video) for videos in found.values() for video in videos})
    if source.fold not in persons:
        wrong = "" if source.fold is None else f"there is no person {source.fold!r} in {source.videos}; "
        raise GymQAError(f"{wrong}name the person to test on as the fold: {', '.join(persons)}")
    dataset = VideoDataset(classes)
    for label, name in enumerate(classes):
        for video in found[name]:
            person = _person(video)
            side: Side = "val" if person == source.fold else "train"
            dataset.add(side, f"{name}/{video.name}", label, person, str(video))
    return dataset


def _videos(folder: Path) -> list[Path]:
    """The folder's videos, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and not _is_hidden(path))


def _is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden, such as what macOS leaves beside copied files (`._bend.avi`)."""
    return path.name.startswith(".")


def _person(video: Path) -> str:
    """The part of the file name before its first underscore."""
    return video.stem.partition("_")[0]


TEST_NAMES = ("val.txt", "test.txt")
MOST_CLASSES = (
    100_000  # more than any data set has; a larger label is a typo, and that many classes would fill the memory
)


def read_path_list(source: Source) -> VideoDataset:
    """Read train.txt, and val.txt or test.txt; every clip is its own video.

    Raises:
        GymQAError: a file is missing, or a line (named as file:line) is malformed.
    """
    test = next((name for name in TEST_NAMES if (source.root / name).is_file()), TEST_NAMES[0])
    train_rows, val_rows = (_read_rows(official_file(source.root, name)) for name in ("train.txt", test))
    dataset = VideoDataset(_class_names(source.root, 1 + max(label for *_, label in (*train_rows, *val_rows))))
    sides: tuple[tuple[Side, list[tuple[str, str, int]]], ...] = (("train", train_rows), ("val", val_rows))
    for side, rows in sides:
        for where, path, label in rows:
            dataset.add(side, path, label, path.rpartition(".")[0] or path, where)
    return dataset


def _read_rows(path: Path) -> list[tuple[str, str, int]]:
    """`file:line`, path and label of each line."""
    rows = []
    for where, line in read_lines(path):
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2:
            raise GymQAError(f"{where}: {line!r} is not `<path> <label>`; correct the line")
        label = whole_number(fields[1], where, "label")
        if label >= MOST_CLASSES:
            raise GymQAError(f"{where}: label {label} is out of range; there can be {MOST_CLASSES} classes, from 0")
        rows.append((where, fields[0], label))
    if not rows:
        raise GymQAError(f"{path} lists no video; write one `<path> <label>` per line")
    return rows


def _class_names(root: Path, n_classes: int) -> tuple[str, ...]:
    """The names in classes.txt, or the labels as names if there is no such file."""
    if not (root / "classes.txt").is_file():
        return tuple(map(str, range(n_classes)))
    return tuple(line for _, line in read_lines(root / "classes.txt"))
