"""Validation accuracy during a training, each process predicting a shard (own file: needs no state of the loop)."""

from collections.abc import Sequence
from pathlib import Path

from accelerate.utils import gather_object

from eval.metrics.accuracy import accuracies
from gymqa.finegym.annotations import Clip
from gymqa.frames.source import FrameSource
from recognizers.backbones.base import Recognizer
from recognizers.predict import iterate_predictions

BEST = Path("checkpoints") / "best"


def validate(
    model: Recognizer, cache: FrameSource, clips: Sequence[Clip], bf16: bool, process: tuple[int, int] = (0, 1)
) -> dict[str, float]:
    """Accuracies on the clips, each process predicting its shard; a clip that is not in the cache is wrong.

    Args:
        model: on its device; set to evaluation mode.
        cache: frames.
        clips: labelled clips.
        bf16: compute in bfloat16.
        process: rank and number of processes.

    Returns:
        top1 and mean_class, in [0, 1].
    """
    rank, processes = process
    ids = [clip.id for clip in clips if clip.id in cache][rank::processes]
    found = [
        (clip_id, int(row.argmax()))
        for part, rows in iterate_predictions(model, cache, ids, bf16=bf16)
        for clip_id, row in zip(part, rows, strict=True)
    ]
    predicted = dict(gather_object(found))
    return accuracies([clip.label or 0 for clip in clips], [predicted.get(clip.id, -1) for clip in clips])
