"""Shared parts of the tests: a small rendered release, and where the real data lies when there is some."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.helpers.places import SHARED

if TYPE_CHECKING:
    from gymqa.finegym.splits import Splits
    from gymqa.frames.cache import FrameCache
    from tests.helpers.evaluation_world import EvaluationWorld

settings.register_profile("gymqa", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("gymqa")

# Before torch is imported: several pytest processes share the cores, and threads that spin starve each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def built_once(paths: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """The folder that the first of pytest's processes to need it builds and the others read; no test writes there."""
    from gymqa.io.files import waiting_for_lock

    base = paths.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    built = folder.with_suffix(".built")
    with waiting_for_lock(folder.with_suffix(".lock")):
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            built.touch()
    return folder


@pytest.fixture(scope="session")
def gymsim_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GymSim release: 3 training and 2 validation competitions of 24 elements, 64 px, one raw video."""
    from gymqa.sim.release import ReleaseConfig, render_release

    config = ReleaseConfig(train_videos=3, val_videos=2, raw_videos=1, size=64)
    return built_once(tmp_path_factory, "gymsim", lambda folder: render_release(folder, config))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    folder = SHARED
    if not (folder / "finegym").is_dir():
        pytest.skip(f"real data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> "tuple[FrameCache, Splits]":
    """The frames and splits of `training_world`, to train on."""
    from tests.helpers.training_world import make_world, read_world

    return read_world(built_once(tmp_path_factory, "training", make_world))


@pytest.fixture(scope="session")
def asked_world(tmp_path_factory: pytest.TempPathFactory) -> "EvaluationWorld":
    """What `evaluate` needs: the questions, frames, features and models of `evaluation_world`."""
    from tests.helpers.evaluation_world import EvaluationWorld, make_world

    return EvaluationWorld(built_once(tmp_path_factory, "evaluation", make_world))
