"""`gymqa study modality`: colours against movement at every level, FineGym's Table 2 and Figure 6a."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from eval.stats.bootstrap import Interval
from gymqa.cli.studies.frame_counts import with_n_frames
from gymqa.cli.studies.inputs import prepare_flow, prepare_poses
from gymqa.cli.studies.plots import draw_bars
from gymqa.cli.studies.results import Cell, Measured, Place, difference
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
from gymqa.cli.studies.study import Study, percent, printed_percent
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
SHOWN: tuple[Modality, ...] = ("rgb", "flow", "gradient", "pose")  # that the study has frames of
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
    """Train on colours and on optical flow, for events, sets and elements (FineGym's Table 2 and Figure 6a).

    2stream is the mean of the probabilities of rgb and flow. Writes modality.json, modality.png and, with the elements,
    modality-sets.png; stopped, the same command goes on.

    Args:
        root: a release of FineGym's format; without it GymSim is rendered.
        out: folder of the run, its figures and pictures.
        setting: gym99, fx-s1, …; may be left out where the release has only one.
        levels: what is recognized; event set element when not given.
        recognizer: tsn, trn, trn-ms or tsm, small ones, or one of `gymqa list recognizers`.
        modalities: rgb, flow, gradient, pose; rgb flow when not given.
        frames: of a clip that are looked at; 0 as many as the recognizer has by itself.
        flow_stack: fields in a row that are looked at instead of one of flow, where the recognizer can.
        flow_method: dis, or tvl1 as in FineGym, many times slower.
        keypoints: folder of CLIP.npz or CLIP.json for pose, as of `gymqa poses`; GymSim's are computed.
        pose_recognizer: st-gcn, a small one on GymSim's joints, or one of `gymqa list recognizers`.
        seeds: one training each; 0 1 when not given.
        epochs: passes over the training clips, instead of training.steps; 0 keeps those.
        max_frames: frames of a clip that are kept, evenly spaced; flow is from one of them to the next.
        workers: trainings at a time; on a CPU each in a process of one thread.
        training: how each is trained; model and seed are the study's.
        rendered: what is rendered without a root.
    """
    at = [level for level in LEVELS if level in (levels or LEVELS)]
    seen = [one for one in SHOWN if one in (modalities or STREAMS)]
    _require(levels or LEVELS, modalities or STREAMS)
    if "pose" in seen and root is not None and keypoints is None:
        raise GymQAError(f"{root} comes without skeletons; name a folder of keypoints with --keypoints")
    base = recognizer_named(recognizer)
    base = with_n_frames(base, frames) if frames else base
    skeletons = skeleton_recognizer_named(pose_recognizer)
    models = {one: skeletons if one == "pose" else _model(base, one, flow_stack) for one in seen}
    settings = StudySettings(root, setting, tuple(seeds or (0, 1)), epochs, max_frames, training, rendered)
    asked = {
        "levels": at, "recognizer": recognizer, "modalities": seen, "frames": frames, "flow_stack": flow_stack,
        "flow_method": flow_method, "pose_recognizer": pose_recognizer,
    }  # fmt: skip
    study = Study("modality", out, settings, asked, workers)
    study.prepare(at, base.image_size)
    if "flow" in seen:
        prepare_flow(study.run, flow_method, workers)
    if isinstance(skeletons, STGCNConfig) and "pose" in seen:
        prepare_poses(study.run, settings, skeletons.skeleton, keypoints)
    measured = study.measure(_cells(study, recognizer, at, models))
    places = ((level, one) for one in measured for level in at if one.place["level"] == level)
    found = {(level, str(one.place["modality"])): one for level, one in places}
    _write(study, found)
    _draw(study, found)
    _show(study, found)


def _require(levels: Sequence[str], modalities: Sequence[str]) -> None:
    """Refuse what the study has no frames of.

    Raises:
        GymQAError: an unknown level or modality.
    """
    for name, known in (*((one, LEVELS) for one in levels), *((one, SHOWN) for one in modalities)):
        if name not in known:
            raise GymQAError(f"a study of modalities knows no {name!r}; choose some of {', '.join(known)}")


def _model(base: ModelConfig, modality: Modality, stack: int) -> ModelConfig:
    """The recognizer for a modality; flow comes in stacks where its family has those."""
    own = replace(base, modality=modality)
    stacked = modality == "flow" and any(field.name == "stack" for field in fields(own))
    changes: dict[str, int] = {"stack": stack} if stacked else {}
    return replace(own, **changes)  # type: ignore[arg-type]


def _cells(study: Study, name: str, levels: Sequence[Level], models: Mapping[Modality, ModelConfig]) -> list[Cell]:
    """A cell for each level and modality, and one for both streams together."""
    cells = []
    for level in levels:
        trained = {one: study.trainings(f"{name}-{level}-{one}", model, level) for one, model in models.items()}
        cells += [_cell(level, one, [of_seed]) for one, of_seed in trained.items()]
        if all(stream in trained for stream in STREAMS):
            cells.append(_cell(level, TWO_STREAM, [trained[stream] for stream in STREAMS]))
    return cells


def _cell(level: Level, modality: str, streams: Sequence[Mapping[int, Training]]) -> Cell:
    place: Place = {"level": level, "modality": modality}
    return Cell(place, {seed: tuple(ModelTest(stream[seed]) for stream in streams) for seed in streams[0]})


def _write(study: Study, found: Found) -> None:
    """Write the figures: besides the levels', those of every element, and each modality's lead over colours."""
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
    """Mean-class accuracy at element level within each set, by set and modality."""
    taxonomy = study.inputs.taxonomy
    set_names = {one.id: one.name for one in taxonomy.sets}
    of_set: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (level, name), one in found.items():
        for element in taxonomy.elements if level == "element" else ():
            share = one.of_class(element.label)
            if share is not None:
                of_set[set_names[element.set_id]][name].append(share)
    return {group: {name: float(np.mean(all_)) for name, all_ in own.items()} for group, own in of_set.items()}


def _draw(study: Study, found: Found) -> None:
    levels = list(dict.fromkeys(level for level, _ in found))
    bars: dict[str, dict[str, Interval]] = {
        level: {name: one.top1 for (own, name), one in found.items() if own == level} for level in levels
    }
    chances = [1 / len(study.inputs.classes(level)) for level in levels]
    draw_bars(study.picture(), bars, "Top-1 (%)", chances, study.paper("top1"))
    by_set = _by_set(study, found)
    if by_set:
        exact = {group: {name: Interval(x, x, x) for name, x in own.items()} for group, own in by_set.items()}
        y = "accuracy in the set's elements (%)"
        draw_bars(study.picture("-sets"), exact, y, 1 / len(study.inputs.classes("element")))


def _show(study: Study, found: Found) -> None:
    names = list(dict.fromkeys(name for _, name in found))
    paper = study.paper("top1")
    lines = [["Top-1 %", *names]]
    for level in dict.fromkeys(level for level, _ in found):
        lines.append([level, *(percent(found[level, name].top1) for name in names)])
        lines.append(["  FineGym's paper, TSN", *(printed_percent(paper, level, name) for name in names)])
    study.show(lines)
