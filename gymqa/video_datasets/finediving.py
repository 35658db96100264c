"""Reader of FineDiving's official annotation and split pickles.

Source: github.com/xujinglin/FineDiving, folder Annotations, and its README. FineDiving_fine-grained_annotation.pkl is a
dictionary from (competition, number of the dive) to a dictionary with `action_type`, the dive's code; train_split.pkl
and test_split.pkl are lists of such pairs. The trimmed frames are <competition>/<number>/*.jpg. Because a pickle can
execute code, they are read by `restricted_pickle` only.
"""

from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import LONGEST_NAME
from gymqa.video_datasets.base import Side, Source, VideoDataset, official_file
from gymqa.video_datasets.restricted_pickle import load_plain

FOLDERS = ("Annotations",)
Dive = tuple[str, int]


def read_finediving(source: Source) -> VideoDataset:
    """Read all dives; classes are the codes of the dives (52 of them), in alphabetical order.

    Raises:
        GymQAError: a file is missing, is not a plain pickle, or has a malformed entry (which is named).
    """
    path = official_file(source.root, "FineDiving_fine-grained_annotation.pkl", *FOLDERS)
    codes = _read_codes(path)
    labels = {code: label for label, code in enumerate(sorted(set(codes.values())))}
    dataset = VideoDataset(tuple(labels))
    sides: tuple[tuple[Side, str], ...] = (("train", "train_split.pkl"), ("val", "test_split.pkl"))
    for side, name in sides:
        where = official_file(source.root, name, *FOLDERS)
        for dive in _read_split(where):
            if dive not in codes:
                raise GymQAError(f"{where}: {path.name} has no dive {dive!r}; get both files from the same package")
            competition, number = dive
            folder = f"{competition}/{number}"
            dataset.add(side, folder, labels[codes[dive]], competition, str(where), f"{competition}_{number}")
    return dataset


def _read_codes(path: Path) -> dict[Dive, str]:
    """The code of each dive."""
    entries = load_plain(path)
    if not isinstance(entries, dict):
        raise GymQAError(f"{path} holds no dictionary of dives; get it from the data set again")
    codes: dict[Dive, str] = {}
    for number, (dive, entry) in enumerate(entries.items(), start=1):
        code = entry.get("action_type") if isinstance(entry, dict) else None
        if not isinstance(code, str):
            raise GymQAError(f"{path}: entry {number} has no action_type; get the file from the data set again")
        codes[_dive(dive, f"{path}: entry {number}")] = code
    return codes


def _read_split(path: Path) -> list[Dive]:
    """The dives of one split."""
    dives = load_plain(path)
    if not isinstance(dives, list):
        raise GymQAError(f"{path} holds no list of dives; get it from the data set again")
    return [_dive(dive, f"{path}: entry {number}") for number, dive in enumerate(dives, start=1)]


def _dive(value: Any, where: str) -> Dive:
    """Check that a value is (competition, number); a wrong one is not printed, because it may be of any size."""
    plain = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int
    if not plain or "/" in value[0] or len(value[0]) > LONGEST_NAME or not 0 <= value[1] < 10**9:
        raise GymQAError(f"{where} is not (competition, number); get the file from the data set again")
    return value[0], value[1]
