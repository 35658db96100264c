"""Worker processes: how many, what the user is told when the system kills one, and that none outlives its parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from gymqa.errors import GymQAError

P = ParamSpec("P")
T = TypeVar("T")


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


def start_worker() -> None:
    """Begin a worker whose jobs are `interruptible`: it ignores Ctrl-C between them and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def interruptible(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do a worker's job, which Ctrl-C stops at once, so that what is half-written is removed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return job(*args, **kwargs)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
