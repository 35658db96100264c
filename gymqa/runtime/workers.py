"""Worker processes: how many, what the user is told when the system kills one, and that none outlives its parent."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, ParamSpec, TypeVar

import psutil

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


Item = TypeVar("Item")
Made = TypeVar("Made")


AHEAD = 4  # items a worker that may be done before the first that is not: one that hangs holds up no more
_LOOK = 0.05  # seconds between two looks at the workers' time and memory
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one item may take: seconds, and gigabytes (1e9 bytes) of resident memory of its process; None is no limit.

    Raises:
        GymQAError: a limit of nothing.
    """

    timeout: float | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        if any(limit is not None and limit <= 0 for limit in (self.timeout, self.memory_gb)):
            raise GymQAError(f"{self} lets nothing be done; give more than 0, or leave a limit out")

    def __bool__(self) -> bool:
        return self.timeout is not None or self.memory_gb is not None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Lost:
    """An item that was given up with its process."""

    reason: str


def guarded_map(
    work: Callable[[Item], Made],
    items: Sequence[Item],
    workers: int,
    limits: Limits,
    begin: Callable[[], None],
) -> Iterator[Made | Lost]:
    """Yield work(item) for every item, in order, from several processes; at most AHEAD × workers results are held.

    Args:
        work: done in the workers; what it is and gives must pickle. What it raises is raised here.
        items: handed out one at a time.
        workers: processes.
        limits: of one item.
        begin: done once in each worker before its first item, outside the limits: imports.

    Raises:
        GymQAError: a worker does not get as far as its first item.
    """
    crew = [_Worker(work, begin) for _ in range(min(workers, len(items)))]
    done: dict[int, Made | Lost] = {}
    given = given_out = 0
    try:
        while given_out < len(items):
            for worker in crew:
                if worker.idle and given < min(len(items), given_out + AHEAD * len(crew)):
                    worker.give(given, items[given])
                    given += 1
            ready = wait([worker.connection for worker in crew], _LOOK if limits else None)
            for place, worker in enumerate(crew):
                found = worker.take() if worker.connection in ready else worker.excess(limits)
                if found is None:
                    continue
                done[worker.number] = found
                if isinstance(found, Lost):
                    worker.end()
                    crew[place] = _Worker(work, begin)
                else:
                    worker.idle = True
            while given_out in done:
                yield done.pop(given_out)
                given_out += 1
    finally:
        for worker in crew:
            worker.end()


class _Worker(Generic[Item, Made]):
    """A process, and the item it is at."""

    def __init__(self, work: Callable[[Item], Made], begin: Callable[[], None]) -> None:
        # spawn: decord and OpenMP do not survive a fork of a process that has used them
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.number, self.idle = -1, False
        self._since = time.monotonic()
        self._process = context.Process(target=_serve, args=(theirs, work, begin), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, number: int, item: Item) -> None:
        """Hand it an item."""
        self.number, self.idle, self._since = number, False, time.monotonic()
        with suppress(OSError):  # it has died, which `take` will find
            self.connection.send(item)

    def take(self) -> Made | Lost | None:
        """What it made of its item; None where it is only ready for the first.

        Raises:
            GymQAError: it died before its first item.
            Exception: what the work raised.
        """
        try:
            kind, found = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = f"signal {-code}" if code < 0 else f"status {code}"
            if self.number < 0:
                raise GymQAError(
                    f"a worker process died ({how}) before its work; run again with fewer workers"
                ) from None
            return Lost(f"its process died ({how})")
        if kind == _READY:
            self.idle = True
            return None
        if isinstance(found, Exception):
            raise found
        made: Made = found
        return made

    def excess(self, limits: Limits) -> Lost | None:
        """Why it has to be killed, if it has to."""
        if self.idle or self.number < 0:
            return None
        if limits.timeout is not None and time.monotonic() - self._since > limits.timeout:
            return Lost(f"timed out after {limits.timeout:g} s")
        if limits.memory_gb is not None and self._resident() > limits.memory_gb * 1e9:
            return Lost(f"took more than {limits.memory_gb:g} GB of memory")
        return None

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _resident(self) -> int:
        """Bytes of its memory that are not swapped out; 0 once it has died."""

        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0


def _serve(connection: Connection, work: Callable[[Any], Any], begin: Callable[[], None]) -> None:
    """Do items until the parent ends; Ctrl-C is left to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    begin()
    connection.send((_READY, None))
    while True:
        item = connection.recv()
        try:
            found = work(item)
        except Exception as error:
            found = error
        connection.send(("", found))
