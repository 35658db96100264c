"""`gymqa fuse`: average the class probabilities of several recognizers (late fusion)."""

from pathlib import Path

from eval.metrics.fusion import control_of, fuse, save_fused
from eval.metrics.recognition import summary


def fuse_files(files: list[Path], out: Path = Path("runs/fused.jsonl")) -> None:
    """Average the class probabilities of two or more recognizers over the same clips, as two-stream networks do.

    The output has the format of `gymqa predict`, and `gymqa metrics` scores it with intervals. A clip without
    probabilities of one recognizer has none in the output, with the reason, and counts as wrong.

        gymqa predict runs/rgb runs/frames --clips runs/splits/val.txt --out runs/rgb.jsonl
        gymqa predict runs/on-flow runs/flow --clips runs/splits/val.txt --out runs/flow.jsonl
        gymqa fuse runs/rgb.jsonl runs/flow.jsonl --out runs/2stream.jsonl

    Args:
        files: predictions of `gymqa predict` with the same clips, labels and number of classes.
        out: file to write, one JSON object per line.
    """
    fused = fuse(files)
    save_fused(out, fused, control_of(files))
    print(f"{out}: the mean of {len(files)} over {len(fused.labels)} clips, {len(fused.errors)} without probabilities")
    print(", ".join(f"{name} {100 * value:.1f} %" for name, value in summary(fused).items()))


COMMAND = fuse_files
