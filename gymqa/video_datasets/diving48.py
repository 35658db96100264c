"""Reader of Diving48's official JSON lists, V2 or V1 (a file of its own: one reader per data set).

Source: RESOUND's page (SVCL, UC San Diego): lists of {"vid_name", "label", "start_frame", "end_frame"}, and a
vocabulary of 48 lists [take-off, somersaults, twists, position], `vocab[label]`; videos are rgb/<vid_name>.mp4, and
vid_name is the competition's video and a number, "<video>_00012". Files: Diving48_vocab.json;
Diving48_V2_train.json and Diving48_V2_test.json (fold V2); Diving48_train.json and Diving48_test.json (fold V1).
"""

import re

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.video_datasets.base import Side, Source, VideoDataset, chosen_fold, official_file

FOLDERS = ("annotations",)
VIDEO = re.compile(r"(.+)_\d+", re.ASCII)


def read_diving48(source: Source) -> VideoDataset:
    """Read the training and test lists of one version.

    Raises:
        GymQAError: a file is missing or an entry (named by its number in the list, from 1) is malformed.
    """
    version = {"V1": "", "V2": "V2_"}[chosen_fold(source.fold, ("V2", "V1"), "V2")]
    path = official_file(source.root, "Diving48_vocab.json", *FOLDERS)
    vocabulary = read_json(path)
    if not isinstance(vocabulary, list) or not all(isinstance(words, list) for words in vocabulary):
        raise GymQAError(f"{path} is not a list of lists of words; get it from the data set again")
    dataset = VideoDataset(tuple(" ".join(map(str, words)) for words in vocabulary))
    sides: tuple[tuple[Side, str], ...] = (("train", "train"), ("val", "test"))
    for side, name in sides:
        path = official_file(source.root, f"Diving48_{version}{name}.json", *FOLDERS)
        entries = read_json(path)
        if not isinstance(entries, list):
            raise GymQAError(f"{path} is not a list of videos; get it from the data set again")
        for number, entry in enumerate(entries, start=1):
            where = f"{path}: entry {number}"
            clip, label = _read_entry(entry, where)
            video = VIDEO.fullmatch(clip)
            dataset.add(side, f"{clip}.mp4", label, video[1] if video else clip, where, clip)
    return dataset


def _read_entry(entry: object, where: str) -> tuple[str, int]:
    """A clip's name and label."""
    if not isinstance(entry, dict):
        raise GymQAError(f"{where} is not an object with vid_name and label; correct it")
    clip, label = entry.get("vid_name"), entry.get("label")
    if not isinstance(clip, str) or not clip or "/" in clip or isinstance(label, bool) or not isinstance(label, int):
        raise GymQAError(
            f"{where}: vid_name {clip!r} must be a file name and label {label!r} a whole number; correct it"
        )
    return clip, label
