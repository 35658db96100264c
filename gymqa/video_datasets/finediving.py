"""FineDiving: FineDiving_fine-grained_annotation.pkl, train_split.pkl, test_split.pkl.

Source: github.com/xujinglin/FineDiving, folder Annotations, and its README: the annotation is a dictionary from
(competition, number of the dive) to a dictionary with `action_type`, the dive's code; the splits are lists of
such pairs. The trimmed frames lie in <competition>/<number>/*.jpg. Pickles can run anything: they
are read by `restricted_pickle` only.
"""

from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.video_datasets.base import LONGEST_NAME, Side, Source, VideoDataset, official_file
from gymqa.video_datasets.restricted_pickle import load_plain

FOLDERS = ("Annotations",)
Dive = tuple[str, int]


def read_finediving(source: Source) -> VideoDataset:
    """Read all dives; classes are the codes of the dives (52 of them), in alphabetical order.

    Raises:
        GymQAError: a file is missing, is no plain pickle, or holds something else (the entry is named).
    """
    path = official_file(source.root, "FineDiving_fine-grained_annotation.pkl", *FOLDERS)
    codes = _read_codes(path)
    labels = {code: label for label, code in enumerate(sorted(set(codes.values())))}
    dataset = VideoDataset(tuple(labels))
    sides: tuple[tuple[Side, str], ...] = (("train", "train_split.pkl"), ("val", "test_split.pkl"))
    for side, name in sides:
        place = official_file(source.root, name, *FOLDERS)
        for dive in _read_split(place):
            if dive not in codes:
                raise GymQAError(f"{place}: {path.name} has no dive {dive!r}; take both from one package")
            competition, number = dive
            folder = f"{competition}/{number}"
            dataset.add(side, folder, labels[codes[dive]], competition, str(place), f"{competition}_{number}")
    return dataset


def _read_codes(path: Path) -> dict[Dive, str]:
    """The code of each dive."""
    entries = load_plain(path)
    if not isinstance(entries, dict):
        raise GymQAError(f"{path} holds no dictionary of dives; take it from the data set again")
    codes: dict[Dive, str] = {}
    for number, (dive, entry) in enumerate(entries.items(), start=1):
        code = entry.get("action_type") if isinstance(entry, dict) else None
        if not isinstance(code, str):
            raise GymQAError(f"{path}: entry {number} has no action_type; take the file from the data set again")
        codes[_dive(dive, f"{path}: entry {number}")] = code
    return codes


def _read_split(path: Path) -> list[Dive]:
    """The dives of one side."""
    dives = load_plain(path)
    if not isinstance(dives, list):
        raise GymQAError(f"{path} holds no list of dives; take it from the data set again")
    return [_dive(dive, f"{path}: entry {number}") for number, dive in enumerate(dives, start=1)]


def _dive(value: Any, place: str) -> Dive:
    """The value, if it is a competition and a number; it is not printed otherwise, for it could be of any size."""
    plain = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int
    if not plain or "/" in value[0] or len(value[0]) > LONGEST_NAME or not 0 <= value[1] < 10**9:
        raise GymQAError(f"{place} is no (competition, number); take the file from the data set again")
    return value[0], value[1]
