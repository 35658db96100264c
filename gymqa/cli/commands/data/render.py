"""`gymqa render`: render a GymSim release in FineGym's format."""

from pathlib import Path

from gymqa.io.files import visible_files
from gymqa.sim.pose_labels import write_joints
from gymqa.sim.release import ReleaseConfig, render_release


def render(
    out: Path = Path("runs/gymsim"), workers: int | None = None, joints: bool = False, *, release: ReleaseConfig
) -> None:
    """Render gymnasts into a release in FineGym's format: annotations, element lists, sub-action and raw videos.

    An interrupted run resumes with the same command.

    Args:
        out: folder of the release.
        workers: number of processes; by default one per core.
        joints: also write the joints of every clip to joints/, true ones and simulated detections; an existing release
            is not rendered again.
        release: number of videos, frame size, seed and setting.
    """
    render_release(out, release, workers)
    print(f"{out}: {len(visible_files(out / 'subactions', '*.mp4'))} sub-action videos")
    if joints:
        print(f"{out / 'joints'}: {write_joints(out, release)} clips, true and detected")


COMMAND = render
