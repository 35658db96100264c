"""Labelled, unlabelled and val clips: stratified, seeded, and without a label where none may be read."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from gymqa.annotations import Clip, read_element_list, write_element_list
from gymqa.atomic import write_json
from gymqa.draws import hash_key
from gymqa.errors import GymQAError

LABELLED, UNLABELLED, VAL = "labelled.txt", "unlabelled.txt", "val.txt"
REPORT = "splits.json"


@dataclass(frozen=True, slots=True)
class Splits:
    """Clips to learn from with their label, without it, and to test on; no clip is in two of them."""

    labelled: list[Clip]
    unlabelled: list[Clip]
    val: list[Clip]

    @property
    def shared_videos(self) -> list[str]:
        """The leak: videos with clips on both sides, learning and val. FineGym's own lists share 40 of gym99's 65."""
        seen = {clip.video_id for clip in (*self.labelled, *self.unlabelled)}
        return sorted(seen & {clip.video_id for clip in self.val})

    def write(self, folder: Path) -> None:
        """Write labelled.txt and val.txt, unlabelled.txt with ids only, and splits.json with counts and the leak."""
        write_element_list(folder / LABELLED, self.labelled)
        write_element_list(folder / UNLABELLED, self.unlabelled)
        write_element_list(folder / VAL, self.val)
        write_json(folder / REPORT, self.report())

    def report(self) -> dict[str, object]:
        """Counts of clips, and the videos on both sides."""
        return {
            "labelled": len(self.labelled),
            "unlabelled": len(self.unlabelled),
            "val": len(self.val),
            "classes": len({clip.label for clip in self.labelled}),
            "shared_videos": self.shared_videos,
        }


def make_splits(
    train_clips: Sequence[Clip], val_clips: Sequence[Clip], labelled_fraction: float = 0.1, seed: int = 0
) -> Splits:
    """Give `labelled_fraction` of each class's train clips, at least one, their label; hide the others'.

    Which clips is decided by a hash of clip id and seed; every list is in hash order, so neither the order of the
    input nor the labels show in it.

    Raises:
        GymQAError: a fraction outside (0, 1], a clip without label, or a clip that stands twice or on both sides.
    """
    if not (isfinite(labelled_fraction) and 0 < labelled_fraction <= 1):
        raise GymQAError(f"the labelled fraction cannot be {labelled_fraction}; choose one above 0, at most 1")
    _check(train_clips, val_clips)
    ordered = sorted(train_clips, key=lambda clip: hash_key(clip.id, seed))
    classes: dict[int | None, list[Clip]] = defaultdict(list)
    for clip in ordered:
        classes[clip.label].append(clip)
    chosen = {clip.id for clips in classes.values() for clip in clips[: max(1, round(len(clips) * labelled_fraction))]}
    return Splits(
        labelled=[clip for clip in ordered if clip.id in chosen],
        unlabelled=[Clip(clip.id, clip.video_id, None) for clip in ordered if clip.id not in chosen],
        val=list(val_clips),
    )


def read_splits(folder: Path, n_classes: int | None = None) -> Splits:
    """Read what `Splits.write` wrote.

    Raises:
        GymQAError: a file is missing or wrong, labels stand in unlabelled.txt or are missing from the others.
    """
    labelled = read_element_list(folder / LABELLED, n_classes)
    val = read_element_list(folder / VAL, n_classes)
    path = folder / UNLABELLED
    # With all clips labelled the file is empty, which read_element_list takes for a mistake.
    unlabelled = read_element_list(path) if not path.is_file() or path.stat().st_size else []
    leaked = next((clip.id for clip in unlabelled if clip.label is not None), None)
    if leaked is not None:
        raise GymQAError(f"{path} gives clip {leaked} a label; it must hold clip ids only")
    _check([*labelled, *unlabelled], val, unlabelled)
    return Splits(labelled, unlabelled, val)


def _check(train: Iterable[Clip], val: Iterable[Clip], may_lack_label: Iterable[Clip] = ()) -> None:
    hidden = {clip.id for clip in may_lack_label}
    seen: set[str] = set()
    for clip in (*train, *val):
        if clip.id in seen:
            raise GymQAError(f"clip {clip.id} stands twice in the splits; keep it on one side only")
        if clip.label is None and clip.id not in hidden:
            raise GymQAError(f"clip {clip.id} has no label; splits are made from labelled clips")
        seen.add(clip.id)
