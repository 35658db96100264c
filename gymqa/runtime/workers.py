"""Worker processes: their number, killed workers, time and memory limits per item, ordered parallel map."""

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
    """Return the number of processes to start; None means one per core.

    Raises:
        GymQAError: the number is below one.
    """
    if workers is not None and workers < 1:
        raise GymQAError(f"{workers} workers cannot be started; give 1 or more, or leave it out for one per core")
    return workers or os.cpu_count() or 1


@contextmanager
def deaths_reported(what: str, mend: str) -> Iterator[None]:
    """Raise GymQAError if a worker process of the block was killed.

    Args:
        what: the kind of worker, as in "a rendering process was killed".
        mend: what the user can do, as in "run again with fewer workers".
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise GymQAError(f"a {what} process was killed (too little memory, most likely); {mend}") from error


def end_with_parent() -> None:
    """Exit this worker process when its parent ends for any reason; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def start_worker() -> None:
    """Initialize a worker whose jobs are `interruptible`: it ignores Ctrl-C between jobs and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def interruptible(job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a worker's job so that Ctrl-C interrupts it and partially written files are removed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return job(*args, **kwargs)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


Item = TypeVar("Item")
Result = TypeVar("Result")


_AHEAD = 4  # finished items per worker that may wait for the first unfinished one; a hanging item blocks no more
_POLL_SECONDS = 0.05  # interval of checks of the workers' time and memory
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one item: seconds, and gigabytes (1e9 bytes) of its process's resident memory; None is no limit.

    Raises:
        GymQAError: a limit is not positive.
    """

    timeout: float | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        if any(limit is not None and limit <= 0 for limit in (self.timeout, self.memory_gb)):
            raise GymQAError(f"{self}: a limit must be above 0; give another, or leave it out")

    def __bool__(self) -> bool:
        return self.timeout is not None or self.memory_gb is not None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Lost:
    """An item whose process died or was killed at a limit."""

    reason: str


def guarded_map(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, limits: Limits, begin: Callable[[], None]
) -> Iterator[Result | Lost]:
    """Yield work(item) for every item, in order, from several processes; at most _AHEAD × workers results are buffered.

    Args:
        work: runs in the workers; it and its results must be picklable. Its exceptions are raised here.
        items: sent to the workers one at a time.
        workers: number of processes.
        limits: limits of one item.
        begin: runs once in each worker before its first item, outside the limits, for imports.

    Raises:
        GymQAError: a worker dies before its first item.
    """
    pool = [_Worker(work, begin) for _ in range(min(workers, len(items)))]
    done: dict[int, Result | Lost] = {}
    n_sent = n_yielded = 0
    try:
        while n_yielded < len(items):
            for worker in pool:
                if worker.idle and n_sent < min(len(items), n_yielded + _AHEAD * len(pool)):
                    worker.send(n_sent, items[n_sent])
                    n_sent += 1
            ready = wait([worker.connection for worker in pool], _POLL_SECONDS if limits else None)
            for slot, worker in enumerate(pool):
                result = worker.receive() if worker.connection in ready else worker.limit_exceeded(limits)
                if result is None:
                    continue
                done[worker.number] = result
                if isinstance(result, Lost):
                    worker.end()
                    pool[slot] = _Worker(work, begin)
                else:
                    worker.idle = True
            while n_yielded in done:
                yield done.pop(n_yielded)
                n_yielded += 1
    finally:
        for worker in pool:
            worker.end()


class _Worker(Generic[Item, Result]):
    """A worker process and the item it works on."""

    def __init__(self, work: Callable[[Item], Result], begin: Callable[[], None]) -> None:
        # spawn: decord and OpenMP do not survive a fork of a process that has used them
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.number, self.idle = -1, False
        self._since = time.monotonic()
        self._process = context.Process(target=_serve, args=(theirs, work, begin), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, number: int, item: Item) -> None:
        """Send the worker an item."""
        self.number, self.idle, self._since = number, False, time.monotonic()
        with suppress(OSError):  # it has died, which `receive` reports
            self.connection.send(item)

    def receive(self) -> Result | Lost | None:
        """The result of its item; None when it only reports that it is ready for the first one.

        Raises:
            GymQAError: it died before its first item.
            Exception: whatever the work raised.
        """
        try:
            kind, result = self.connection.recv()
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
        if isinstance(result, Exception):
            raise result
        received: Result = result
        return received

    def limit_exceeded(self, limits: Limits) -> Lost | None:
        """The limit that its item has exceeded, if any."""
        if self.idle or self.number < 0:
            return None
        if limits.timeout is not None and time.monotonic() - self._since > limits.timeout:
            return Lost(f"timed out after {limits.timeout:g} s")
        if limits.memory_gb is not None and self._resident() > limits.memory_gb * 1e9:
            return Lost(f"took more than {limits.memory_gb:g} GB of memory")
        return None

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _resident(self) -> int:
        """Resident memory of the process in bytes; 0 once it has died."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0


def _serve(connection: Connection, work: Callable[[Any], Any], begin: Callable[[], None]) -> None:
    """Work on items until the parent ends, which alone handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    begin()
    connection.send((_READY, None))
    while True:
        item = connection.recv()
        try:
            result = work(item)
        except Exception as error:
            result = error
        connection.send(("", result))
