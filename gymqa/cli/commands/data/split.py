"""`gymqa split`: split clips into labelled, unlabelled, validation and test lists."""

import json as json_module
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, open_release, read_element_list
from gymqa.finegym.splits import Splits, make_splits, released_splits
from gymqa.io.files import write_text
from gymqa.runtime.runs import require_writable
from gymqa.video_datasets.imported import CLASSES, is_imported, read_import


def split(
    root: Path,
    out: Path = Path("runs/splits"),
    labelled_fraction: float = 0.1,
    seed: int = 0,
    setting: str | None = None,
    json: bool = False,
    by_video: bool = False,
    val_from_train: float = 0.0,
    released: Path | None = None,
) -> None:
    """Write labelled.txt, unlabelled.txt (clip ids only) and val.txt for a release.

    A fraction of each class's training clips, at least one clip, keeps its label, selected by a hash of clip id and
    seed. Videos shared by training and test clips are printed and listed in splits.json: clips of one video show the
    same hall, camera and gymnast, which leaks information.

        gymqa split finegym --setting gym99 --labelled_fraction 0.05      5 % of Gym99
        gymqa split finegym --setting fx-s1                               10 % of one set (see gymqa list settings)
        gymqa split finegym --setting gym99 --by_video                    label whole videos
        gymqa split finegym --setting gym99 --val_from_train 0.1          choose models without looking at the test
        gymqa split finegym --setting gym99 --released lists/all99_5      the lists that SeFAR released
        gymqa split lists                                                 of gymqa dataset import

    Results are reported on FineGym's val list, which is also the released test list. For model selection use
    --val_from_train: val.txt is then taken from the training clips, and test.txt is the release's own list.

    Args:
        root: folder of a release (FineGym or GymSim), or of `gymqa dataset import`.
        out: folder of the lists.
        labelled_fraction: fraction of each class's training clips that keep their label, at least one clip each.
        seed: seed of the selection.
        setting: gym99, gym288, fx, ub-s1, gym-new, …; may be omitted if the release has only one.
        json: print the counts as JSON.
        by_video: label whole videos, so that no labelled clip shares its video with an unlabelled one; rare classes
            can make the fraction larger. With --val_from_train, val also consists of whole videos.
        val_from_train: fraction of each class's training clips that becomes val.txt; the release's val list is then
            test.txt. With --released, a fraction of the unlabelled clips.
        released: folder with train.csv, unlabel.csv and val.csv to use unchanged, checked against the release;
            labelled_fraction and by_video are then ignored.
    """
    if is_imported(out):
        raise GymQAError(
            f"{out} is an imported data set, whose lists would be overwritten; choose another folder with --out"
        )
    names, train, val = _read_root(root, setting)
    if released is None:
        splits = make_splits(train, val, labelled_fraction, seed, by_video, val_from_train)
    else:
        splits = _read_released(released, [*train, *val], names, seed, val_from_train)
    splits.write(require_writable(out))
    write_text(out / CLASSES, "".join(f"{name}\n" for name in names))
    if json:
        print(json_module.dumps(splits.report(), indent=2))
        return
    _print_report(splits, out)


def _read_root(root: Path, setting: str | None) -> tuple[tuple[str, ...], list[Clip], list[Clip]]:
    """Class names, training clips and val clips of a release or an imported data set.

    Raises:
        GymQAError: a list is missing or malformed, or a setting is named for an imported data set.
    """
    if is_imported(root):
        if setting is not None:
            raise GymQAError(f"{root} is an imported data set, which has one setting; leave --setting out")
        imported = read_import(root)
        return imported.classes, imported.splits.labelled, imported.splits.val
    release = open_release(root, setting)
    names = tuple(element.display_name for element in release.taxonomy.elements)
    return names, release.read_clips(release.train_list), release.read_clips(release.val_list)


def _read_released(folder: Path, clips: list[Clip], names: tuple[str, ...], seed: int, val_from_train: float) -> Splits:
    """Read released lists and check their labels against the release.

    Raises:
        GymQAError: a list is missing, malformed or of another setting.
    """
    labels = {clip.id: clip.label for clip in clips}

    def read(name: str) -> list[Clip]:
        path = folder / name
        found = read_element_list(path)
        for clip in found:
            if clip.id not in labels:
                raise GymQAError(f"{path}: clip {clip.id} is not in the release's lists; check --setting")
            if clip.label != labels[clip.id]:
                named = names[labels[clip.id] or 0]
                raise GymQAError(
                    f"{path}: clip {clip.id} has label {clip.label}, but {labels[clip.id]} ({named}) in the release; "
                    "check --setting"
                )
        return found

    return released_splits(read("train.csv"), read("unlabel.csv"), read("val.csv"), seed, val_from_train)


def _print_report(splits: Splits, out: Path) -> None:
    """Print the number of clips in each list, and the videos that they share."""
    report, leaks = splits.report(), splits.leaks
    test = f", {report['test']} test" if splits.test else ""
    print(f"{out}: {report['labelled']} labelled, {report['unlabelled']} unlabelled, {report['val']} val{test} clips")
    for leak in leaks:
        print(leak.sentence())
    if any(leak.videos for leak in leaks):
        print(f"shared videos are listed in {out / 'splits.json'}")


COMMAND = split
