"""What a study's trainings read: clips at each level, and their frames, made once in its run folder."""

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

# Steps, and folders of the run.
RENDER, RELEASE, FRAMES, FLOW, JOINTS, POSES = "render", "release", "frames", "flow", "joints", "poses"
DETECTED = KINDS[1]
CLIPS: Level = "element"  # whose splits are always there, so that frames are made once whatever levels are asked for


@dataclass(frozen=True)
class Inputs:
    """The clips of a study.

    Attributes:
        taxonomy: of the setting.
        train: how many are learnt from.
    """

    taxonomy: Taxonomy
    train: int

    def classes(self, level: Level) -> list[str]:
        """Names of the classes at a level."""
        return names_of_classes(self.taxonomy, level)


def frames_step(modality: Modality) -> str:
    """The step that makes a modality's frames, and their folder; a gradient is computed from colours."""
    return {"flow": FLOW, "rgb+flow": FLOW, "pose": POSES}.get(modality, FRAMES)


def splits_step(level: Level) -> str:
    """The step that writes a level's splits."""
    return f"split-{level}"


def splits_folder(run: Run, level: Level) -> Path:
    """Where a level's splits lie."""
    return run.folder / "splits" / level


def prepare(run: Run, settings: StudySettings, levels: Sequence[Level], size: int, workers: int) -> Inputs:
    """Render if no release was given, write the splits of all levels, and decode every clip once.

    Every training clip is labelled, and the release's own val clips are tested on.

    Args:
        run: the study's.
        settings: what was asked for.
        levels: of the classes; the frames are the same.
        size: of the frames in pixels.
        workers: processes.

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
    decoded = {"size": size, "max_frames": settings.max_frames, "root": _place(run, root)}
    decode = partial(
        cache, root, run.folder / FRAMES, size, settings.max_frames, workers, settings.setting, lists=_lists(run)
    )
    run.step(FRAMES, decoded, [FRAMES], decode, [splits_step(CLIPS)])
    return Inputs(release.taxonomy, len(train))


def _place(run: Run, path: Path) -> str:
    """A path for a step's settings; what lies in the run's folder moves with it."""
    whole, folder = path.resolve(), run.folder.resolve()
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def _lists(run: Run) -> list[Path]:
    """Files that name all clips."""
    return [splits_folder(run, CLIPS) / name for name in (LABELLED, VAL)]


def prepare_flow(run: Run, method: FlowMethod, workers: int) -> None:
    """Compute the flow of all frames.

    Raises:
        GymQAError: the method is not installed.
    """
    compute = partial(flow, run.folder / FLOW, method, workers, frames=run.folder / FRAMES)
    run.step(FLOW, {"method": method}, [FLOW], compute, [FRAMES])


def prepare_poses(run: Run, settings: StudySettings, skeleton: str, keypoints: Path | None) -> None:
    """Read the keypoints of all clips; those of GymSim are what a detector would report of it.

    Args:
        run: the study's, whose splits are there.
        settings: what was asked for.
        skeleton: whose joints are kept.
        keypoints: folder of CLIP.npz or CLIP.json; None where GymSim is rendered.
    """
    after = [splits_step(CLIPS)]
    if keypoints is None:
        joints = f"{RELEASE}/joints"
        keypoints, after = run.folder / joints / DETECTED, [*after, JOINTS]
        run.step(JOINTS, {}, [joints], lambda: _compute_joints(run, settings), [RENDER])
    read = partial(poses, keypoints, run.folder / POSES, skeleton, lists=_lists(run))
    run.step(POSES, {"skeleton": skeleton, "keypoints": _place(run, keypoints)}, [POSES], read, after)


def _compute_joints(run: Run, settings: StudySettings) -> None:
    write_joints(run.folder / RELEASE, settings.rendered)


def _render(run: Run, settings: StudySettings, workers: int) -> None:
    render_release(run.folder / RELEASE, settings.rendered, workers)


def _write_splits(
    run: Run, release: Release, level: Level, train: Sequence[Clip], val: Sequence[Clip], after: Sequence[str]
) -> None:
    """Write a level's splits, and begin again where the release's lists are others than before."""
    taxonomy, folder = release.taxonomy, splits_folder(run, level)
    splits = Splits(at_level(train, taxonomy, level), [], at_level(val, taxonomy, level))
    clips = hash_key(*(f"{clip.id} {clip.label}" for clip in (*splits.labelled, *splits.val))).hex()
    output = str(folder.relative_to(run.folder))
    run.step(splits_step(level), {"clips": clips}, [output], partial(splits.write, folder), after)
