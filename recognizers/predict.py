"""Class probabilities of clips from a trained recognizer: the whole picture, the middle frame of each span."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gymqa.annotations import Clip
from gymqa.atomic import write_text
from gymqa.frames import FrameCache
from gymqa.progress import progress_bar
from recognizers.augment import to_model
from recognizers.batches import centre_indices
from recognizers.sefar import SeFAR

Probabilities = dict[str, NDArray[np.float32]]


def predict(
    model: SeFAR, cache: FrameCache, clips: Sequence[Clip], batch_size: int = 64, bf16: bool = False
) -> Probabilities:
    """Probabilities of each clip that is in the cache.

    Args:
        model: on the device it is to run on; its mode is set to evaluation.
        cache: frames; clips that did not decode are left out of the result, for the caller to count as unanswered.
        clips: which ones.
        batch_size: clips at a time.
        bf16: compute in bfloat16.

    Returns:
        float32 [C] by clip id.
    """
    model.eval()
    device = next(model.parameters()).device
    ids = [clip.id for clip in clips if clip.id in cache]
    found: Probabilities = {}
    with progress_bar("recognizing", len(ids)) as bar, torch.inference_mode():
        for start in range(0, len(ids), batch_size):
            part = ids[start : start + batch_size]
            frames = torch.from_numpy(cache.gather(part, centre_indices(cache, part, model.config.elements)))
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = model(to_model(frames.to(device), model.config.image_size))
            found.update(zip(part, logits.float().softmax(-1).cpu().numpy(), strict=True))
            bar.advance(len(part))
    return found


def save_predictions(
    path: Path,
    clips: Sequence[Clip],
    probabilities: Mapping[str, NDArray[np.float32]],
    failures: Mapping[str, str] | None = None,
) -> None:
    """One JSON line a clip: clip_id, label, probabilities.

    Args:
        path: target.
        clips: one line each, in this order.
        probabilities: float32 [C] by clip id; null is written for a clip without any, and the reason as `error`.
        failures: why a clip did not decode, by clip id, as `FrameCache.failures`.
    """
    lines = []
    for clip in clips:
        values = probabilities.get(clip.id)
        record: dict[str, object] = {"clip_id": clip.id, "label": clip.label, "probabilities": None}
        if values is None:
            record["error"] = (failures or {}).get(clip.id, f"clip {clip.id} is not in the frame cache")
        else:
            record["probabilities"] = [round(float(value), 6) for value in values]
        lines.append(json.dumps(record))
    write_text(path, "\n".join(lines) + "\n")
