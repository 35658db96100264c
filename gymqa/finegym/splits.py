"""Split clips into labelled, unlabelled, val and test: create, write, read, and report videos shared between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import isfinite
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, read_element_list, write_element_list
from gymqa.finegym.stratified import fraction_of_clips, fraction_of_videos, in_hash_order
from gymqa.io.files import write_json

LABELLED, UNLABELLED, VAL, TEST = "labelled.txt", "unlabelled.txt", "val.txt", "test.txt"
REPORT = "splits.json"


@dataclass(frozen=True, slots=True)
class Leak:
    """Two subsets, the videos with clips in both, and the number of clips of each subset from these videos."""

    between: tuple[str, str]
    videos: list[str]
    clips: tuple[int, int]

    def report(self) -> dict[str, object]:
        """The leak as JSON values for splits.json."""
        return {"between": list(self.between), "clips": list(self.clips), "videos": self.videos}

    def sentence(self) -> str:
        """The leak as a sentence."""
        (first, second), (here, there) = self.between, self.clips
        if not self.videos:
            return f"{first} and {second} share no video"
        videos = "1 video" if len(self.videos) == 1 else f"{len(self.videos)} videos"
        return f"{first} and {second} share {videos} ({here} clips of {first}, {there} of {second})"


@dataclass(frozen=True, slots=True)
class Splits:
    """Labelled and unlabelled training clips, validation and test clips; the subsets are disjoint.

    Without `test`, `val` is the release's own list. With it, `test` is that list, and `val` was taken from the
    training clips for model selection.
    """

    labelled: list[Clip]
    unlabelled: list[Clip]
    val: list[Clip]
    test: list[Clip] = field(default_factory=list)

    @property
    def leaks(self) -> list[Leak]:
        """Videos shared by train (both lists), val and test; FineGym's own lists share 40 of gym99's 65."""
        return find_leaks({"train": [*self.labelled, *self.unlabelled], "val": self.val, "test": self.test})

    @property
    def shared_videos(self) -> list[str]:
        """Videos with clips in both the training clips and val."""
        seen = {clip.video_id for clip in (*self.labelled, *self.unlabelled)}
        return sorted(seen & {clip.video_id for clip in self.val})

    def write(self, folder: Path) -> None:
        """Write labelled.txt, val.txt, unlabelled.txt (ids only), test.txt if there are test clips, and splits.json.

        labelled.txt is written last, so that an interrupted write never mixes two splits: without it there is none.
        """
        (folder / LABELLED).unlink(missing_ok=True)
        write_element_list(folder / UNLABELLED, self.unlabelled)
        write_element_list(folder / VAL, self.val)
        if self.test:
            write_element_list(folder / TEST, self.test)
        else:
            (folder / TEST).unlink(missing_ok=True)  # left by earlier splits
        write_json(folder / REPORT, self.report())
        write_element_list(folder / LABELLED, self.labelled)

    def report(self) -> dict[str, object]:
        """Numbers of clips and classes, and shared videos, as JSON values."""
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
    """Keep the label of a fraction of each class's training clips, at least one; hide the other labels.

    A hash of clip id and seed selects the clips; every list is in hash order, so it reveals neither the order of the
    input nor the labels.

    Args:
        train_clips: training clips.
        val_clips: validation clips.
        labelled_fraction: fraction of each class, in (0, 1].
        seed: seed of the selection.
        by_video: label whole videos, and take whole videos for val (see
            `gymqa.finegym.stratified.fraction_of_videos`).
        val_from_train: fraction of each class's training clips that become val, before any is labelled; `val_clips`
            are then the test clips. A class keeps at least one training clip. 0 keeps `val_clips` as val.

    Raises:
        GymQAError: a fraction is out of range, a clip has no label or occurs twice, or no clip can be taken for val.
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
    labelled = (fraction_of_videos if by_video else fraction_of_clips)(ordered, labelled_fraction)
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
    """Splits from published lists in which every clip has a label; labels of the unlabelled clips are removed.

    Args:
        labelled: labelled training clips, taken as they are.
        unlabelled: training clips whose label is removed.
        val: validation clips.
        seed: seed of the choice of val clips.
        val_from_train: fraction of each class's unlabelled clips that become val; `val` are then the test clips.

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
        GymQAError: a file is missing or malformed, or unlabelled.txt has labels, or another list lacks some.
    """
    labelled = read_element_list(folder / LABELLED, n_classes)
    val = read_element_list(folder / VAL, n_classes)
    test = read_element_list(folder / TEST, n_classes) if (folder / TEST).exists() else []
    path = folder / UNLABELLED
    # With all clips labelled the file is empty, which read_element_list would refuse.
    unlabelled = read_element_list(path) if not path.is_file() or path.stat().st_size else []
    leaked = next((clip.id for clip in unlabelled if clip.label is not None), None)
    if leaked is not None:
        raise GymQAError(f"{path} gives clip {leaked} a label; it must hold clip ids only")
    _check([*labelled, *unlabelled], [*val, *test], unlabelled)
    return Splits(labelled, unlabelled, val, test)


def _val_ids(clips: Sequence[Clip], fraction: float, seed: int, by_video: bool) -> set[str]:
    """Ids of the clips that become val; a class keeps at least one training clip."""
    if not 0 < fraction < 1:
        raise GymQAError(f"the fraction of val clips cannot be {fraction}; choose one above 0 and below 1")
    ordered = in_hash_order(clips, "val", seed)
    chosen = (fraction_of_videos if by_video else fraction_of_clips)(ordered, fraction, at_least=0, leave=1)
    if not chosen:
        raise GymQAError(
            f"no {'whole video' if by_video else 'clip'} can be spared for {fraction:g} of the training clips as val; "
            "ask for a larger fraction"
        )
    return chosen


def _check(train: Iterable[Clip], val: Iterable[Clip], may_lack_label: Iterable[Clip] = ()) -> None:
    hidden = {clip.id for clip in may_lack_label}
    seen: set[str] = set()
    for clip in (*train, *val):
        if clip.id in seen:
            raise GymQAError(f"clip {clip.id} occurs twice in the splits; keep it in one list only")
        if clip.label is None and clip.id not in hidden:
            raise GymQAError(f"clip {clip.id} has no label; splits are made from labelled clips")
        seen.add(clip.id)


def find_leaks(sides: Mapping[str, Sequence[Clip]]) -> list[Leak]:
    """The videos shared by each pair of non-empty subsets, in order."""
    filled = {name: clips for name, clips in sides.items() if clips}
    found = []
    for first, second in combinations(filled, 2):
        shared = {clip.video_id for clip in filled[first]} & {clip.video_id for clip in filled[second]}
        here, there = (sum(clip.video_id in shared for clip in filled[side]) for side in (first, second))
        found.append(Leak((first, second), sorted(shared), (here, there)))
    return found
