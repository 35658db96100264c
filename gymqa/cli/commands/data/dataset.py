"""`gymqa dataset import`: import another video data set from its official files."""

import json as json_module
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.runtime.runs import require_writable
from gymqa.video_datasets.imported import missing_videos, write_import
from gymqa.video_datasets.registry import read_dataset

SHOWN = 3  # number of missing videos to print


def import_dataset(
    name: str,
    root: Path,
    out: Path = Path("runs/dataset"),
    videos: Path | None = None,
    fold: str | None = None,
    val_fraction: float | None = None,
    group: str | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Convert a data set's official lists to gymqa's format; videos stay where they are.

    The output folder is used as the data set afterwards:

        gymqa dataset import ucf101 UCF101 --fold 1 --out lists
        gymqa split lists --labelled_fraction 0.05 --out splits
        gymqa cache lists --lists splits/labelled.txt splits/unlabelled.txt splits/val.txt --out frames
        gymqa train splits frames --training.model.n_classes 101

    Without `gymqa split`, `gymqa train lists …` trains on all training clips with their labels.

    Args:
        name: one of `gymqa list datasets`, or package.module:function of your own (docs/extending.md).
        root: folder of the official files.
        out: folder to write: labelled.txt (all training clips), val.txt, classes.txt, videos.txt, dataset.json.
        videos: folder of the videos; by default the usual one below root, or root itself.
        fold: official split (see `gymqa list datasets`); by default the first. Of folders the person or group to test
            on, or one of several folders val, test, ….
        val_fraction: of folders without a split, the fraction of each class that is val.
        group: of folders, a regular expression for what clips have in common in their paths, such as "(P[0-9]+)_"; they
            stay together. With --fold, by default the file's name before its first underscore, as in Weizmann.
        seed: of the draw of val clips.
        json: print the counts as JSON.
    """
    if out.resolve() == root.resolve():
        raise GymQAError(
            f"{root} holds the official files, which would be overwritten; choose another folder with --out"
        )
    dataset, folder = read_dataset(name, root, videos, fold, val_fraction, group, seed)
    about = write_import(require_writable(out), dataset, name, root, folder, fold)
    if json:
        print(json_module.dumps(about, indent=2))
        return
    print(f"{out}: {len(dataset.train)} training and {len(dataset.val)} val clips of {len(dataset.classes)} classes")
    missing = missing_videos(dataset, folder)
    if missing:
        named = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
        print(f"{len(missing)} of {len(dataset.paths)} videos are not in {folder}: {named} (all in dataset.json)")
    print(f"train with --training.model.n_classes {len(dataset.classes)}")


COMMAND = {"import": import_dataset}
