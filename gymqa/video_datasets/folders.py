"""Reader of folders that are named as their classes, split by themselves, by a fraction, or by person (Weizmann).

<class>/*.mp4                       split by --val_fraction, whole groups of --group together; or by --fold, one group
train/<class>/… and val/<class>/…   (or validation, valid, test) as they are; train alone is split by --val_fraction
metadata.csv or metadata.jsonl      of `datasets`' videofolder: file_name and label, in ROOT or in its splits

Sources: Weizmann's "Actions as Space-Time Shapes" (ICCV'05), files such as bend/daria_bend.avi, evaluated by leaving
out one person at a time; https://huggingface.co/docs/datasets/video_dataset for videofolder.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.stratified import fraction_of_clips, fraction_of_videos, in_hash_order
from gymqa.video_datasets.base import VIDEO_SUFFIXES, Side, Source, VideoDataset

_VAL = ("val", "validation", "valid", "test")
_METADATA = ("metadata.csv", "metadata.jsonl")
_PERSON = r"([^/_.]*)[^/]*$"
"""Default of --group: the file's name before its first underscore."""
_SHOWN = 10  # groups named in a message


@dataclass(frozen=True, slots=True)
class _Entry:
    """A video: its path below the folder of videos, class, side where the layout names one, and place for messages."""

    path: str
    name: str
    side: Side | None
    where: str


def read_class_folders(source: Source) -> VideoDataset:
    """Read class folders in any of the three layouts.

    Raises:
        GymQAError: there is no video in a class folder; the options fit neither the layout nor the groups; or a line of
            metadata (named as file:line) is wrong.
    """
    entries = list(_entries(source))
    if not entries:
        raise GymQAError(
            f"{source.videos} has no folder with videos; put each class's videos into a folder of its name"
        )
    classes = tuple(sorted({entry.name for entry in entries}))
    labels = {name: label for label, name in enumerate(classes)}
    sides, videos = _split(entries, labels, source)
    dataset = VideoDataset(classes)
    for entry, side, video in zip(entries, sides, videos, strict=True):
        dataset.add(side, entry.path, labels[entry.name], video, entry.where)
    return dataset


def _entries(source: Source) -> Iterator[_Entry]:
    """The videos of the layout that the folder has."""
    root = source.videos
    parts: list[tuple[Path, Side | None]] = [(root, None)]
    if _is_part(root / "train"):
        parts = [(root / "train", "train")]
        tested = [name for name in _VAL if _is_part(root / name)]
        if len(tested) > 1 and source.fold not in tested:
            raise GymQAError(f"{root} has {' and '.join(tested)}; name the one to test on by --fold")
        parts += [(root / name, "val") for name in tested if len(tested) == 1 or name == source.fold]
    for folder, side in parts:
        found = [folder / name for name in _METADATA if (folder / name).is_file()]
        if len(found) > 1:
            raise GymQAError(f"{folder} has {' and '.join(_METADATA)}; keep one of them")
        yield from _listed(found[0], root, side) if found else _in_folders(folder, root, side)


def _is_part(folder: Path) -> bool:
    """Whether a folder is a part of the data set, with class folders or metadata, and not itself a class of videos."""
    if not folder.is_dir():
        return False
    return any((folder / name).is_file() for name in _METADATA) or any(
        one.is_dir() and not _is_hidden(one) for one in folder.iterdir()
    )


def _in_folders(folder: Path, root: Path, side: Side | None) -> Iterator[_Entry]:
    for one in sorted(path for path in folder.iterdir() if path.is_dir() and not _is_hidden(path)):
        for video in sorted(one.iterdir()):
            if video.suffix.lower() in VIDEO_SUFFIXES and not _is_hidden(video):
                yield _Entry(video.relative_to(root).as_posix(), one.name, side, str(video))


