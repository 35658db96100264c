"""Reader of generic `<path> <label>` lists: train.txt, val.txt or test.txt, and classes.txt."""

import os
from pathlib import Path, PurePosixPath

from gymqa.errors import GymQAError
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import Side, Source, VideoDataset, official_file, whole_number

TEST_NAMES = ("val.txt", "test.txt")
SAMPLED_ROWS = 200  # rows whose paths are looked for
MOST_CLASSES = (
    100_000  # more than any data set has; a larger label is a typo, and that many classes would fill the memory
)


def read_path_list(source: Source) -> VideoDataset:
    """Read train.txt, and val.txt or test.txt; every clip is its own video.

    Paths are relative to the folder of videos, or absolute and inside it. A number of frames between path and label, as
    in lists of folders of frames, is not used.

    Raises:
        GymQAError: a file is missing, a line (named as file:line) is malformed, or no clip has the label 0.
    """
    test = next((name for name in TEST_NAMES if (source.root / name).is_file()), TEST_NAMES[0])
    train_rows, val_rows = (_read_rows(official_file(source.root, name), source) for name in ("train.txt", test))
    if min(label for *_, label in (*train_rows, *val_rows)) > 0:
        where = train_rows[0][0].rpartition(":")[0]
        raise GymQAError(
            f"{where}: no clip has the label 0, and labels count from 0; subtract 1 from those from 1 to N"
        )
    dataset = VideoDataset(_class_names(source.root, 1 + max(label for *_, label in (*train_rows, *val_rows))))
    sides: tuple[tuple[Side, list[tuple[str, str, int]]], ...] = (("train", train_rows), ("val", val_rows))
    for side, rows in sides:
        for where, path, label in rows:
            dataset.add(side, path, label, path.rpartition(".")[0] or path, where)
    return dataset


def _read_rows(path: Path, source: Source) -> list[tuple[str, str, int]]:
    """`file:line`, path and label of each line."""
    rows = []
    for where, line in read_lines(path):
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2:
            raise GymQAError(f"{where}: {line!r} is not `<path> <label>`; correct the line")
        label = whole_number(fields[1], where, "label")
        if label >= MOST_CLASSES:
            raise GymQAError(f"{where}: label {label} is out of range; there can be {MOST_CLASSES} classes, from 0")
        rows.append((where, _relative(fields[0], source.videos), label))
    if not rows:
        raise GymQAError(f"{path} lists no video; write one `<path> <label>` per line")
    return _without_frame_counts(rows, source.videos)


def _relative(path: str, videos: Path) -> str:
    """A path relative to the folder of videos, where it is absolute and inside it; any other is left as it is."""
    for folder in (videos.absolute(), videos.resolve()):
        if path.startswith("/") and PurePosixPath(path).is_relative_to(folder):
            return str(PurePosixPath(path).relative_to(folder))
    return path


def _without_frame_counts(rows: list[tuple[str, str, int]], videos: Path) -> list[tuple[str, str, int]]:
    """The rows without numbers of frames, if every line has one; a path that exists with its number keeps it."""
    split = [path.rsplit(maxsplit=1) for _, path, _ in rows]
    if not all(len(parts) == 2 and parts[1].isascii() and parts[1].isdigit() for parts in split):
        return rows
    if any(os.path.exists(videos / path) for _, path, _ in rows[:SAMPLED_ROWS] if "\0" not in path):
        return rows
    return [(where, parts[0], label) for (where, _, label), parts in zip(rows, split, strict=True)]


def _class_names(root: Path, n_classes: int) -> tuple[str, ...]:
    """The names in classes.txt, or the labels as names if there is no such file."""
    if not (root / "classes.txt").is_file():
        return tuple(map(str, range(n_classes)))
    return tuple(line for _, line in read_lines(root / "classes.txt"))
