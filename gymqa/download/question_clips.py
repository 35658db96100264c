"""The clips of an imported question set as a folder for `gymqa cache`; clips that are segments of a video are cut.

clips.txt     clip ids     videos.txt    "<clip id> <path relative to the folder of videos>"
.segments/    clips that were cut     dataset.json    the set, the folder of the videos, and what is missing; last
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from gymqa.download.clip_writer import Failed, Span
from gymqa.download.cutting import cut
from gymqa.io.console import track
from gymqa.io.files import write_json, write_text
from gymqa.questions.importing.convert import Segment
from gymqa.questions.schema import Question
from gymqa.video_datasets.imported import DATASET, SEGMENTS, VIDEOS

CLIPS = "clips.txt"


def write_clips(
    folder: Path, questions: Sequence[Question], segments: Mapping[str, Segment], videos: Path
) -> list[str]:
    """Write the folder, and cut the clips that are segments; clips cut before are kept.

    Args:
        folder: folder to write.
        questions: of one set.
        segments: seconds of the clips that are not all of their video, by clip id.
        videos: folder of the set's videos.

    Returns:
        A sentence on each video that is missing and each segment that cannot be cut.

    Raises:
        GymQAError: the folder is not writable.
    """
    (folder / DATASET).unlink(missing_ok=True)
    paths = {one.clip_id: _segment_path(one.clip_id) if one.clip_id in segments else one.video for one in questions}
    missing = sorted({one.video for one in questions if not (videos / one.video).exists()})
    problems = [f"{videos / video} is missing; get it, and import again" for video in missing]
    problems += _cut(folder, segments, videos, set(missing))
    write_text(folder / CLIPS, "".join(f"{clip}\n" for clip in paths))
    write_text(folder / VIDEOS, "".join(f"{clip} {path}\n" for clip, path in paths.items()))
    about = {"dataset": questions[0].source, "videos": str(videos.resolve()), "clips": len(paths), "missing": missing}
    write_json(folder / DATASET, about)
    return problems


def _segment_path(clip_id: str) -> str:
    """Path of a cut clip; a hash, for an id may be longer than a file's name."""
    return f"{SEGMENTS}/{blake2b(clip_id.encode(), digest_size=16).hexdigest()}.mp4"


def _cut(folder: Path, segments: Mapping[str, Segment], videos: Path, missing: set[str]) -> list[str]:
    """Cut the segments of the videos that are there; a sentence on each that fails."""
    waiting: dict[str, list[Span]] = defaultdict(list)
    for clip, one in segments.items():
        if one.video not in missing and not (folder / _segment_path(clip)).exists():
            waiting[one.video].append(Span(clip, one.start, one.end))
    if not waiting:
        return []
    problems = []
    (folder / SEGMENTS).mkdir(parents=True, exist_ok=True)
    for video, spans in track(list(waiting.items()), "cutting segments", len(waiting)):
        for made in cut(videos / video, spans, lambda clip: folder / _segment_path(clip), None):
            if isinstance(made, Failed):
                problems.append(f"{videos / video} has no clip {made.clip_id}: {made.reason}")
    return problems
