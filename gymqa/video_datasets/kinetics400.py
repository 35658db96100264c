"""Reader of Kinetics-400's official train.csv and val.csv; finds the layout of the downloaded videos.

Source: DeepMind's kinetics400.tar.gz: CSV files with the header "label,youtube_id,time_start,time_end,split" (and
"is_cc" in some), times in whole seconds. Downloaders name a clip <youtube_id>_<start>_<end>.mp4 (or .mkv, .webm), six
digits each, and put it in a folder for each split (CVDF), each class (ActivityNet's crawler), both or none.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gymqa.errors import GymQAError
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import Side, Source, VideoDataset, official_file, whole_number

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
FOLDERS = ("annotations", "k400_annotations")
LAYOUTS = ("{split}/{file}", "{split}/{label}/{file}", "{label}/{file}", "{file}")
SUFFIXES = (".mp4", ".mkv", ".webm")
SAMPLED_ROWS = 200  # rows whose videos are searched to find the layout


class Row(NamedTuple):
    """One line of a CSV file."""

    where: str
    label: str
    video: str
    file: str


def read_kinetics400(source: Source) -> VideoDataset:
    """Read train.csv and val.csv (or validate.csv); classes are the labels of train.csv in alphabetical order.

    Raises:
        GymQAError: a file is missing, or a line (named as file:line) is malformed.
    """
    folders = ("", *FOLDERS)
    val = "val" if any((source.root / folder / "val.csv").is_file() for folder in folders) else "validate"
    train_rows = list(_read_rows(official_file(source.root, "train.csv", *FOLDERS)))
    val_rows = list(_read_rows(official_file(source.root, f"{val}.csv", *FOLDERS)))
    labels = {name: label for label, name in enumerate(sorted({row.label for row in train_rows}))}
    dataset = VideoDataset(tuple(labels))
    sides: tuple[tuple[Side, list[Row]], ...] = (("train", train_rows), ("val", val_rows))
    for side, rows in sides:
        layout = _layout(source.videos, side, rows)
        for row in rows:
            if row.label not in labels:
                raise GymQAError(
                    f"{row.where}: train.csv has no clip of {row.label!r}; get both files from the same package"
                )
            path = layout.format(split=side, label=row.label, file=row.file)
            dataset.add(side, path, labels[row.label], row.video, row.where, row.file)
    return dataset


def _read_rows(path: Path) -> Iterator[Row]:
    """Yield the lines after the header."""
    lines = read_lines(path)
    _, first = next(lines, ("", ""))
    header = _values(first) or []
    if not set(COLUMNS) <= set(header):
        raise GymQAError(f"{path}:1: {first!r} is not the header {','.join(COLUMNS)}; get the official file")
    for where, line in lines:
        values = _values(line)
        if values is None or len(values) != len(header):
            raise GymQAError(f"{where}: {line!r} does not have {len(header)} values; correct the line")
        row = dict(zip(header, values, strict=True))
        start, end = (whole_number(row[name], where, name) for name in ("time_start", "time_end"))
        if not row["youtube_id"] or not row["label"]:
            raise GymQAError(f"{where}: {line!r} lacks a label or youtube_id; correct the line")
        yield Row(where, row["label"], row["youtube_id"], f"{row['youtube_id']}_{start:06d}_{end:06d}")


def _values(line: str) -> list[str] | None:
    """The values of a line of CSV, which may be quoted; None where it is none."""
    try:
        (values,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError):
        return None
    return values


def _layout(videos: Path, side: Side, rows: list[Row]) -> str:
    """The folder layout and suffix of the downloaded videos; the first if none of the sampled videos exists."""
    for suffix in SUFFIXES:
        for layout in (f"{folders}{suffix}" for folders in LAYOUTS):
            paths = (videos / layout.format(split=side, label=row.label, file=row.file) for row in rows[:SAMPLED_ROWS])
            if any(path.is_file() for path in paths):
                return layout
    return f"{LAYOUTS[0]}{SUFFIXES[0]}"
