"""What hangs, eats the memory or dies is killed with its process and counted; everything else is done, in order."""

import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from gymqa.runtime.workers import Limits, Lost, guarded_map
from tests.helpers.naming import naming

WORKERS = 2


def nothing() -> None:
    pass


def double(item: int) -> int:
    """Twice the item; 3 hangs, 5 dies, 7 eats memory, 9 is refused."""
    if item == 3:
        time.sleep(600)
    if item == 5:
        os.abort()
    if item == 7:
        eaten = []
        while True:
            eaten.append(np.ones(20_000_000, np.uint8))
            time.sleep(0.01)  # a machine's memory is not ours to fill
    if item == 9:
        raise GymQAError("no nines")
    return 2 * item


@pytest.mark.slow
def test_a_worker_that_hangs_or_dies_costs_its_item_only() -> None:
    items = [0, 1, 3, 4, 5, 6, 8]
    found = list(guarded_map(double, items, WORKERS, Limits(timeout=3), nothing))
    lost = {3: "timed out after 3 s", 5: "its process died (signal 6)"}
    assert found == [Lost(lost[item]) if item in lost else 2 * item for item in items]
    assert spawned() == []


@pytest.mark.slow
def test_a_worker_that_eats_memory_costs_its_item_only() -> None:
    found = list(guarded_map(double, [0, 7, 1], 1, Limits(memory_gb=0.5), nothing))
    assert found == [0, Lost("took more than 0.5 GB of memory"), 2]


def spawned() -> list[psutil.Process]:
    """The workers that are alive."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_what_the_work_raises_is_raised_and_no_process_is_left() -> None:
    with pytest.raises(GymQAError, match="no nines"):
        list(guarded_map(double, [0, 9], WORKERS, Limits(), nothing))
    assert spawned() == []


@pytest.mark.slow
def test_a_process_that_cannot_begin_is_told_and_not_started_for_ever() -> None:
    with pytest.raises(GymQAError, match=naming("signal 6")):
        list(guarded_map(double, [0], WORKERS, Limits(), os.abort))


@pytest.mark.parametrize("limits", [(0, None), (None, -1.0)])
def test_a_limit_of_nothing_is_refused(limits: tuple[float | None, float | None]) -> None:
    with pytest.raises(GymQAError, match=naming(*limits)):
        Limits(*limits)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips that decode; between them one that hangs and one that is far too large."""
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a", "d"):
        write_video(folder / f"{name}.mp4", np.full((4, 64, 64, 3), ord(name), np.uint8))
    hanging_video(folder / "b.mp4")
    (folder / "c.mp4").mkdir()
    cv2.imwrite(str(folder / "c.mp4" / "000.png"), np.zeros((10_000, 10_000, 3), np.uint8))
    return folder


def hanging_video(path: Path) -> None:
    """A video as a folder of frames, whose only frame is a pipe that nobody writes into."""
    path.mkdir()
    os.mkfifo(path / "000.png")


def build(folder: Path, videos: Path, clips: str, workers: int, limits: Limits) -> FrameCache:
    return FrameCache.build(folder, clips, lambda clip: videos / f"{clip}.mp4", 16, 8, workers, limits=limits)


@pytest.mark.slow
def test_a_video_that_hangs_the_decoder_is_counted_and_the_cache_goes_on(tmp_path: Path, videos: Path) -> None:
    caches = [build(tmp_path / str(workers), videos, "abd", workers, Limits(timeout=3)) for workers in (1, 2)]
    for cache in caches:
        assert cache.clip_ids == ["a", "d"]
        assert cache.failures == {"b": f"{videos / 'b.mp4'}: timed out after 3 s"}
    for name in ("frames.bin", "clips.jsonl"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.slow
def test_a_video_that_eats_the_memory_is_counted_and_the_cache_goes_on(tmp_path: Path, videos: Path) -> None:
    cache = build(tmp_path, videos, "acd", 1, Limits(memory_gb=0.4))
    assert cache.clip_ids == ["a", "d"]
    assert cache.failures == {"c": f"{videos / 'c.mp4'}: took more than 0.4 GB of memory"}


@pytest.mark.slow
def test_the_command_says_which_clip_hung(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, clip = tmp_path / "release", sorted((gymsim_root / "subactions").glob("*.mp4"))[0].stem
    shutil.copytree(gymsim_root / "annotations", root / "annotations")
    (root / "subactions").mkdir()
    hanging_video(root / "subactions" / f"{clip}.mp4")
    (tmp_path / "list.txt").write_text(f"{clip} 0\n")
    words = ["cache", str(root), "--lists", str(tmp_path / "list.txt"), "--out", str(tmp_path / "frames")]
    assert cli.main([*words, "--timeout", "1"]) == 0
    printed = capsys.readouterr().out
    assert "0 clips" in printed and f"not decoded: {clip}: " in printed and "timed out after 1 s" in printed
    (root / "subactions" / f"{clip}.mp4" / "000.png").unlink()
    cv2.imwrite(str(root / "subactions" / f"{clip}.mp4" / "000.png"), np.zeros((64, 64, 3), np.uint8))
    assert cli.main(words) == 0
    assert "1 clips" in capsys.readouterr().out
