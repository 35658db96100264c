"""Reader of Something-Something V2's official labels.json, train.json and validation.json.

Source: the data set's "20bn-something-something-download-package-labels.zip" (Qualcomm, formerly TwentyBN):
labels.json maps a template without brackets to its class, a number in quotes; train.json and validation.json are lists
of {"id", "label", "template", "placeholders"}, the template with brackets; videos are <id>.webm. Older packages put
"something-something-v2-" before each name. The test list has no labels and is not read.
"""

from typing import Any

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.video_datasets.base import Side, Source, VideoDataset, official_file, whole_number

FOLDERS = ("labels", "annotations")
PREFIX = "something-something-v2-"


def read_something_something(source: Source) -> VideoDataset:
    """Read the training and validation lists.

    Raises:
        GymQAError: a file is missing or an entry (named by its number in the list, from 1) is malformed.
    """
    labels = _read_labels(source)
    dataset = VideoDataset(tuple(labels))
    sides: tuple[tuple[Side, str], ...] = (("train", "train"), ("val", "validation"))
    for side, name in sides:
        path = _file(source, name)
        entries = read_json(path)
        if not isinstance(entries, list):
            raise GymQAError(f"{path} is not a list of videos; get it from the data set again")
        for number, entry in enumerate(entries, start=1):
            where = f"{path}: entry {number}"
            video, label = _read_entry(entry, labels, where)
            dataset.add(side, f"{video}.webm", label, video, where)
    return dataset


def _file(source: Source, name: str) -> Any:
    """Path of the official file of this name, with or without the older prefix."""
    plain = [source.root / folder / f"{name}.json" for folder in ("", *FOLDERS)]
    older = any((source.root / folder / f"{PREFIX}{name}.json").is_file() for folder in ("", *FOLDERS))
    prefix = PREFIX if older and not any(path.is_file() for path in plain) else ""
    return official_file(source.root, f"{prefix}{name}.json", *FOLDERS)


def _read_labels(source: Source) -> dict[str, int]:
    """Template without brackets -> label, in the order of the labels."""
    path = _file(source, "labels")
    names = read_json(path)
    if not isinstance(names, dict):
        raise GymQAError(f"{path} is not an object of templates; get it from the data set again")
    labels = {name: whole_number(str(label), f"{path}: {name!r}", "class") for name, label in names.items()}
    if sorted(labels.values()) != list(range(len(labels))):
        raise GymQAError(f"{path} does not number its {len(labels)} templates from 0; get it from the data set again")
    return dict(sorted(labels.items(), key=lambda item: item[1]))


def _read_entry(entry: object, labels: dict[str, int], where: str) -> tuple[str, int]:
    """A video's id and label."""
    if not isinstance(entry, dict):
        raise GymQAError(f"{where} is not an object with id and template; correct it")
    video, template = str(entry.get("id", "")), str(entry.get("template", ""))
    whole_number(video, where, "id")
    name = template.replace("[", "").replace("]", "")
    if name not in labels:
        raise GymQAError(
            f"{where}: the template {template!r} is not in labels.json; get both files from the same package"
        )
    return video, labels[name]
