"""Extract in child processes that are killed again and again: `killing_extractor.py CACHE VIT OUT WHOLE`.

Torch is imported once; each child is a fork, which is safe with one thread (OMP_NUM_THREADS=1).
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from encoders.features import extract as features
from encoders.features import store as feature_store
from encoders.video.image import ImageEncoder
from gymqa.frames.cache import FrameCache

features.BATCH = 4


def child(cache: Path, vit: Path, out: Path, saves: int = 0, half: bool = False) -> int:
    """Start a child that dies by SIGKILL behind its n-th shard, or in the middle of writing the one after it."""
    process = os.fork()
    if process:
        return process
    save, written = feature_store.save_file, 0

    def counted(tensors: Any, path: Path, header: Any) -> None:
        nonlocal written
        if saves and written == saves:
            if half:
                save(tensors, path, header)
                os.truncate(path, 100)
            os.kill(os.getpid(), signal.SIGKILL)
        save(tensors, path, header)
        written += 1

    feature_store.save_file = counted  # type: ignore[assignment]
    frames = FrameCache(cache)
    features.extract(ImageEncoder(vit), frames, frames.clip_ids, out, views=2)
    os._exit(0)


def main(cache: Path, vit: Path, out: Path, whole: Path) -> None:
    """Extract into `whole` without a kill, then into `out` with three."""
    assert os.waitpid(child(cache, vit, whole), 0)[1] == 0
    for saves, half in ((1, False), (2, True), (1, True)):
        assert os.waitpid(child(cache, vit, out, saves, half), 0)[1] == signal.SIGKILL
        assert list(out.glob(".shard-*")) if half else True
    assert os.waitpid(child(cache, vit, out), 0)[1] == 0


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
