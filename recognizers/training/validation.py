"""How good weights are on a validation part of the training clips, and the best of a run."""

from collections.abc import Sequence
from pathlib import Path

from accelerate.utils import gather_object

from eval.metrics.recognition import accuracies
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