def _is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden, such as what macOS leaves beside copied files (`._bend.avi`)."""
    return path.name.startswith(".")


def _listed(file: Path, root: Path, side: Side | None) -> Iterator[_Entry]:
    """The videos of videofolder's metadata; the class is the column label, else the video's folder."""
    for number, row in _rows(file):
        where = f"{file}:{number}"
        name = row.get("file_name")
        if not isinstance(name, str) or not name:
            raise GymQAError(f"{where} names no video in the column file_name; correct the line")
        label = row.get("label", PurePosixPath(name).parent.name)
        if not isinstance(label, str | int) or isinstance(label, bool) or not str(label).strip():
            raise GymQAError(f"{where}: {label!r} in the column label is no class; correct the line")
        yield _Entry((file.parent.relative_to(root) / name).as_posix(), str(label).strip(), side, where)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and columns of each row.

    Raises:
        GymQAError: the file or a line cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            if file.suffix == ".csv":
                reader = csv.DictReader(lines, strict=True)
                yield from ((reader.line_num, row) for row in reader)
                return
            for number, line in enumerate(lines, start=1):
                row = json.loads(line) if line.strip() else None
                if row is not None and not isinstance(row, dict):
                    raise GymQAError(f"{file}:{number} is no JSON object; correct the line")
                if row is not None:
                    yield number, row
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, RecursionError) as error:
        raise GymQAError(f"{file} cannot be read as {file.suffix[1:]} ({error}); correct it") from error


def _split(entries: Sequence[_Entry], labels: dict[str, int], source: Source) -> tuple[list[Side], list[str]]:
    """The side of each video, and what it shares with others: its group, or itself."""
    given = [entry.side for entry in entries]
    of_person = source.fold is not None and "val" not in given
    groups = None if source.group is None and not of_person else _groups(entries, source.group or _PERSON)
    videos = groups or [str(PurePosixPath(entry.path).with_suffix("")) for entry in entries]
    if "val" in given:
        if source.fold not in (None, *_VAL) or source.val_fraction is not None:
            raise GymQAError(f"{source.videos} is split by its folders; leave --fold and --val_fraction out")
        return [side or "train" for side in given], videos
    if source.fold is not None and source.val_fraction is not None:
        raise GymQAError("--fold and --val_fraction would both choose the val clips; give one of them")
    if source.fold is not None and source.fold in videos:
        return ["val" if video == source.fold else "train" for video in videos], videos
    if source.val_fraction is not None:
        return _by_fraction(entries, videos, labels, source, source.val_fraction), videos
    known = sorted(set(groups or _groups(entries, source.group or _PERSON)))
    named = ", ".join(known[:_SHOWN]) + (f", … ({len(known)} in all)" if len(known) > _SHOWN else "")
    wrong = "" if source.fold is None else f"there is no group {source.fold!r} in {source.videos}; "
    raise GymQAError(f"{wrong}give --val_fraction, or name the person or group to test on by --fold: {named}")


def _groups(entries: Sequence[_Entry], pattern: str) -> list[str]:
    """The group of each video: what the pattern's brackets match in its path, or the whole match.

    Raises:
        GymQAError: the pattern is none, or does not match a path.
    """
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise GymQAError(f"--group {pattern!r} is no regular expression ({error}); correct it") from error
    groups = []
    for entry in entries:
        match = found.search(entry.path)
        group = match[1 if found.groups else 0] if match else None
        if not group:
            raise GymQAError(f"{entry.where}: --group {pattern!r} finds no group in {entry.path}; correct it")
        groups.append(group)
    return groups


def _by_fraction(
    entries: Sequence[_Entry], videos: Sequence[str], labels: dict[str, int], source: Source, fraction: float
) -> list[Side]:
    """A fraction of each class as val clips, at least one where one is left to train on; whole groups together."""
    if not isfinite(fraction) or not 0 < fraction < 1:
        raise GymQAError(f"--val_fraction cannot be {fraction:g}; choose one above 0 and below 1")
    clips = [Clip(entry.path, video, labels[entry.name]) for entry, video in zip(entries, videos, strict=True)]
    ordered = in_hash_order(clips, "val", source.seed)
    choose = fraction_of_clips if source.group is None else fraction_of_videos
    chosen = choose(ordered, fraction, at_least=1, leave=1)
    return ["val" if clip.id in chosen else "train" for clip in clips]
