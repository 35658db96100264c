"""The field's own list files, `<path> <label>` a line.

Source: the lists that most action recognition code takes (TSN's, mmaction's and VideoMAE's for videos): a path below
the folder of videos, a blank, a label from 0. The path may hold blanks. classes.txt, one name a line, is optional.
"""

from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import Side, Source, VideoDataset, official_file, whole_number

TEST_NAMES = ("val.txt", "test.txt")
MOST_CLASSES = 100_000  # more than any data set has; a larger label is a slip, and its classes would fill the memory


def read_path_list(source: Source) -> VideoDataset:
    """Read train.txt, and val.txt or test.txt; each video counts as one of its own.

    Raises:
        GymQAError: a file is missing, or a line is wrong (named as file:line).
    """
    test = next((name for name in TEST_NAMES if (source.root / name).is_file()), TEST_NAMES[0])
    train_rows, val_rows = (_read_rows(official_file(source.root, name)) for name in ("train.txt", test))
    dataset = VideoDataset(_class_names(source.root, 1 + max(label for *_, label in (*train_rows, *val_rows))))
    sides: tuple[tuple[Side, list[tuple[str, str, int]]], ...] = (("train", train_rows), ("val", val_rows))
    for side, rows in sides:
        for place, path, label in rows:
            dataset.add(side, path, label, path.rpartition(".")[0] or path, place)
    return dataset


def _read_rows(path: Path) -> list[tuple[str, str, int]]:
    """Place, path and label of each line."""
    rows = []
    for place, line in read_lines(path):
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2:
            raise GymQAError(f"{place}: {line!r} is not `<path> <label>`; correct the line")
        label = whole_number(fields[1], place, "label")
        if label >= MOST_CLASSES:
            raise GymQAError(f"{place}: label {label} is out of range; there can be {MOST_CLASSES} classes, from 0")
        rows.append((place, fields[0], label))
    if not rows:
        raise GymQAError(f"{path} lists no video; write one `<path> <label>` a line")
    return rows


def _class_names(root: Path, n_classes: int) -> tuple[str, ...]:
    """The names in classes.txt, or the labels as names where there is none."""
    if not (root / "classes.txt").is_file():
        return tuple(map(str, range(n_classes)))
    return tuple(line for _, line in read_lines(root / "classes.txt"))
