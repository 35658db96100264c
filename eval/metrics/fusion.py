"""Late fusion: class probabilities of several recognizers, averaged per clip (for example, two streams)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.metrics.recognition import ClassPredictions, read_class_predictions
from gymqa.errors import GymQAError
from gymqa.frames.controls import NONE
from gymqa.io.files import write_text


def fuse(paths: Sequence[Path]) -> ClassPredictions:
    """Average saved predictions of two or more recognizers over the same clips.

    A clip without probabilities in one of them has none in the average, with that one's reason: a partial mean is
    never taken for the mean of all.

    Args:
        paths: files of `gymqa predict`; clips may be in any order, that of the first file is kept.

    Raises:
        GymQAError: fewer than two files or one twice; different clips, labels or numbers of classes.
    """
    if len(paths) < 2 or len({path.resolve() for path in paths}) < len(paths):
        raise GymQAError("predictions are averaged over two files or more, each once; name those of `gymqa predict`")
    first, *others = read = [read_class_predictions(path) for path in paths]
    for path, other in zip(paths[1:], others, strict=True):
        _require_alike(paths[0], first, path, other)
    indices = [_indices(one) for one in read]
    order = [[index[clip] for clip in first.clip_ids] for index in indices]
    rows = np.stack([one.probabilities[chosen] for one, chosen in zip(read, order, strict=True)])  # [models, n, C]
    errors: dict[str, str] = {}
    for path, one in zip(paths, read, strict=True):
        errors |= {clip: f"{path.name}: {why}" for clip, why in one.errors.items() if clip not in errors}
    mean = rows.mean(0)
    mean[[clip in errors for clip in first.clip_ids]] = -1
    return ClassPredictions(first.clip_ids, first.video_ids, first.labels, mean, errors)


def control_of(paths: Sequence[Path]) -> str:
    """The control under which these files of `gymqa predict` were made, read from their first lines.

    Raises:
        GymQAError: the controls differ, or a first line is not a prediction.
    """
    found = {path: str(_first_record(path).get("control", NONE)) for path in paths}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{path} {control}" for path, control in found.items())
        raise GymQAError(f"the predictions are under different controls ({listed}); predict again under one")
    return next(iter(found.values()))


def _first_record(path: Path) -> Mapping[str, object]:
    try:
        with path.open(encoding="utf-8") as lines:
            first = json.loads(lines.readline())
    except (OSError, ValueError, RecursionError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); run the prediction step first") from error
    if not isinstance(first, dict):
        raise GymQAError(f"{path}:1: not a prediction; predict again")
    return first


def save_fused(path: Path, predictions: ClassPredictions, control: str = NONE) -> None:
    """Write averaged predictions in the format of `gymqa predict`, atomically."""
    lines = []
    for index, clip in enumerate(predictions.clip_ids):
        record: dict[str, object] = {
            "clip_id": clip,
            "video_id": predictions.video_ids[index],
            "label": int(predictions.labels[index]),
            "probabilities": None,
        }
        if clip in predictions.errors:
            record["error"] = predictions.errors[clip]
        else:
            record["probabilities"] = [round(float(value), 6) for value in predictions.probabilities[index]]
        if control != NONE:
            record["control"] = control
        lines.append(json.dumps(record) + "\n")
    write_text(path, "".join(lines))


def _indices(predictions: ClassPredictions) -> Mapping[str, int]:
    """Index of each clip."""
    return {clip: index for index, clip in enumerate(predictions.clip_ids)}


def _require_alike(path: Path, one: ClassPredictions, other_path: Path, other: ClassPredictions) -> None:
    """Raise GymQAError where clips, labels or classes differ."""
    classes = [predictions.probabilities.shape[1] for predictions in (one, other)]
    if classes[0] != classes[1]:
        raise GymQAError(
            f"{path} has {classes[0]} classes and {other_path} {classes[1]}; average recognizers of the same classes"
        )
    apart = sorted(set(one.clip_ids) ^ set(other.clip_ids))
    if apart:
        raise GymQAError(
            f"{len(apart)} clips, {apart[0]} first, are in only one of {path} and {other_path}; predict the same list "
            "with both recognizers"
        )
    labels = dict(zip(one.clip_ids, one.labels.tolist(), strict=True))
    for clip, label in zip(other.clip_ids, other.labels.tolist(), strict=True):
        if labels[clip] != label:
            raise GymQAError(
                f"clip {clip} has label {labels[clip]} in {path} and {label} in {other_path}; predict the same list "
                "with both recognizers"
            )
