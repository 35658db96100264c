"""Class probabilities of clips from a trained recognizer, averaged over test-time views; their JSONL file and journal.

One view is the whole frame and the middle frame of each span. T × S views take T frames of each span and S spatial
crops.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.frames.controls import NONE
from gymqa.frames.modality import channel_slice
from gymqa.frames.source import FrameSource, require_modality
from gymqa.io.console import progress_bar
from gymqa.io.files import take_lock, write_text
from gymqa.runtime.precision import BF16, FLOAT32
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.loader import Prefetcher, centre_indices
from recognizers.ssl.augment import to_model

Probabilities = dict[str, NDArray[np.float32]]
_CROP = 7 / 8  # side of a crop as a fraction of the short side: 224 of 256 pixels


@dataclass(frozen=True)
class Views:
    """Number of test-time views of a clip.

    Attributes:
        temporal: T, evenly spaced frames of each span.
        spatial: 1 for the whole frame, or 3 square crops at the start, middle and end of the longer side.
    """

    temporal: int = 1
    spatial: int = 1

    def __post_init__(self) -> None:
        if self.temporal < 1 or self.spatial not in (1, 3):
            raise GymQAError(f"{self.temporal} × {self.spatial} views cannot be taken; choose T × 1 or T × 3, T from 1")


class PredictionJournal:
    """Predictions of an interrupted run, appended to a file batch by batch; made by `opened_journal`.

    Attributes:
        found: float32 [C] by clip id, of this run and of earlier killed ones.
    """

    def __init__(self, file: IO[bytes], found: dict[str, NDArray[np.float32]]) -> None:
        self._file, self.found = file, found

    def add(self, clip_ids: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Append a batch [B, C] to the file.

        Raises:
            GymQAError: the disk is full.
        """
        lines = (json.dumps([clip, row.tolist()]) + "\n" for clip, row in zip(clip_ids, rows, strict=True))
        _write(self._file, "".join(lines))
        self.found.update(zip(clip_ids, rows, strict=True))


def predict(
    model: Recognizer,
    cache: FrameSource,
    clips: Sequence[Clip],
    batch_size: int = 64,
    bf16: bool = False,
    views: Views = Views(),
    journal: PredictionJournal | None = None,
) -> Probabilities:
    """Class probabilities of each clip that is in the cache.

    Args:
        model: on its device; set to evaluation mode.
        cache: frames of the model's modality; clips that did not decode are missing from the result, for the
            caller to count as unanswered.
        clips: to predict.
        batch_size: clips of a batch.
        bf16: compute in bfloat16.
        views: test-time views to average over.
        journal: predictions of earlier runs are taken from it, and every batch is appended to it.

    Returns:
        float32 [C] by clip id.

    Raises:
        GymQAError: the frames have another modality than the model, or spatial views of skeletons are requested.
    """
    require_modality(model.config.modality, cache, model.config.skeleton_name)
    if model.config.modality == "pose" and views.spatial > 1:
        raise GymQAError("skeletons have no spatial views; leave spatial_views at 1")
    ids = [clip.id for clip in clips if clip.id in cache]
    found: Probabilities = (
        {} if journal is None else {clip: journal.found[clip] for clip in ids if clip in journal.found}
    )
    missing = [clip for clip in ids if clip not in found]
    with progress_bar("recognizing", len(ids), len(found)) as bar:
        for part, rows in iterate_predictions(model, cache, missing, batch_size, bf16, views):
            if journal is not None:
                journal.add(part, rows)
            found.update(zip(part, rows, strict=True))
            bar.advance(len(part))
    return found


def iterate_predictions(
    model: Recognizer,
    cache: FrameSource,
    ids: Sequence[str],
    batch_size: int = 64,
    bf16: bool = False,
    views: Views = Views(),
) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    """Yield clip ids and probabilities [B, C] batch by batch; arguments as of `predict`."""
    model.eval()
    device = next(model.parameters()).device
    parts = [ids[start : start + batch_size] for start in range(0, len(ids), batch_size)]

    def load(number: int) -> list[Tensor]:
        return _frames(cache, parts[number], model.config, views.temporal)

    with Prefetcher(load, 0, len(parts), workers=1) as batches:
        for part in parts:
            crops = [crop for frames in batches.next() for crop in square_crops(frames.to(device), views.spatial)]
            yield part, _mean_softmax(model, crops, bf16).cpu().numpy()


