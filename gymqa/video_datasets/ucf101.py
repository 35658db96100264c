"""Reader of UCF101's official class index and split lists (a file of its own: one reader per data set).

Source: "UCF101TrainTestSplits-RecognitionTask.zip" of the University of Central Florida, folder ucfTrainTestlist:
classInd.txt has "<class from 1> <name>", trainlist0N.txt "<name>/v_<Name>_gGG_cCC.avi <class>", testlist0N.txt the same
without the class. Clips of one group gGG were cut from one video.
"""

import re

from gymqa.errors import GymQAError
from gymqa.io.text import read_lines
from gymqa.video_datasets.base import Side, Source, VideoDataset, chosen_fold, official_file, whole_number

GROUP = re.compile(r"(.+_g\d+)_c\d+", re.ASCII)
FOLDER = "ucfTrainTestlist"


def read_ucf101(source: Source) -> VideoDataset:
    """Read one of the three splits.

    Raises:
        GymQAError: a file is missing, or a line (named as file:line) is malformed.
    """
    fold = chosen_fold(source.fold, ("1", "2", "3"), "1")
    labels = _read_classes(source)
    dataset = VideoDataset(tuple(labels))
    sides: tuple[tuple[Side, str], ...] = (("train", "train"), ("val", "test"))
    for side, name in sides:
        for where, line in read_lines(official_file(source.root, f"{name}list0{fold}.txt", FOLDER)):
            path, *given = line.split()
            folder, _, file = path.rpartition("/")
            if folder not in labels or len(given) > 1:
                raise GymQAError(f"{where}: {line!r} is not `<class name>/<video>.avi`; see classInd.txt for the names")
            if given and whole_number(given[0], where, "class") != labels[folder] + 1:
                raise GymQAError(f"{where}: {folder} is class {labels[folder] + 1} in classInd.txt, not {given[0]}")
            stem = file.rpartition(".")[0] or file
            group = GROUP.fullmatch(stem)
            dataset.add(side, path, labels[folder], group[1] if group else stem, where, stem)
    return dataset


def _read_classes(source: Source) -> dict[str, int]:
    """Class name -> label, from 0."""
    labels: dict[str, int] = {}
    for where, line in read_lines(official_file(source.root, "classInd.txt", FOLDER)):
        number, _, name = line.partition(" ")
        if whole_number(number, where, "class") != len(labels) + 1 or not name.strip() or name.strip() in labels:
            raise GymQAError(f"{where}: {line!r} is not `{len(labels) + 1} <new class name>`; classes count up from 1")
        labels[name.strip()] = len(labels)
    return labels
