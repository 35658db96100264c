"""The benchmark of flow holds one thread against one thread."""

from pathlib import Path

import cv2
import flow_speed
import numpy as np
import pytest
from numpy.typing import NDArray

from gymqa.finegym.annotations import open_release
from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import FlowMethod


@pytest.mark.slow
def test_the_baseline_computes_in_one_thread(
    gymsim_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, threads, one_field = open_release(gymsim_root), [], flow_speed.one_field
    clip = release.read_clips(release.train_list)[0].id

    def watched(path: Path, first: int, second: int, size: int, method: FlowMethod) -> NDArray[np.uint8]:
        threads.append(cv2.getNumThreads())
        return one_field(path, first, second, size, method)

    monkeypatch.setattr(flow_speed, "one_field", watched)
    cache = FrameCache.build(tmp_path, [clip], release.clip_path, 32, workers=1)
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        speed, fields = flow_speed.baseline({clip: release.clip_path(clip)}, cache, "dis")
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
    assert threads == [1] * len(fields[clip][0]) and speed.clock > 0
