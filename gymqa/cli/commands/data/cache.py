"""`gymqa cache`: decode every clip once."""

from pathlib import Path

from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.runtime.workers import Limits
from gymqa.video_datasets.imported import is_imported, read_import


def cache(
    root: Path,
    out: Path = Path("runs/frames"),
    size: int = 48,
    max_frames: int = 32,
    workers: int | None = None,
    setting: str | None = None,
    format: FrameFormat | None = None,
    verify: bool = False,
    timeout: float | None = 60.0,
    memory_gb: float | None = 4.0,
    *,
    lists: list[Path],
) -> None:
    """Decode the clips of some lists into a frame cache, which training and extraction read.

    Stopped, the same command goes on with the clips still missing; clips that failed are tried again.

    Args:
        root: folder of the release, FineGym's or GymSim's, or of `gymqa dataset import`.
        out: folder of the cache.
        size: side of the square frames in pixels; short side resized, middle kept.
        max_frames: frames kept of a longer clip, evenly spaced.
        workers: processes; one for each core when not given.
        setting: gym99, gym288, …; may be left out where the release has only one.
        format: raw frames are fastest, jpeg ones take about an eighth of the room; when not given, raw up to 8 GiB.
        verify: read the whole cache first, and decode damaged clips again.
        timeout: seconds that one clip may take; one that hangs the decoder is killed with its process and counted as
            not decoded. "null" for no limit.
        memory_gb: gigabytes that the process of one clip may take, likewise.
        lists: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    path_of = read_import(root).clip_path if is_imported(root) else open_release(root, setting).clip_path
    clip_ids = [clip.id for path in lists for clip in read_element_list(path)]
    limits = Limits(timeout, memory_gb)
    frames = FrameCache.build(out, clip_ids, path_of, size, max_frames, workers, format, verify, limits)
    print(f"{out}: {len(frames)} clips, {frames.format}")
    for clip_id, reason in frames.failures.items():
        print(f"not decoded: {clip_id}: {reason}")


COMMAND = cache
