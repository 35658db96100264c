"""`gymqa render`: a GymSim release in FineGym's format."""

from pathlib import Path

from gymqa.sim.pose_labels import write_joints
from gymqa.sim.release import ReleaseConfig, render_release


def render(
    out: Path = Path("runs/gymsim"), workers: int | None = None, joints: bool = False, *, release: ReleaseConfig
) -> None:
    """Render gymnasts into a release of FineGym's format: annotations, element lists, sub-action and raw videos.

    Stopped, the same command goes on with the videos still missing.

    Args:
        out: folder of the release.
        workers: processes; one for each core when not given.
        joints: write the joints of every clip, too, below joints/: the true ones, and what a detector would report.
            A release that is there gets them without being rendered again.
        release: how much to render, how large, and the seed.
    """
    render_release(out, release, workers)
    print(f"{out}: {len(list((out / 'subactions').glob('*.mp4')))} sub-action videos")
    if joints:
        print(f"{out / 'joints'}: {write_joints(out, release)} clips, true and detected")


COMMAND = render
