"""`gymqa cache`: decode clips into a frame cache."""

from pathlib import Path

from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.video import Decoder
from gymqa.runtime.workers import Limits
from gymqa.video_datasets.imported import is_imported, read_clip_paths


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
    decoder: Decoder = "pyav",
    image_fps: float | None = None,
    *,
    lists: list[Path],
) -> None:
    """Decode the clips of some lists into a frame cache, which training, prediction and extraction read.

    An interrupted run resumes with the same command; clips that failed are retried.

    Args:
        root: folder of a release (FineGym or GymSim), of `gymqa dataset import`, or of `gymqa questions import`.
        out: folder of the cache.
        size: short side of the frames in pixels; recognizers see the center square, image-text models all.
        max_frames: frames kept of a longer clip, evenly spaced.
        workers: number of processes; by default one per core.
        setting: gym99, gym288, …; may be omitted if the release has only one.
        format: raw (fastest) or jpeg (about an eighth of the size); by default raw up to 8 GiB of squares.
        verify: check the whole cache first, and decode damaged clips again.
        timeout: time limit of one clip in seconds; beyond it the process is killed and the clip counts as not decoded.
            "null" for no limit.
        memory_gb: memory limit of the process of one clip in gigabytes, likewise.
        decoder: pyav, or decord for the videos that it is proven to read alike, in which it hides damage.
        image_fps: frames per second of clips that are folders of images, which do not tell it.
        lists: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    path_of = read_clip_paths(root).clip_path if is_imported(root) else open_release(root, setting).clip_path
    clip_ids = [clip.id for path in lists for clip in read_element_list(path)]
    limits = Limits(timeout, memory_gb)
    frames = FrameCache.build(
        out, clip_ids, path_of, size, max_frames, workers, format, verify, limits, decoder, image_fps
    )
    print(f"{out}: {len(frames)} clips, {frames.format}")
    for clip_id, reason in frames.failures.items():
        print(f"not decoded: {clip_id}: {reason}")


COMMAND = cache
