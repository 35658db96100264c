"""A share of each class's clips, drawn clip by clip or by whole videos; a hash of names and seed decides."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from gymqa.finegym.annotations import Clip
from gymqa.runtime.seeding import hash_key


def in_hash_order(clips: Sequence[Clip], *names: str | int) -> list[Clip]:
    """The clips in an order that shows neither that of the input nor the labels."""
    return sorted(clips, key=lambda clip: hash_key(clip.id, *names))


def share_of_clips(clips: Sequence[Clip], fraction: float, at_least: int = 1, leave: int = 0) -> set[str]:
    """Ids of the first `fraction` of each class, in the order given.

    Args:
        clips: labelled clips.
        fraction: share of each class, rounded to whole clips.
        at_least: clips of each class that are taken at least.
        leave: clips of each class that are left at least; wins over `at_least`.
    """
    classes: dict[int | None, list[Clip]] = defaultdict(list)
    for clip in clips:
        classes[clip.label].append(clip)
    return {
        clip.id for members in classes.values() for clip in members[: _wanted(len(members), fraction, at_least, leave)]
    }


def share_of_videos(clips: Sequence[Clip], fraction: float, at_least: int = 1, leave: int = 0) -> set[str]:
    """Ids of the clips of whole videos that come near `fraction` of each class.

    First every class gets its `at_least` clips, the rarest class first: from the video that brings most of what is
    still lacking, for its size. Then videos, in the order of their first clip, are taken if at least half of their
    clips are still wanted. A video that would leave fewer than `leave` clips of a class is never taken.

    Args:
        clips: labelled clips.
        fraction: share of each class, rounded to whole clips; rare classes and large videos make it more.
        at_least: clips of each class that are taken at least.
        leave: clips of each class that are left at least.
    """
    choice = _Videos(clips, leave)
    for label, size in sorted(choice.sizes.items(), key=lambda item: item[1]):
        choice.take_until(label, min(at_least, size - leave), at_least)
    wanted = {label: _wanted(size, fraction, at_least, leave) for label, size in choice.sizes.items()}
    for video, labels in choice.videos.items():
        if choice.spared(video) and 2 * choice.useful(labels, wanted) >= labels.total():
            choice.take(video)
    return {clip.id for clip in clips if clip.video_id in choice.taken}


class _Videos:
    """Videos by what they hold, and those taken so far."""

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

    def spared(self, video: str) -> bool:
        """Whether the video can still be taken."""
        left = (self.sizes[label] - self._have[label] - n for label, n in self.videos[video].items())
        return video not in self.taken and all(rest >= self._leave for rest in left)

    def useful(self, labels: Counter[int | None], wanted: Mapping[int | None, int]) -> int:
        """How many of a video's clips are still wanted."""
        return sum(min(n, max(0, wanted[label] - self._have[label])) for label, n in labels.items())

    def take_until(self, label: int | None, n: int, each: int) -> None:
        """Take videos with the class until `n` clips of it are there, or no video with it is left.

        Among these, the video that brings most of the `each` clips of every class for its size.
        """
        lacking = dict.fromkeys(self.sizes, each)
        while self._have[label] < n:
            fitting = [(video, labels) for video, labels in self.videos.items() if labels[label] and self.spared(video)]
            if not fitting:
                return
            self.take(max(fitting, key=lambda pair: self.useful(pair[1], lacking) / pair[1].total())[0])


def _wanted(size: int, fraction: float, at_least: int, leave: int) -> int:
    """Clips to take of a class of `size`."""
    return max(0, min(max(at_least, round(size * fraction)), size - leave))
