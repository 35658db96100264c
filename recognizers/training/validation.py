"""How good weights are on a validation part of the training clips, and the best of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accelerate.utils import gather_object

from gymqa.finegym.annotations import Clip
from gymqa.frames.source import FrameSource
from recognizers.backbones.base import Recognizer
from recognizers.predict import predictions_of

BEST = Path("checkpoints") / "best"


def validate(
    model: Recognizer, cache: FrameSource, clips: Sequence[Clip], bf16: bool, process: tuple[int, int] = (0, 1)
) -> dict[str, float]:
    """Accuracies on the clips, each process predicting its part; a clip that is not in the cache is wrong.

    Args:
        model: on its device; its mode is set to evaluation.
        cache: frames.
        clips: with labels.
        bf16: compute in bfloat16.
        process: this process's number and how many there are.

    Returns:
        top1 and mean_class, in [0, 1].
    """
    rank, processes = process
    ids = [clip.id for clip in clips if clip.id in cache][rank::processes]
    found = [
        (clip_id, int(row.argmax()))
        for part, rows in predictions_of(model, cache, ids, bf16=bf16)
        for clip_id, row in zip(part, rows, strict=True)
    ]
    predicted = dict(gather_object(found))
    return accuracies([clip.label or 0 for clip in clips], [predicted.get(clip.id, -1) for clip in clips])


def accuracies(labels: Sequence[int], predicted: Sequence[int]) -> dict[str, float]:
    """Share of clips that are right, and the share within each class that has clips, averaged over the classes."""
    of, right = np.asarray(labels), np.equal(labels, predicted)
    return {
        "top1": float(right.mean()),
        "mean_class": float(np.mean([right[of == label].mean() for label in np.unique(of)])),
    }
