"""Class probabilities of clips from a trained recognizer: deterministic views, averaged.

One view is the whole picture and the middle frame of each span. T × S views look at T frames of each span in turn, and
at S places of the picture.
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
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.loader import Prefetcher, centre_indices
from recognizers.ssl.augment import to_model

Probabilities = dict[str, NDArray[np.float32]]
_CROP = 7 / 8  # of the short side, where several places are looked at; 224 of 256 pixels


@dataclass(frozen=True)
class Views:
    """How many views of a clip are averaged.

    Attributes:
        temporal: T, frames of each span, evenly spaced.
        spatial: 1, the whole picture, or 3, squares at the start, middle and end of its longer side.
    """

    temporal: int = 1
    spatial: int = 1

    def __post_init__(self) -> None:
        if self.temporal < 1 or self.spatial not in (1, 3):
            raise GymQAError(f"{self.temporal} × {self.spatial} views cannot be taken; choose T × 1 or T × 3, T from 1")


class PredictionJournal:
    """Made by `opened_journal`.

    Attributes:
        found: float32 [C] by clip id, of this run and of earlier ones that were killed.
    """

    def __init__(self, file: IO[bytes], found: dict[str, NDArray[np.float32]]) -> None:
        self._file, self.found = file, found

    def add(self, clip_ids: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Note a batch, [B, C]; it is in the file when this returns.

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
    """Probabilities of each clip that is in the cache.

    Args:
        model: on the device it is to run on; its mode is set to evaluation.
        cache: frames of the model's modality, or a view of them; clips that did not decode are left
            out of the result, for the caller to count as unanswered.
        clips: which ones.
        batch_size: clips at a time.
        bf16: compute in bfloat16.
        views: whose probabilities are averaged.
        journal: what earlier runs noted is taken from it, and every batch noted in it.

    Returns:
        float32 [C] by clip id.

    Raises:
        GymQAError: the frames are of another modality than the model's, or several places of skeletons are asked for.
    """
    require_modality(model.config.modality, cache, model.config.joints_of)
    if model.config.modality == "pose" and views.spatial > 1:
        raise GymQAError("skeletons are not looked at in several places; leave spatial_views at 1")
    ids = [clip.id for clip in clips if clip.id in cache]
    found: Probabilities = (
        {} if journal is None else {clip: journal.found[clip] for clip in ids if clip in journal.found}
    )
    missing = [clip for clip in ids if clip not in found]
    with progress_bar("recognizing", len(ids), len(found)) as bar:
        for part, rows in predictions_of(model, cache, missing, batch_size, bf16, views):
            if journal is not None:
                journal.add(part, rows)
            found.update(zip(part, rows, strict=True))
            bar.advance(len(part))
    return found


def predictions_of(
    model: Recognizer,
    cache: FrameSource,
    ids: Sequence[str],
    batch_size: int = 64,
    bf16: bool = False,
    views: Views = Views(),
) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    """Yield the clips' ids and probabilities [B, C], batch after batch; arguments as of `predict`."""
    model.eval()
    device = next(model.parameters()).device
    parts = [ids[start : start + batch_size] for start in range(0, len(ids), batch_size)]

    def load(number: int) -> list[Tensor]:
        return _frames(cache, parts[number], model.config, views.temporal)

    with Prefetcher(load, 0, len(parts), workers=1) as batches:
        for part in parts:
            seen = [look for frames in batches.next() for look in squares(frames.to(device), views.spatial)]
            yield part, _mean_softmax(model, seen, bf16).cpu().numpy()


@torch.inference_mode()
def _mean_softmax(model: Recognizer, seen: Sequence[Tensor], bf16: bool) -> Tensor:
    """Probabilities [B, C], averaged over views uint8 [B, N, s, s, C]."""
    found = []
    for frames in seen:
        with torch.autocast(frames.device.type, torch.bfloat16, enabled=bf16):
            logits = model(to_model(frames, model.config.image_size))
        found.append(logits.float().softmax(-1))
    return torch.stack(found).mean(0)


def _frames(cache: FrameSource, ids: Sequence[str], config: ModelConfig, temporal: int) -> list[Tensor]:
    """uint8 [B, N, S, S, C] of each temporal view: what the model sees of the frames at (t + ½) / T of each span."""
    within, part = [(t + 0.5) / temporal for t in range(temporal)], channel_slice(config.modality, cache.modality)
    looks = [cache.gather(ids, centre_indices(cache, ids, config, place)) for place in within]
    return [torch.from_numpy(look[..., part]) for look in looks]


def squares(frames: Tensor, spatial: int) -> list[Tensor]:
    """Views of the pictures: all of them, or 3 squares along the longer side: [B, N, H, W, C] -> [B, N, s, s, C]."""
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
    """One JSON line a clip: clip_id, label, probabilities; under a control its name, too.

    Args:
        path: target.
        clips: one line each, in this order.
        probabilities: float32 [C] by clip id; null is written for a clip without any, and the reason as `error`.
        failures: why a clip did not decode, by clip id, as `FrameSource.failures`.
        control: what was done to the frames, one of `gymqa.frames.controls.CONTROLS`.
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


@contextmanager
def opened_journal(target: Path, settings: Mapping[str, Any]) -> Iterator[PredictionJournal]:
    """The journal of the predictions that will be written to `target`; removed when the block ends without an error.

    Args:
        target: file of the predictions.
        settings: JSON values; what was noted under others is forgotten.

    Raises:
        GymQAError: another process predicts into the same file, or it cannot be written.
    """
    path = target.with_name(f".{target.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise GymQAError(f"cannot write {target}: {error.strerror or error}; choose another --out") from error
    with file:
        take_lock(file, str(target))
        yield PredictionJournal(file, _noted(file, json.dumps(settings, sort_keys=True)))
        path.unlink()


def _noted(file: IO[bytes], settings: str) -> dict[str, NDArray[np.float32]]:
    """What was noted under the same settings; the file then ends with its last whole line, or with the settings."""
    file.seek(0)
    whole = file.read()
    head, *lines = whole[: whole.rfind(b"\n") + 1].split(b"\n")
    try:
        noted = [json.loads(line) for line in lines[:-1]]
        found = {str(clip): np.asarray(row, np.float32) for clip, row in noted}
    except (ValueError, TypeError):
        head = b""  # damaged: vouches for nothing
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
