"""Worker processes: how many, what the user is told when the system kills one, and that none outlives its parent."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from gymqa.errors import GymQAError


def worker_count(workers: int | None) -> int:
    """Return how many processes to start; None means one for each core.

    Raises:
        GymQAError: fewer than one.
    """
    if workers is not None and workers < 1:
        raise GymQAError(f"{workers} workers can do nothing; give 1 or more, or none for one a core")
    return workers or os.cpu_count() or 1


@contextmanager
def deaths_reported(what: str, mend: str) -> Iterator[None]:
    """Raise GymQAError where a worker process of the block was killed.

    Args:
        what: the worker's work, as in "a rendering process was killed".
        mend: what to do, as in "run again with fewer workers".
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise GymQAError(f"a {what} process was killed (too little memory, most likely); {mend}") from error


def end_with_parent() -> None:
    """End this worker process with the one that started it, however that ends; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
