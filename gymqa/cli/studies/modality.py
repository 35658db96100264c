"""`gymqa study modality`: RGB, flow, gradient and pose compared at each level, as FineGym's Table 2 and Figure 6a."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from eval.stats.bootstrap import Interval
from gymqa.cli.studies.frame_counts import with_n_frames
from gymqa.cli.studies.inputs import prepare_flow, prepare_poses
from gymqa.cli.studies.plots import draw_bars
from gymqa.cli.studies.results import Cell, Conditions, Measured, difference
from gymqa.cli.studies.settings import (
    FIRST_FRAMES,
    LEVELS,
    RENDERED,
    SMALL_SKELETON,
    TRAINING,
    Level,
    StudySettings,
    recognizer_named,
    skeleton_recognizer_named,
)
from gymqa.cli.studies.study import Study, percent, published_percent
from gymqa.cli.studies.trainings import ModelTest, Training
from gymqa.errors import GymQAError
from gymqa.frames.flow import FlowMethod
from gymqa.frames.modality import Modality
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.stgcn import STGCNConfig
from recognizers.config import TrainConfig

TWO_STREAM = "2stream"
STREAMS: tuple[Modality, ...] = ("rgb", "flow")
SHOWN: tuple[Modality, ...] = ("rgb", "flow", "gradient", "pose")  # modalities of the study
Found = Mapping[tuple[Level, str], Measured]


def modality(
    root: Path | None = None,
    out: Path = Path("runs/studies/modality"),
    setting: str | None = None,
    levels: list[Level] | None = None,
    recognizer: str = "tsn",
    modalities: list[Modality] | None = None,
    frames: int = 3,
    flow_stack: int = 5,
    flow_method: FlowMethod = "dis",
    keypoints: Path | None = None,
    pose_recognizer: str = SMALL_SKELETON,
    seeds: list[int] | None = None,
    epochs: int = 0,
    max_frames: int = FIRST_FRAMES,
    workers: int = 2,
    *,
    training: TrainConfig = TRAINING,
    rendered: ReleaseConfig = RENDERED,
) -> None:
    """Train on RGB frames and on optical flow, for events, sets and elements (FineGym's Table 2 and Figure 6a).

    2stream averages the probabilities of rgb and flow. Writes modality.json, modality.png and, for elements,
    modality-sets.png. An interrupted run resumes with the same command.

    Args:
        root: folder of a release in FineGym's format; without it a GymSim release is rendered.
        out: run folder, with results and plots.
        setting: gym99, fx-s1, …; may be omitted if the release has only one.
        levels: levels of the classes; by default event set element.
        recognizer: a small tsn, trn, trn-ms or tsm, or one of `gymqa list recognizers`.
        modalities: rgb, flow, gradient, pose; by default rgb flow.
        frames: input frames of a clip; 0 uses the recognizer's own number.
        flow_stack: consecutive flow fields stacked as one input, if the recognizer supports it.
        flow_method: dis, or tvl1 as in FineGym, many times slower.
        keypoints: folder of CLIP.npz or CLIP.json for pose, as in `gymqa poses`; computed for GymSim.
        pose_recognizer: st-gcn, a small one on GymSim's joints, or one of `gymqa list recognizers`.
        seeds: seeds, one training each; by default 0 1.
        epochs: passes over the training clips, instead of training.steps; 0 uses training.steps.
        max_frames: frames kept of a longer clip, evenly spaced; flow is computed between these.
        workers: number of parallel trainings; on a CPU each is a process with one thread.
        training: training settings; model and seed are set by the study.
        rendered: settings of the GymSim release that is rendered without a root.
    """
    at = [level for level in LEVELS if level in (levels or LEVELS)]
    seen = [one for one in SHOWN if one in (modalities or STREAMS)]
    _require(levels or LEVELS, modalities or STREAMS)
    if "pose" in seen and root is not None and keypoints is None:
        raise GymQAError(f"{root} has no keypoints; name a folder of keypoint files with --keypoints")
    models = _models(recognizer, pose_recognizer, seen, frames, flow_stack)
    settings = StudySettings(root, setting, tuple(seeds or (0, 1)), epochs, max_frames, training, rendered)
    asked = {
        "levels": at, "recognizer": recognizer, "modalities": seen, "frames": frames, "flow_stack": flow_stack,
        "flow_method": flow_method, "pose_recognizer": pose_recognizer,
    }  # fmt: skip
    study = Study("modality", out, settings, asked, workers)
    study.prepare(at, recognizer_named(recognizer).image_size)
    if "flow" in seen:
        prepare_flow(study.run, flow_method, workers)
    if isinstance(skeletons := models.get("pose"), STGCNConfig):
        prepare_poses(study.run, settings, skeletons.skeleton, keypoints)
    measured = study.measure(_cells(study, recognizer, at, models))
    by_level = ((level, one) for one in measured for level in at if one.conditions["level"] == level)
    found = {(level, str(one.conditions["modality"])): one for level, one in by_level}
    _write(study, found)
    _draw(study, found)
    _show(study, found)


def _models(
    recognizer: str, pose_recognizer: str, modalities: Sequence[Modality], frames: int, flow_stack: int
) -> dict[Modality, ModelConfig]:
    """The recognizer's config for each modality."""
    base, skeletons = recognizer_named(recognizer), skeleton_recognizer_named(pose_recognizer)
    base = with_n_frames(base, frames) if frames else base
    return {one: skeletons if one == "pose" else _model(base, one, flow_stack) for one in modalities}


def _require(levels: Sequence[str], modalities: Sequence[str]) -> None:
    """Check the names of levels and modalities.

    Raises:
        GymQAError: an unknown level or modality.
    """
    for name, known in (*((one, LEVELS) for one in levels), *((one, SHOWN) for one in modalities)):
        if name not in known:
            raise GymQAError(f"the study of modalities has no {name!r}; choose among {', '.join(known)}")


def _model(base: ModelConfig, modality: Modality, stack: int) -> ModelConfig:
    """The recognizer's config for a modality; flow fields are stacked if its family supports it."""
    own = replace(base, modality=modality)
    stacked = modality == "flow" and any(field.name == "stack" for field in fields(own))
    changes: dict[str, int] = {"stack": stack} if stacked else {}
    return replace(own, **changes)  # type: ignore[arg-type]


def _cells(study: Study, name: str, levels: Sequence[Level], models: Mapping[Modality, ModelConfig]) -> list[Cell]:
    """A cell for each level and modality, and one for the two-stream average."""
    cells = []
    for level in levels:
        trained = {one: study.trainings(f"{name}-{level}-{one}", model, level) for one, model in models.items()}
        cells += [_cell(level, one, [of_seed]) for one, of_seed in trained.items()]
        if all(stream in trained for stream in STREAMS):
            cells.append(_cell(level, TWO_STREAM, [trained[stream] for stream in STREAMS]))
    return cells


def _cell(level: Level, modality: str, streams: Sequence[Mapping[int, Training]]) -> Cell:
    conditions: Conditions = {"level": level, "modality": modality}
    return Cell(conditions, {seed: tuple(ModelTest(stream[seed]) for stream in streams) for seed in streams[0]})


def _write(study: Study, found: Found) -> None:
    """Write accuracies per level, per element and per set, and each modality's difference from RGB."""
    levels = dict.fromkeys(level for level, _ in found)
    differences = [
        difference(one, found[level, "rgb"])
        for (level, name), one in found.items()
        if name != "rgb" and (level, "rgb") in found
    ]
    classes = {}
    for (level, name), one in found.items():
        if level == "element":
            classes[name] = {shown: one.of_class(label) for label, shown in enumerate(study.inputs.classes("element"))}
    chances = {level: 1 / len(study.inputs.classes(level)) for level in levels}
    study.write(list(found.values()), differences, chance=chances, elements=classes, sets=_by_set(study, found))


def _by_set(study: Study, found: Found) -> dict[str, dict[str, float]]:
    """Set -> modality -> mean-class accuracy of the set's elements at element level."""
    taxonomy = study.inputs.taxonomy
    set_names = {one.id: one.name for one in taxonomy.sets}
    of_set: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (level, name), one in found.items():
        for element in taxonomy.elements if level == "element" else ():
            accuracy = one.of_class(element.label)
            if accuracy is not None:
                of_set[set_names[element.set_id]][name].append(accuracy)
    return {group: {name: float(np.mean(all_)) for name, all_ in own.items()} for group, own in of_set.items()}


def _draw(study: Study, found: Found) -> None:
    levels = list(dict.fromkeys(level for level, _ in found))
    bars: dict[str, dict[str, Interval]] = {
        level: {name: one.top1 for (own, name), one in found.items() if own == level} for level in levels
    }
    chances = [1 / len(study.inputs.classes(level)) for level in levels]
    draw_bars(study.plot_path(), bars, "Top-1 (%)", chances, study.paper("top1"))
    by_set = _by_set(study, found)
    if by_set:
        exact = {group: {name: Interval(x, x, x) for name, x in own.items()} for group, own in by_set.items()}
        y = "mean accuracy of the set's elements (%)"
        draw_bars(study.plot_path("-sets"), exact, y, 1 / len(study.inputs.classes("element")))


def _show(study: Study, found: Found) -> None:
    names = list(dict.fromkeys(name for _, name in found))
    paper = study.paper("top1")
    lines = [["Top-1 %", *names]]
    for level in dict.fromkeys(level for level, _ in found):
        lines.append([level, *(percent(found[level, name].top1) for name in names)])
        lines.append(["  FineGym's paper, TSN", *(published_percent(paper, level, name) for name in names)])
    study.show(lines)
