"""`gymqa poses`: read keypoint files of clips into a pose cache."""

from pathlib import Path

from gymqa.finegym.annotations import read_element_list
from gymqa.frames.pose_cache import PoseCache


def poses(keypoints: Path, out: Path = Path("runs/poses"), skeleton: str = "coco17", *, lists: list[Path]) -> None:
    """Read the keypoint files of the clips of some lists into a pose cache, for skeleton recognizers.

    Clips whose file is missing or malformed are skipped and printed with the reason. An existing cache is replaced.

        gymqa poses runs/gymsim/joints/detected --skeleton gymsim15 --lists runs/splits/labelled.txt
        gymqa poses detections/hrnet --lists runs/splits/labelled.txt

    Args:
        keypoints: folder with CLIP.npz or CLIP.json for each clip, such as `gymqa render --joints` writes;
            docs/poses.md describes the format.
        out: folder of the cache.
        skeleton: skeleton whose joints are kept: coco17, gymsim15 or openpose18.
        lists: files with a clip id at the start of each line, such as those of `gymqa split`.
    """
    wanted = [clip.id for path in lists for clip in read_element_list(path)]
    cache = PoseCache.build(out, wanted, keypoints, skeleton)
    print(f"{out}: {len(cache)} clips, {cache.skeleton.name}")
    for clip_id, reason in cache.failures.items():
        print(f"no poses: {clip_id}: {reason}")


COMMAND = poses
