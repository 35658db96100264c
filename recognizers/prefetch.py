"""Batches made ahead of the step that needs them, on threads, in the order of the steps.

Threads, not processes: decoding a JPEG and copying frames leave Python's lock, a thread starts at once, and nothing
has to be sent. What a step gets depends on its number alone, so neither the number of threads nor a stop shows in it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from gymqa.errors import GymQAError

Batch = TypeVar("Batch", bound=Sized)
AHEAD = 2  # batches ready or being made, for each thread


@dataclass(slots=True)
class Loading:
    """What was loaded so far: clips (`len` of the batches), seconds of the threads, seconds waited for them."""

    clips: int = 0
    busy: float = 0.0
    waited: float = 0.0


class Prefetcher(Generic[Batch]):
    """What `load` makes of steps `first`, `first` + 1, … up to `last` - 1; `next` gives them one after another.

    Args:
        load: makes one step's batch from the step's number alone.
        first: the first step that is asked for.
        last: the first that is not.
        workers: threads; 0 loads when asked.

    Raises:
        GymQAError: fewer than 0 threads.
    """

    def __init__(self, load: Callable[[int], Batch], first: int, last: int, workers: int) -> None:
        if workers < 0:
            raise GymQAError(f"{workers} loading threads cannot be started; give 0 or more")
        self.loading = Loading()
        self._load, self._step, self._last, self._limit = load, first, last, AHEAD * workers
        self._lock = threading.Lock()
        self._ready: deque[Future[Batch]] = deque()
        self._pool = ThreadPoolExecutor(workers, "loading") if workers else None

    def __enter__(self) -> "Prefetcher[Batch]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what nobody asked for yet; a batch being made is waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def next(self) -> Batch:
        """The next step's batch, or what went wrong in making it."""
        began = time.perf_counter()
        if self._pool is None:
            self._step += 1
            batch = self._timed(self._step - 1)
        else:
            self._fill(self._pool)
            batch = self._ready.popleft().result()
            self._fill(self._pool)
        self.loading.waited += time.perf_counter() - began
        return batch

    def _fill(self, pool: ThreadPoolExecutor) -> None:
        """Ask for as many steps as may lie ready."""
        while self._step < self._last and len(self._ready) < self._limit:
            self._ready.append(pool.submit(self._timed, self._step))
            self._step += 1

    def _timed(self, step: int) -> Batch:
        began = time.perf_counter()
        batch = self._load(step)
        with self._lock:
            self.loading.clips += len(batch)
            self.loading.busy += time.perf_counter() - began
        return batch
