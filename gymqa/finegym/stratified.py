"""Stratified subsampling: a fraction of each class's clips, by clip or by whole video, in hash order."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from gymqa.finegym.annotations import Clip
from gymqa.runtime.seeding import hash_key


def in_hash_order(clips: Sequence[Clip], *names: str | int) -> list[Clip]:
    """The clips sorted by a hash of their id and `names`, independent of input order and labels."""
    return sorted(clips, key=lambda clip: hash_key(clip.id, *names))


def fraction_of_clips(clips: Sequence[Clip], fraction: float, at_least: int = 1, leave: int = 0) -> set[str]:
    """Ids of the first `fraction` of each class, in the given order.

    Args:
        clips: labelled clips.
        fraction: fraction of each class, rounded to whole clips.
        at_least: smallest number of clips to take of each class.
        leave: smallest number of clips to leave of each class; takes precedence over `at_least`.
    """
    classes: dict[int | None, list[Clip]] = defaultdict(list)
    for clip in clips:
        classes[clip.label].append(clip)
    return {
        clip.id
        for members in classes.values()
        for clip in members[: _n_to_take(len(members), fraction, at_least, leave)]
    }


def fraction_of_videos(clips: Sequence[Clip], fraction: float, at_least: int = 1, leave: int = 0) -> set[str]:
    """Ids of the clips of whole videos that hold about `fraction` of each class (greedy selection).

    First every class gets its `at_least` clips, the rarest class first, from the video with the highest proportion of
    clips that are still missing. Then videos, in the order of their first clip, are taken if at least half of their
    clips are still wanted. A video that would leave fewer than `leave` clips of a class is never taken.

    Args:
        clips: labelled clips.
        fraction: fraction of each class, rounded to whole clips; rare classes and large videos can exceed it.
        at_least: smallest number of clips to take of each class.
        leave: smallest number of clips to leave of each class.
    """
    choice = _Videos(clips, leave)
    for label, size in sorted(choice.sizes.items(), key=lambda item: item[1]):
        choice.take_until(label, min(at_least, size - leave), at_least)
    wanted = {label: _n_to_take(size, fraction, at_least, leave) for label, size in choice.sizes.items()}
    for video, labels in choice.videos.items():
        if choice.can_take(video) and 2 * choice.n_wanted(labels, wanted) >= labels.total():
            choice.take(video)
    return {clip.id for clip in clips if clip.video_id in choice.taken}


class _Videos:
    """Class counts of every video, and the videos taken so far."""

    def __init__(self, clips: Sequence[Clip], leave: int) -> None:
        self.videos: dict[str, Counter[int | None]] = defaultdict(Counter)
        for clip in clips:
            self.videos[clip.video_id][clip.label] += 1
        self.sizes = Counter(clip.label for clip in clips)
        self.taken: set[str] = set()
        self._have: Counter[int | None] = Counter()
        self._leave = leave

    def take(self, video: str) -> None:
        """Take a video."""
        self.taken.add(video)
        self._have.update(self.videos[video])

    def can_take(self, video: str) -> bool:
        """Whether the video is not taken yet and taking it leaves enough clips of every class."""
        left = (self.sizes[label] - self._have[label] - n for label, n in self.videos[video].items())
        return video not in self.taken and all(rest >= self._leave for rest in left)

    def n_wanted(self, labels: Counter[int | None], wanted: Mapping[int | None, int]) -> int:
        """Number of a video's clips that are still wanted."""
        return sum(min(n, max(0, wanted[label] - self._have[label])) for label, n in labels.items())

    def take_until(self, label: int | None, n: int, per_class: int) -> None:
        """Take videos that have the class until it has `n` clips, or no such video can be taken.

        The video with the highest proportion of clips still missing (up to `per_class` of every class) is taken first.
        """
        lacking = dict.fromkeys(self.sizes, per_class)
        while self._have[label] < n:
            fitting = [
                (video, labels) for video, labels in self.videos.items() if labels[label] and self.can_take(video)
            ]
            if not fitting:
                return
            self.take(max(fitting, key=lambda pair: self.n_wanted(pair[1], lacking) / pair[1].total())[0])


def _n_to_take(size: int, fraction: float, at_least: int, leave: int) -> int:
    """Number of clips to take of a class of `size` clips."""
    return max(0, min(max(at_least, round(size * fraction)), size - leave))