@torch.inference_mode()
def _mean_softmax(model: Recognizer, views: Sequence[Tensor], bf16: bool) -> Tensor:
    """Probabilities [B, C], averaged over views uint8 [B, N, s, s, C].

    The head computes in float32 always: bfloat16 rounds logits to three digits, and classes would tie.
    """
    found = []
    for frames in views:
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=bf16):
            features = model.forward_features(to_model(frames, model.config.image_size))
        found.append(model.forward_head(features.fused.float()).softmax(-1))
    return torch.stack(found).mean(0)


def _frames(cache: FrameSource, ids: Sequence[str], config: ModelConfig, temporal: int) -> list[Tensor]:
    """uint8 [B, N, S, S, C] of each temporal view: the model's channels of the frames at (t + ½) / T of each span."""
    within, part = [(t + 0.5) / temporal for t in range(temporal)], channel_slice(config.modality, cache.modality)
    views = [cache.gather(ids, centre_indices(cache, ids, config, position)) for position in within]
    return [torch.from_numpy(view[..., part]) for view in views]


def square_crops(frames: Tensor, spatial: int) -> list[Tensor]:
    """Spatial views: the whole frames, or 3 square crops along the longer side: [B, N, H, W, C] -> [B, N, s, s, C]."""
    if spatial == 1:
        return [frames]
    height, width = frames.shape[2:4]
    side = round(_CROP * min(height, width))
    down, right = height - side, width - side
    starts = [(down // 2, right * i // 2) if width >= height else (down * i // 2, right // 2) for i in range(3)]
    return [frames[:, :, top : top + side, left : left + side] for top, left in starts]


def save_predictions(
    path: Path,
    clips: Sequence[Clip],
    probabilities: Mapping[str, NDArray[np.float32]],
    failures: Mapping[str, str] | None = None,
    control: str = NONE,
) -> None:
    """Write one JSON line a clip: clip_id, label, probabilities, and the control's name, if any.

    Args:
        path: target.
        clips: in the order of the lines.
        probabilities: float32 [C] by clip id; a clip without them gets null, and the reason as `error`.
        failures: reasons of clips that did not decode, by clip id, as `FrameSource.failures`.
        control: manipulation of the frames, one of `gymqa.frames.controls.CONTROLS`.
    """
    lines = []
    for clip in clips:
        values = probabilities.get(clip.id)
        record: dict[str, object] = {"clip_id": clip.id, "label": clip.label, "probabilities": None}
        if values is None:
            record["error"] = (failures or {}).get(clip.id, f"clip {clip.id} is not in the frame cache")
        else:
            record["probabilities"] = [round(float(value), 6) for value in values]
        if control != NONE:
            record["control"] = control
        lines.append(json.dumps(record))
    write_text(path, "\n".join(lines) + "\n")


def begun_precision(target: Path, settings: Mapping[str, Any]) -> str | None:
    """The precision in which an interrupted run with these settings began to predict into `target`; None without one.

    Args:
        target: file of the predictions.
        settings: as of `opened_journal`, without `bf16`.
    """
    try:
        with _journal_path(target).open(encoding="utf-8") as file:
            there = json.loads(file.readline())
        bf16 = there.pop("bf16")
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return (BF16 if bf16 else FLOAT32) if there == json.loads(json.dumps(settings)) else None


def _journal_path(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


@contextmanager
def opened_journal(target: Path, settings: Mapping[str, Any]) -> Iterator[PredictionJournal]:
    """Open the journal of the predictions to be written to `target`; removed when the block ends without an error.

    Args:
        target: file of the predictions.
        settings: JSON values; predictions under other settings are discarded.

    Raises:
        GymQAError: another process predicts into the same file, or it cannot be written.
    """
    path = _journal_path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise GymQAError(f"cannot write {target}: {error.strerror or error}; choose another --out") from error
    with file:
        take_lock(file, str(target))
        yield PredictionJournal(file, _read_journal(file, json.dumps(settings, sort_keys=True)))
        path.unlink()


def _read_journal(file: IO[bytes], settings: str) -> dict[str, NDArray[np.float32]]:
    """Predictions under the same settings; truncates the file to its last whole line, or to the settings alone."""
    file.seek(0)
    whole = file.read()
    head, *lines = whole[: whole.rfind(b"\n") + 1].split(b"\n")
    try:
        noted = [json.loads(line) for line in lines[:-1]]
        found = {str(clip): np.asarray(row, np.float32) for clip, row in noted}
    except (ValueError, TypeError):
        head = b""  # damaged: start anew
    if head != settings.encode():
        file.truncate(0)
        _write(file, settings + "\n")
        return {}
    file.truncate(whole.rfind(b"\n") + 1)
    return found


def _write(file: IO[bytes], text: str) -> None:
    try:
        file.write(text.encode())
    except OSError as error:
        raise GymQAError(f"cannot write {file.name}: {error.strerror or error}; free space and retry") from error
