"""Rank and world size of a distributed run, read from the launcher's environment variables."""

import os
import threading
import time

from gymqa.errors import GymQAError

_WORLDS = {
    "WORLD_SIZE": "RANK",
    "PMI_SIZE": "PMI_RANK",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
}
"""Environment variable of the world size -> that of the rank, for each launcher."""


def in_world() -> bool:
    """Whether a launcher started this process as part of a process group (perhaps of one)."""
    return any(name in os.environ for name in _WORLDS)


def this_process() -> tuple[int, int]:
    """Return (rank, world size) of this process."""
    for size, rank in _WORLDS.items():
        if size in os.environ:
            return int(os.environ.get(rank, "0")), int(os.environ[size])
    return 0, 1


def require_no_other(script: str) -> None:
    """Refuse to run as a single process when accelerate was asked for several.

    Args:
        script: the script that starts several, such as "scripts/evaluate.py".

    Raises:
        GymQAError: accelerate did not start the other processes.
    """
    if left_out():
        raise GymQAError(
            "accelerate launch starts one process on CPUs, whatever --num_processes says (it leaves the others to "
            f"mpirun); launch {script}, which starts them itself"
        )


def end_with_launcher() -> None:
    """Exit this process of a process group soon after its launcher has ended for any reason."""
    if not in_world():
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def left_out() -> bool:
    """Whether accelerate was asked for several processes but started only this one."""
    return "MASTER_ADDR" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ and not in_world()
