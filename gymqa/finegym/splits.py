"""Labelled, unlabelled, val and test clips: stratified, seeded, and without a label where none may be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import isfinite
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, read_element_list, write_element_list
from gymqa.finegym.stratified import in_hash_order, share_of_clips, share_of_videos
from gymqa.io.files import write_json

LABELLED, UNLABELLED, VAL, TEST = "labelled.txt", "unlabelled.txt", "val.txt", "test.txt"
REPORT = "splits.json"


@dataclass(frozen=True, slots=True)
class Leak:
    """Two sides, the videos with clips on both, and how many clips of each side these videos hold."""

    between: tuple[str, str]
    videos: list[str]
    clips: tuple[int, int]

    def report(self) -> dict[str, object]:
        """The leak as it stands in splits.json."""
        return {"between": list(self.between), "clips": list(self.clips), "videos": self.videos}

    def sentence(self) -> str:
        """The leak in words."""
        (first, second), (here, there) = self.between, self.clips
        if not self.videos:
            return f"{first} and {second} share no video"
        videos = "1 video" if len(self.videos) == 1 else f"{len(self.videos)} videos"
        return f"{first} and {second} share {videos} ({here} clips of {first}, {there} of {second})"


@dataclass(frozen=True, slots=True)
class Splits:
    """Clips to learn from with their label, without it, and to test on; no clip is in two of them.

    Without `test`, `val` is the release's own list. With it, `test` is that list, and `val` was taken from the
    training clips to choose models by.
    """

    labelled: list[Clip]
    unlabelled: list[Clip]
    val: list[Clip]
    test: list[Clip] = field(default_factory=list)

    @property
    def leaks(self) -> list[Leak]:
        """What train (labelled and unlabelled), val and test share; FineGym's own lists share 40 of gym99's 65."""
        return find_leaks({"train": [*self.labelled, *self.unlabelled], "val": self.val, "test": self.test})

    @property
    def shared_videos(self) -> list[str]:
        """Videos with clips on both sides, learning and val."""
        seen = {clip.video_id for clip in (*self.labelled, *self.unlabelled)}
        return sorted(seen & {clip.video_id for clip in self.val})

    def write(self, folder: Path) -> None:
        """Write labelled.txt, val.txt and, if any, test.txt; unlabelled.txt with ids only; splits.json, the report.

        labelled.txt is written last: without it the folder holds no splits, rather than a part of two.
        """
        (folder / LABELLED).unlink(missing_ok=True)
        write_element_list(folder / UNLABELLED, self.unlabelled)
        write_element_list(folder / VAL, self.val)
        if self.test:
            write_element_list(folder / TEST, self.test)
        else:
            (folder / TEST).unlink(missing_ok=True)  # of other splits that were here before
        write_json(folder / REPORT, self.report())
        write_element_list(folder / LABELLED, self.labelled)

    def report(self) -> dict[str, object]:
        """Counts of clips, and what the sides share."""
        return {
            "labelled": len(self.labelled),
            "unlabelled": len(self.unlabelled),
            "val": len(self.val),
            "test": len(self.test),
            "classes": len({clip.label for clip in self.labelled}),
            "shared_videos": self.shared_videos,
            "leaks": [leak.report() for leak in self.leaks],
        }


def make_splits(
    train_clips: Sequence[Clip],
    val_clips: Sequence[Clip],
    labelled_fraction: float = 0.1,
    seed: int = 0,
    by_video: bool = False,
    val_from_train: float = 0.0,
) -> Splits:
    """Give `labelled_fraction` of each class's train clips, at least one, their label; hide the others'.

    Which clips is decided by a hash of clip id and seed; every list is in hash order, so neither the order of the
    input nor the labels show in it.

    Args:
        train_clips: clips to learn from.
        val_clips: clips to test on.
        labelled_fraction: share of each class, in (0, 1].
        seed: decides which clips.
        by_video: label whole videos, and take whole videos for val (see `gymqa.finegym.stratified.share_of_videos`).
        val_from_train: share of each class's train clips that become val, before any is labelled; `val_clips` are
            test then. A class keeps at least one clip to learn from. 0 leaves val as it is.

    Raises:
        GymQAError: a fraction outside its range, a clip without label, a clip that stands twice or on both sides, or
            a val to be taken where nothing can be spared.
    """
    if not (isfinite(labelled_fraction) and 0 < labelled_fraction <= 1):
        raise GymQAError(f"the labelled fraction cannot be {labelled_fraction}; choose one above 0, at most 1")
    _check(train_clips, val_clips)
    if val_from_train:
        chosen = _val_ids(train_clips, val_from_train, seed, by_video)
        carved = [clip for clip in in_hash_order(train_clips, "val", seed) if clip.id in chosen]
        kept = [clip for clip in train_clips if clip.id not in chosen]
        return replace(make_splits(kept, carved, labelled_fraction, seed, by_video), test=list(val_clips))
    ordered = in_hash_order(train_clips, seed)
    labelled = (share_of_videos if by_video else share_of_clips)(ordered, labelled_fraction)
    return Splits(
        labelled=[clip for clip in ordered if clip.id in labelled],
        unlabelled=[replace(clip, label=None) for clip in ordered if clip.id not in labelled],
        val=list(val_clips),
    )


def released_splits(
    labelled: Sequence[Clip],
    unlabelled: Sequence[Clip],
    val: Sequence[Clip],
    seed: int = 0,
    val_from_train: float = 0.0,
) -> Splits:
    """Splits from lists that somebody released with labels everywhere; the labels of the unlabelled clips are hidden.

    Args:
        labelled: clips to learn from with their label; they stay as they are.
        unlabelled: clips to learn from whose label is hidden.
        val: clips to test on.
        seed: decides which clips become val.
        val_from_train: share of each class's unlabelled clips that become val; `val` is test then.

    Raises:
        GymQAError: as `make_splits`.
    """
    _check([*labelled, *unlabelled], val)
    chosen = _val_ids(unlabelled, val_from_train, seed, by_video=False) if val_from_train else set()
    carved = [clip for clip in unlabelled if clip.id in chosen]
    hidden = [replace(clip, label=None) for clip in unlabelled if clip.id not in chosen]
    return Splits(list(labelled), hidden, carved or list(val), list(val) if carved else [])


def read_splits(folder: Path, n_classes: int | None = None) -> Splits:
    """Read what `Splits.write` wrote.

    Raises:
        GymQAError: a file is missing or wrong, labels stand in unlabelled.txt or are missing from the others.
    """
    labelled = read_element_list(folder / LABELLED, n_classes)
    val = read_element_list(folder / VAL, n_classes)
    test = read_element_list(folder / TEST, n_classes) if (folder / TEST).exists() else []
    path = folder / UNLABELLED
    # With all clips labelled the file is empty, which read_element_list takes for a mistake.
    unlabelled = read_element_list(path) if not path.is_file() or path.stat().st_size else []
    leaked = next((clip.id for clip in unlabelled if clip.label is not None), None)
    if leaked is not None:
        raise GymQAError(f"{path} gives clip {leaked} a label; it must hold clip ids only")
    _check([*labelled, *unlabelled], [*val, *test], unlabelled)
    return Splits(labelled, unlabelled, val, test)


def _val_ids(clips: Sequence[Clip], fraction: float, seed: int, by_video: bool) -> set[str]:
    """Ids of the clips that become val; a class keeps at least one."""
    if not 0 < fraction < 1:
        raise GymQAError(f"the share of val cannot be {fraction}; choose one above 0 and below 1")
    ordered = in_hash_order(clips, "val", seed)
    chosen = (share_of_videos if by_video else share_of_clips)(ordered, fraction, at_least=0, leave=1)
    if not chosen:
        raise GymQAError(
            f"no {'whole video' if by_video else 'clip'} can be spared for {fraction:g} of the training clips as val; "
            "ask for a larger share"
        )
    return chosen


def _check(train: Iterable[Clip], val: Iterable[Clip], may_lack_label: Iterable[Clip] = ()) -> None:
    hidden = {clip.id for clip in may_lack_label}
    seen: set[str] = set()
    for clip in (*train, *val):
        if clip.id in seen:
            raise GymQAError(f"clip {clip.id} stands twice in the splits; keep it on one side only")
        if clip.label is None and clip.id not in hidden:
            raise GymQAError(f"clip {clip.id} has no label; splits are made from labelled clips")
        seen.add(clip.id)


def find_leaks(sides: Mapping[str, Sequence[Clip]]) -> list[Leak]:
    """Compare every two sides that have clips, in their order."""
    filled = {name: clips for name, clips in sides.items() if clips}
    found = []
    for first, second in combinations(filled, 2):
        shared = {clip.video_id for clip in filled[first]} & {clip.video_id for clip in filled[second]}
        here, there = (sum(clip.video_id in shared for clip in filled[side]) for side in (first, second))
        found.append(Leak((first, second), sorted(shared), (here, there)))
    return found
