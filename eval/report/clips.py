"""Video clips of the leaderboard page: which are available, their paths relative to the page, copying."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.frames.reading import VideoError, open_video
from gymqa.io.console import track
from gymqa.io.files import atomic_path

FOLDER = "clips"
_SUBACTIONS = "subactions"  # folder of a GymSim release


@dataclass(frozen=True, slots=True)
class Clips:
    """The folder of the videos, relative to the page and ending in /, and the clips found there.

    `rates` are frames per second, of those clips whose rate is known and constant.
    """

    base: str
    found: frozenset[str]
    rates: Mapping[str, float] = field(default_factory=dict)


def clips_beside(folder: Path, base: str, clips: Iterable[str]) -> Clips:
    """The videos that are in `folder` / `base` already; nothing is copied."""
    found = {clip: video for clip in dict.fromkeys(clips) if (video := _video(folder / base, clip)) is not None}
    return Clips(base, frozenset(found), _rates(found))


def copy_clips(source: Path, site: Path, clips: Iterable[str]) -> Clips:
    """Copy the videos `<clip id>.mp4` into the site, unless one of equal size and time is there already.

    Args:
        source: a folder of videos, or a release, whose subactions/ is taken.
        site: the page's folder.
        clips: ids of the wanted clips; a name that leaves the folder counts as missing.

    Raises:
        GymQAError: `source` is not a folder or has none of the clips, or the site cannot be written to.
    """
    if not source.is_dir():
        raise GymQAError(f"{source} is no folder; give --clips the folder of the videos")
    source = source / _SUBACTIONS if (source / _SUBACTIONS).is_dir() else source
    wanted = dict.fromkeys(clips)
    found = {clip: video for clip in wanted if (video := _video(source, clip)) is not None}
    if wanted and not found:
        raise GymQAError(f"{source} holds no video of these questions; give --clips the folder of <clip id>.mp4")
    for video in track(found.values(), "copying clips", len(found)):
        _copy(video, site / FOLDER / video.name)
    return Clips(f"{FOLDER}/", frozenset(found), _rates(found))


def _rates(videos: Mapping[str, Path]) -> dict[str, float]:
    """Frames per second of the clips, but for those that do not open or whose rate varies."""
    found = {}
    for clip, path in videos.items():
        try:
            with open_video(path) as video:
                if not video.is_variable:
                    found[clip] = round(float(video.fps), 4)
        except VideoError:
            continue  # the page shows it as the browser does
    return found


def _video(folder: Path, clip: str) -> Path | None:
    name = f"{clip}.mp4"
    if "\0" in name or name != Path(name).name:
        return None
    return folder / name if (folder / name).is_file() else None


def _copy(video: Path, target: Path) -> None:
    before = video.stat()
    if target.is_file() and (target.stat().st_size, target.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns):
        return
    with atomic_path(target) as temporary:
        shutil.copy2(video, temporary)
