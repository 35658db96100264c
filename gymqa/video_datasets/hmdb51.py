"""Reader of HMDB51's official split files <class>_test_split<N>.txt (a file of its own: one reader per data set).

Source: "test_train_splits.rar" of the Serre lab, folder testTrainMulti_7030_splits, and its readme: 51 x 3 files, one
"<video>.avi <id>" per line; id 1 is training, 2 testing, 0 neither. A video's name is "<film>_<class>_" and shooting
conditions; the videos are in one folder per class.
"""

import re

from gymqa.errors import GymQAError
from gymqa.io.files import visible_files
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import Source, VideoDataset, chosen_fold

FOLDERS = ("testTrainMulti_7030_splits", "test_train_splits")
FILE = re.compile(r"(.+)_test_split([123])\.txt")


def read_hmdb51(source: Source) -> VideoDataset:
    """Read one of the three splits; clips that it does not use are skipped.

    Raises:
        GymQAError: the files are missing, or a line (named as file:line) is malformed.
    """
    fold = chosen_fold(source.fold, ("1", "2", "3"), "1")
    folders = [source.root, *(source.root / name for name in FOLDERS)]
    found = {match[1]: path for folder in folders for path in visible_files(folder, f"*_test_split{fold}.txt")
             if (match := FILE.fullmatch(path.name))}  # fmt: skip
    if not found:
        raise GymQAError(f"{source.root} holds no <class>_test_split{fold}.txt; put HMDB51's split files there")
    dataset = VideoDataset(tuple(sorted(found)))
    for label, name in enumerate(dataset.classes):
        for where, line in read_lines(found[name]):
            file, _, use = line.rpartition(" ")
            if use not in ("0", "1", "2") or not file.strip():
                raise GymQAError(f"{where}: {line!r} is not `<video>.avi <0, 1 or 2>`; correct the line")
            if use == "0":
                continue
            stem = file.strip().removesuffix(".avi")
            film = stem.rpartition(f"_{name}_")[0] or stem
            dataset.add("train" if use == "1" else "val", f"{name}/{file.strip()}", label, film, where, stem)
    return dataset
