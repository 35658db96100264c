"""What two sides of a split share: videos with clips on both, from which a model may know hall, camera and gymnast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gymqa.finegym.annotations import Clip


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


def find_leaks(sides: Mapping[str, Sequence[Clip]]) -> list[Leak]:
    """Compare every two sides that have clips, in their order."""
    filled = {name: clips for name, clips in sides.items() if clips}
    found = []
    for first, second in combinations(filled, 2):
        shared = {clip.video_id for clip in filled[first]} & {clip.video_id for clip in filled[second]}
        here, there = (sum(clip.video_id in shared for clip in filled[side]) for side in (first, second))
        found.append(Leak((first, second), sorted(shared), (here, there)))
    return found
