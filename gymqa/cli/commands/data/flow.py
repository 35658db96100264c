"""`gymqa flow`: optical flow of every cached clip, once."""

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
    """Compute the optical flow of the clips in a frame cache, for recognizers that see movement instead of colours.

    Stopped, the same command goes on with the clips still missing; clips that failed are tried again, and none is put
    in the place of another.

        gymqa cache runs/gymsim --lists runs/splits/labelled.txt --out runs/frames --size 64
        gymqa flow --frames runs/frames --method dis --out runs/flow
        gymqa train runs/splits runs/flow --training.initial none --training.model.modality flow

    Flow leads from each cached frame to the next. A cache keeps at most --max_frames of a clip, evenly spaced: give
    `gymqa cache` more of them where a movement between two must stay small. Movements are kept from -20 to 20 pixels of
    the cached frames.

    Args:
        out: folder of the flow, for `gymqa train`, `predict` and `extract` in the place of frames.
        method: tvl1, which two-stream networks are published with, or dis,
            less exact and many times as fast.
        workers: processes; one for each core when not given.
        format: raw is fastest, jpeg takes less room; when not given, raw up to 8 GiB.
        verify: read the whole cache first, and compute damaged clips again.
        timeout: seconds that one clip may take; one that takes more is killed with its process and has no flow.
            "null" for no limit.
        memory_gb: gigabytes that the process of one clip may take, likewise.
        frames: folder of `gymqa cache`; it is read and not changed.
    """
    found = build_flow(out, frames, method, workers, format, verify, Limits(timeout, memory_gb))
    print(f"{out}: {len(found)} clips, {method}, {found.format}")
    for clip_id, reason in found.failures.items():
        print(f"no flow: {clip_id}: {reason}")


COMMAND = flow
