"""Which of several processes this is, as their launcher's environment variables say."""

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
"""How many processes there are, and which of them this is: set in one of several processes."""


def in_world() -> bool:
    """Whether this process is one of several, or of one, that know of each other."""
    return any(name in os.environ for name in _WORLDS)


def this_process() -> tuple[int, int]:
    """Return this process's number, and how many were started together."""
    for size, rank in _WORLDS.items():
        if size in os.environ:
            return int(os.environ.get(rank, "0")), int(os.environ[size])
    return 0, 1


def require_no_other(script: str) -> None:
    """Refuse to be the only process where accelerate was asked for several.

    Args:
        script: what would have started them: "scripts/evaluate.py".

    Raises:
        GymQAError: accelerate left the others out.
    """
    if left_out():
        raise GymQAError(
            "accelerate launch starts one process on CPUs, whatever --num_processes says (it leaves the others to "
            f"mpirun); launch {script}, which starts them itself"
        )


def end_with_launcher() -> None:
    """End this process, one of several, soon after the one that started it has ended, however that ended."""
    if not in_world():
        return
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def left_out() -> bool:
    """Whether accelerate was asked for several processes and started this one only."""
    return "MASTER_ADDR" in os.environ and "ACCELERATE_MIXED_PRECISION" in os.environ and not in_world()
