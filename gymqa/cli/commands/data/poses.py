"""`gymqa poses`: the joints of every clip in one file."""

from pathlib import Path

from gymqa.finegym.annotations import read_element_list
from gymqa.frames.pose_cache import PoseCache


def poses(
    keypoints: Path,
    out: Path = Path("runs/poses"),
    skeleton: str = "coco17",
    *,
    lists: list[Path],
) -> None:
    """Read keypoint files of the clips of some lists into a pose cache, for recognizers that see skeletons.

    A clip whose file is missing or wrong is named with the reason and left out. What the cache held before is replaced.

        gymqa poses runs/gymsim/joints/detected --skeleton gymsim15 --lists runs/splits/labelled.txt
        gymqa poses detections/hrnet --lists runs/splits/labelled.txt

    Args:
        keypoints: folder with CLIP.npz or CLIP.json for each clip, such as `gymqa render --joints` writes;
            docs/poses.md says what such a file of a detector holds.
        out: folder of the cache.
        skeleton: joints that are kept, by their names: coco17, gymsim15 or openpose18.
        lists: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    wanted = [clip.id for path in lists for clip in read_element_list(path)]
    cache = PoseCache.build(out, wanted, keypoints, skeleton)
    print(f"{out}: {len(cache)} clips, {cache.skeleton.name}")
    for clip_id, reason in cache.failures.items():
        print(f"no poses: {clip_id}: {reason}")


COMMAND = poses
