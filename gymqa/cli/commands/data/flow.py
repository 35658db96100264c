"""`gymqa flow`: compute the optical flow of cached clips into a flow cache."""

from pathlib import Path

from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.flow import FlowMethod, build_flow
from gymqa.runtime.workers import Limits


def flow(
    out: Path = Path("runs/flow"),
    method: FlowMethod = "tvl1",
    workers: int | None = None,
    format: FrameFormat | None = None,
    verify: bool = False,
    timeout: float | None = 1800.0,
    memory_gb: float | None = 4.0,
    *,
    frames: Path,
) -> None:
    """Compute the optical flow of the clips in a frame cache, for recognizers of modality flow.

    An interrupted run resumes with the same command; clips that failed are retried.

        gymqa cache runs/gymsim --lists runs/splits/labelled.txt --out runs/frames --size 64
        gymqa flow --frames runs/frames --method dis --out runs/flow
        gymqa train runs/splits runs/flow --training.initial none --training.model.modality flow

    Flow is computed from each cached frame to the next. The frame cache keeps at most --max_frames of a clip, evenly
    spaced: give `gymqa cache` a larger number if the motion between frames must stay small. Motion is stored from -20
    to 20 pixels of the cached frames.

    Args:
        out: folder of the flow cache, used by `gymqa train`, `predict` and `extract` instead of frames.
        method: tvl1, the usual choice of two-stream networks, or dis, less accurate and many times faster.
        workers: number of processes; by default one per core.
        format: raw (fastest) or jpeg (smaller); by default raw up to 8 GiB.
        verify: check the whole cache first, and compute damaged clips again.
        timeout: time limit of one clip in seconds; beyond it the process is killed and the clip has no flow. "null" for
            no limit.
        memory_gb: memory limit of the process of one clip in gigabytes, likewise.
        frames: folder of `gymqa cache`, which is only read.
    """
    found = build_flow(out, frames, method, workers, format, verify, Limits(timeout, memory_gb))
    print(f"{out}: {len(found)} clips, {method}, {found.format}")
    for clip_id, reason in found.failures.items():
        print(f"no flow: {clip_id}: {reason}")


COMMAND = flow
