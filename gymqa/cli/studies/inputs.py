"""Prepare a study's data in its run folder: rendered release, splits per level, caches of frames, flow and poses."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from gymqa.cli.commands.data.cache import cache
from gymqa.cli.commands.data.flow import flow
from gymqa.cli.commands.data.poses import poses
from gymqa.cli.studies.settings import Level, StudySettings, at_level, names_of_classes
from gymqa.finegym.annotations import Clip, Release, open_release
from gymqa.finegym.splits import LABELLED, VAL, Splits
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.frames.flow import FlowMethod
from gymqa.frames.modality import Modality
from gymqa.runtime.runs import Run
from gymqa.runtime.seeding import hash_key
from gymqa.sim.pose_labels import KINDS, write_joints
from gymqa.sim.release import FORMAT, render_release

# Names of steps and of folders in the run folder.
RENDER, RELEASE, FRAMES, FLOW, JOINTS, POSES = "render", "release", "frames", "flow", "joints", "poses"
DETECTED = KINDS[1]
CLIPS: Level = "element"  # its splits always exist, so that frames are decoded once for all levels


@dataclass(frozen=True)
class Inputs:
    """The data of a study.

    Attributes:
        taxonomy: taxonomy of the setting.
        train: number of training clips.
    """

    taxonomy: Taxonomy
    train: int

    def classes(self, level: Level) -> list[str]:
        """Names of the classes at a level."""
        return names_of_classes(self.taxonomy, level)


def frames_step(modality: Modality) -> str:
    """Name of the step that prepares a modality, and of its folder; gradients are computed from RGB frames."""
    return {"flow": FLOW, "rgb+flow": FLOW, "pose": POSES}.get(modality, FRAMES)


def splits_step(level: Level) -> str:
    """Name of the step that writes a level's splits."""
    return f"split-{level}"


def splits_folder(run: Run, level: Level) -> Path:
    """Folder of a level's splits."""
    return run.folder / "splits" / level


def prepare(run: Run, settings: StudySettings, levels: Sequence[Level], size: int, workers: int) -> Inputs:
    """Render a release if none is given, write the splits of all levels, and decode every clip once.

    Every training clip is labelled; the test clips are the release's val clips.

    Args:
        run: the study's run folder.
        settings: settings of the study.
        levels: levels of the classes, which share the frames.
        size: side of the frames in pixels.
        workers: number of processes.

    Raises:
        GymQAError: the release cannot be read, or has no such setting.
    """
    root = settings.root or run.folder / RELEASE
    made_of = () if settings.root else (RENDER,)
    if settings.root is None:
        rendered = {**asdict(settings.rendered), "format": FORMAT}
        run.step(RENDER, rendered, [RELEASE], lambda: _render(run, settings, workers))
    release = open_release(root, settings.setting)
    train, val = release.read_clips(release.train_list), release.read_clips(release.val_list)
    for level in dict.fromkeys((CLIPS, *levels)):
        _write_splits(run, release, level, train, val, made_of)
    decoded = {"size": size, "max_frames": settings.max_frames, "root": _portable_path(run, root)}
    decode = partial(
        cache, root, run.folder / FRAMES, size, settings.max_frames, workers, settings.setting, lists=_lists(run)
    )
    run.step(FRAMES, decoded, [FRAMES], decode, [splits_step(CLIPS)])
    return Inputs(release.taxonomy, len(train))


def _portable_path(run: Run, path: Path) -> str:
    """A path for a step's settings; relative if it is in the run folder, which may be moved."""
    whole, folder = path.resolve(), run.folder.resolve()
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def _lists(run: Run) -> list[Path]:
    """The lists of all clips."""
    return [splits_folder(run, CLIPS) / name for name in (LABELLED, VAL)]


def prepare_flow(run: Run, method: FlowMethod, workers: int) -> None:
    """Compute the optical flow of all clips.

    Raises:
        GymQAError: the method is not installed.
    """
    compute = partial(flow, run.folder / FLOW, method, workers, frames=run.folder / FRAMES)
    run.step(FLOW, {"method": method}, [FLOW], compute, [FRAMES])


def prepare_poses(run: Run, settings: StudySettings, skeleton: str, keypoints: Path | None) -> None:
    """Build the pose cache of all clips; for GymSim from simulated detections.

    Args:
        run: the study's run folder, with splits.
        settings: settings of the study.
        skeleton: name of the skeleton.
        keypoints: folder of CLIP.npz or CLIP.json; None for a rendered GymSim release.
    """
    after = [splits_step(CLIPS)]
    if keypoints is None:
        joints = f"{RELEASE}/joints"
        keypoints, after = run.folder / joints / DETECTED, [*after, JOINTS]
        run.step(JOINTS, {}, [joints], lambda: _compute_joints(run, settings), [RENDER])
    read = partial(poses, keypoints, run.folder / POSES, skeleton, lists=_lists(run))
    run.step(POSES, {"skeleton": skeleton, "keypoints": _portable_path(run, keypoints)}, [POSES], read, after)


def _compute_joints(run: Run, settings: StudySettings) -> None:
    write_joints(run.folder / RELEASE, settings.rendered)


def _render(run: Run, settings: StudySettings, workers: int) -> None:
    render_release(run.folder / RELEASE, settings.rendered, workers)


def _write_splits(
    run: Run, release: Release, level: Level, train: Sequence[Clip], val: Sequence[Clip], after: Sequence[str]
) -> None:
    """Write a level's splits; the step runs again if the release's lists have changed."""
    taxonomy, folder = release.taxonomy, splits_folder(run, level)
    splits = Splits(at_level(train, taxonomy, level), [], at_level(val, taxonomy, level))
    clips = hash_key(*(f"{clip.id} {clip.label}" for clip in (*splits.labelled, *splits.val))).hex()
    output = str(folder.relative_to(run.folder))
    run.step(splits_step(level), {"clips": clips}, [output], partial(splits.write, folder), after)
