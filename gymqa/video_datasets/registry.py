"""Registry of the importable video data sets (official files, folds, reader); read a data set by name.

A new data set needs a reader in this folder and an entry here; one outside the repository is named
`package.module:function` (docs/extending.md).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import CONTROL
from gymqa.runtime.registry import Registry, is_plug_in
from gymqa.video_datasets.base import Source, VideoDataset


class DatasetReader(Protocol):
    """Function that reads a data set's official files."""

    def __call__(self, source: Source) -> VideoDataset:
        """Read classes, clips of train and val, and paths of the videos."""


@dataclass(frozen=True, slots=True)
class Format:
    """Format of a data set.

    Attributes:
        maker: "module:function" of the reader.
        files: its official files, for listings.
        folds: values of --fold; "" if there is one split.
        video_folders: usual folders of the videos, relative to the official files.
        is_split: whether --val_fraction and --group split it.
    """

    maker: str
    files: str
    folds: str = ""
    video_folders: tuple[str, ...] = ()
    is_split: bool = False


_HERE = "gymqa.video_datasets"
_OURS = {
    "diving48": Format(
        f"{_HERE}.diving48:read_diving48", "Diving48_V2_train.json, …_test.json, Diving48_vocab.json", "V2 or V1",
        ("rgb",),
    ),
    "finediving": Format(
        f"{_HERE}.finediving:read_finediving",
        "FineDiving_fine-grained_annotation.pkl, train_split.pkl, test_split.pkl",
        video_folders=("FINADiving_MTL_256s", "Trimmed_Video_Frames/FINADiving_MTL_256s"),
    ),
    "folders": Format(
        f"{_HERE}.folders:read_class_folders",
        "<class>/*, train/<class>/* and val/<class>/*, or metadata.csv or .jsonl of videofolder",
        "the person or group to test on", is_split=True,
    ),
    "hmdb51": Format(
        f"{_HERE}.hmdb51:read_hmdb51", "<class>_test_split1.txt, …", "1, 2 or 3", ("hmdb51_org", "videos")
    ),
    "kinetics400": Format(
        f"{_HERE}.kinetics400:read_kinetics400", "train.csv, val.csv", video_folders=("videos",)
    ),
    "list": Format(
        f"{_HERE}.generic:read_path_list", "train.txt, val.txt of `<path> <label>`, and classes.txt if any",
        video_folders=("videos",),
    ),
    "ssv2": Format(
        f"{_HERE}.something_something:read_something_something", "labels.json, train.json, validation.json",
        video_folders=("20bn-something-something-v2", "videos"),
    ),
    "ucf101": Format(
        f"{_HERE}.ucf101:read_ucf101", "classInd.txt, trainlist01.txt, testlist01.txt, …", "1, 2 or 3",
        ("UCF-101", "videos"),
    ),
}  # fmt: skip
DATASETS = Registry("data set", "gymqa list datasets", _OURS, DatasetReader)


def read_dataset(
    name: str,
    root: Path,
    videos: Path | None = None,
    fold: str | None = None,
    val_fraction: float | None = None,
    group: str | None = None,
    seed: int = 0,
) -> tuple[VideoDataset, Path]:
    """Read a data set; return it with the folder of its videos.

    Args:
        name: one of DATASETS, or `package.module:function` of the user's own.
        root: folder of the official files.
        videos: folder of the videos; the usual one below `root`, or `root` itself, when not given.
        fold: which of its splits; the first when not given.
        val_fraction: fraction of each class to take as val clips, of a data set without a split.
        group: regular expression of what clips have in common in their paths.
        seed: of what is drawn.

    Raises:
        GymQAError: no such data set, folder or fold, a plug-in that does not fit, a wrong line, a class without a name
            of its own, or a side without clips.
    """
    chosen = None if is_plug_in(name) else DATASETS.entry(name)
    usual = [root / folder for folder in chosen.video_folders if (root / folder).is_dir()] if chosen else []
    videos = videos or [*usual, root][0]
    for folder in (root, videos):
        if not folder.is_dir():
            raise GymQAError(f"{folder} is not a folder; check the path")
    if fold is not None and chosen and not chosen.folds:
        raise GymQAError(f"{name} has one split; leave --fold out")
    if (val_fraction is not None or group is not None) and chosen and not chosen.is_split:
        raise GymQAError(f"{name} has its own split; leave --val_fraction and --group out")
    source = Source(root, videos, fold, val_fraction, group, seed)
    dataset = DATASETS.make(name, VideoDataset, source)
    _check_classes(dataset.classes, root)
    if not dataset.train or not dataset.val:
        raise GymQAError(f"{root} gives no {'val' if dataset.train else 'training'} clip; check its list files")
    return dataset, videos


def _check_classes(names: tuple[str, ...], root: Path) -> None:
    """Refuse class names that cannot be stored one per line in classes.txt, or that two classes share."""
    seen: set[str] = set()
    for label, name in enumerate(names):
        if not name.strip() or CONTROL.search(name) or name.strip() in seen:
            wrong = "is used twice" if name.strip() in seen else "is empty or holds a line break"
            raise GymQAError(f"{root}: the name {name[:60]!r} of class {label} {wrong}; give each class one of its own")
        seen.add(name.strip())
