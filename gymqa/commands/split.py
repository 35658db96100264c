"""`gymqa split`: who is labelled, who is not, who is tested on."""

import json as json_module
from pathlib import Path

from gymqa.annotations import Release, open_release, read_element_list
from gymqa.errors import GymQAError
from gymqa.runs import require_writable
from gymqa.splits import make_splits

TRAIN_LISTS = ("train_element.txt", "train_element_v1.1.txt", "train_element_v1.0.txt")


def split(
    root: Path,
    out: Path = Path("runs/splits"),
    labelled_fraction: float = 0.1,
    seed: int = 0,
    setting: str | None = None,
    json: bool = False,
) -> None:
    """Write labelled.txt, unlabelled.txt (clip ids only) and val.txt for a release.

    Args:
        root: folder of the release, FineGym's or GymSim's.
        out: folder of the three lists.
        labelled_fraction: share of each element's training clips that keep their label, at least one clip each.
        seed: decides which clips.
        setting: gym99, gym288, …; may be left out where the release has only one.
        json: print the counts as JSON.
    """
    release = open_release(root, setting)
    n_classes = len(release.taxonomy)
    train = read_element_list(train_list(release), n_classes)
    val = read_element_list(release.annotations / f"{release.taxonomy.setting}_val_element.txt", n_classes)
    splits = make_splits(train, val, labelled_fraction, seed)
    splits.write(require_writable(out))
    report = splits.report()
    if json:
        print(json_module.dumps(report, indent=2))
        return
    print(f"{out}: {report['labelled']} labelled, {report['unlabelled']} unlabelled, {report['val']} val clips")
    if splits.shared_videos:
        print(f"{len(splits.shared_videos)} videos have clips on both sides (listed in {out / 'splits.json'})")


def train_list(release: Release) -> Path:
    """Return the release's list of training clips, the newest version where there are several.

    Raises:
        GymQAError: there is none.
    """
    setting = release.taxonomy.setting
    paths = [release.annotations / f"{setting}_{name}" for name in TRAIN_LISTS]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise GymQAError(f"{release.annotations} has no training list; put {paths[0].name} there")
    return found


COMMAND = split
