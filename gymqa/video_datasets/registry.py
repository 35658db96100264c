"""The data sets that can be read, by name."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.video_datasets.base import CONTROL, Source, VideoDataset
from gymqa.video_datasets.diving48 import read_diving48
from gymqa.video_datasets.finediving import read_finediving
from gymqa.video_datasets.generic import read_class_folders, read_path_list
from gymqa.video_datasets.hmdb51 import read_hmdb51
from gymqa.video_datasets.kinetics400 import read_kinetics400
from gymqa.video_datasets.something_something import read_something_something
from gymqa.video_datasets.ucf101 import read_ucf101


@dataclass(frozen=True, slots=True)
class Format:
    """How a data set comes.

    Attributes:
        files: its official files.
        folds: what --fold may say; "" where there is one split.
        read: the reader.
        video_folders: where the videos are usually unpacked, below the official files.
    """

    files: str
    folds: str
    read: Callable[[Source], VideoDataset]
    video_folders: tuple[str, ...] = ()


FORMATS = {
    "diving48": Format("Diving48_V2_train.json, …_test.json, Diving48_vocab.json", "V2 or V1", read_diving48, ("rgb",)),
    "finediving": Format(
        "FineDiving_fine-grained_annotation.pkl, train_split.pkl, test_split.pkl", "", read_finediving,
        ("FINADiving_MTL_256s", "Trimmed_Video_Frames/FINADiving_MTL_256s"),
    ),
    "folders": Format("<class>/<person>_….avi, as Weizmann", "the person to test on", read_class_folders),
    "hmdb51": Format("<class>_test_split1.txt, …", "1, 2 or 3", read_hmdb51, ("hmdb51_org", "videos")),
    "kinetics400": Format("train.csv, val.csv", "", read_kinetics400, ("videos",)),
    "list": Format("train.txt, val.txt of `<path> <label>`, and classes.txt if any", "", read_path_list, ("videos",)),
    "ssv2": Format(
        "labels.json, train.json, validation.json", "", read_something_something,
        ("20bn-something-something-v2", "videos"),
    ),
    "ucf101": Format(
        "classInd.txt, trainlist01.txt, testlist01.txt, …", "1, 2 or 3", read_ucf101, ("UCF-101", "videos")
    ),
}  # fmt: skip


def read_dataset(
    name: str, root: Path, videos: Path | None = None, fold: str | None = None
) -> tuple[VideoDataset, Path]:
    """Read a data set; return it with the folder of its videos.

    Args:
        name: one of FORMATS.
        root: folder of the official files.
        videos: folder of the videos; the usual one below `root`, or `root` itself, when not given.
        fold: which of its splits; the first when not given.

    Raises:
        GymQAError: no such data set, folder or fold, a wrong line, a class without a name of its own, or a side without
            clips.
    """
    if name not in FORMATS:
        close = difflib.get_close_matches(name, FORMATS, n=1)
        raise GymQAError(
            f"there is no data set {name!r}; " + (f"did you mean {close[0]}?" if close else "see gymqa list datasets")
        )
    chosen = FORMATS[name]
    usual = [root / folder for folder in chosen.video_folders if (root / folder).is_dir()]
    videos = videos or [*usual, root][0]
    for folder in (root, videos):
        if not folder.is_dir():
            raise GymQAError(f"{folder} is no folder; check the path")
    if fold is not None and not chosen.folds:
        raise GymQAError(f"{name} has one split; leave --fold out")
    dataset = chosen.read(Source(root, videos, fold))
    _check_classes(dataset.classes, root)
    if not dataset.train or not dataset.val:
        raise GymQAError(f"{root} gives no {'val' if dataset.train else 'training'} clip; check its list files")
    return dataset, videos


def _check_classes(names: tuple[str, ...], root: Path) -> None:
    """Refuse names that classes.txt, one a line, could not give back as they are, or that two classes share."""
    seen: set[str] = set()
    for label, name in enumerate(names):
        if not name.strip() or CONTROL.search(name) or name.strip() in seen:
            wrong = "stands there twice" if name.strip() in seen else "is empty or holds a line break"
            raise GymQAError(f"{root}: the name {name[:60]!r} of class {label} {wrong}; give each class one of its own")
        seen.add(name.strip())
