"""Clip batches of training steps from a frame source, and prefetching threads.

The clips and frames of a step depend on seed and step alone, so there is no loader state to save: a resumed run asks
for the step it stopped at.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.frames.sampling import Indices
from gymqa.frames.source import FrameSource
from recognizers.backbones.base import ModelConfig


@dataclass(frozen=True, slots=True)
class ClipBatch:
    """Frames uint8 [B, N, S, S, C], labels [B] (-1 where unlabelled), and positions [B] of the clips in their pool."""

    frames: Tensor
    labels: Tensor
    positions: Tensor
    clip_ids: tuple[str, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> "ClipBatch":
        """The same clips with changed tensors."""
        return ClipBatch(change(self.frames), change(self.labels), change(self.positions), self.clip_ids)

    def parts(self, n: int) -> list["ClipBatch"]:
        """The clips in `n` parts of equal size."""
        size = len(self.clip_ids) // n
        cuts = [slice(start, start + size) for start in range(0, n * size, size)]
        return [ClipBatch(self.frames[cut], self.labels[cut], self.positions[cut], self.clip_ids[cut]) for cut in cuts]


@dataclass(frozen=True, slots=True)
class StepClips:
    """One process's clips of one step; `unlabelled` is None while unlabelled clips are not used."""

    labelled: ClipBatch
    unlabelled: ClipBatch | None

    @property
    def ids(self) -> tuple[str, ...]:
        """The clips' ids."""
        return self.labelled.clip_ids + (self.unlabelled.clip_ids if self.unlabelled else ())

    def __len__(self) -> int:
        return len(self.ids)

    def map(self, change: Callable[[Tensor], Tensor]) -> "StepClips":
        """The same clips with changed tensors."""
        return StepClips(self.labelled.map(change), self.unlabelled.map(change) if self.unlabelled else None)

    def to(self, device: torch.device) -> "StepClips":
        """The same clips on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def parts(self, n: int) -> list["StepClips"]:
        """The clips in `n` parts of equal size."""
        if self.unlabelled is None:
            return [StepClips(part, None) for part in self.labelled.parts(n)]
        both = zip(self.labelled.parts(n), self.unlabelled.parts(n), strict=True)
        return [StepClips(labelled, unlabelled) for labelled, unlabelled in both]


class ClipBatches:
    """An endless stream of shuffled batches over a pool of clips, epoch after epoch.

    Args:
        cache: source of the frames.
        clips: the pool; all must be in the cache.
        model: samples the frames of a clip.
        size: batch size over all processes.
        seed: of shuffling and frame sampling, together with the step; must differ from pool to pool.
        process: rank and number of processes; each loads its own shard of every batch.
    """

    def __init__(
        self,
        cache: FrameSource,
        clips: Sequence[Clip],
        model: ModelConfig,
        size: int,
        seed: tuple[int, ...],
        process: tuple[int, int] = (0, 1),
    ) -> None:
        if not clips:
            raise GymQAError("there are no clips to train on; check the split and that the videos decode")
        if size % process[1]:
            raise GymQAError(
                f"a batch of {size} clips cannot be split over {process[1]} processes; choose a multiple of it"
            )
        self.cache, self.clips, self.model, self.size = cache, list(clips), model, size
        self.seed, self.process = seed, process

    def at(self, step: int) -> ClipBatch:
        """The batch of a step (from 0), reduced to this process's shard."""
        rng = np.random.default_rng((*self.seed, 1, step))
        positions = self._positions(step)
        ids = [self.clips[position].id for position in positions]
        lengths = self.cache.lengths(ids)
        indices = np.stack([self.model.sample(int(n), rng) for n in lengths])
        rank, processes = self.process
        own = slice(rank, None, processes)
        labels = [self.clips[position].label for position in positions]
        return ClipBatch(
            torch.from_numpy(self.cache.gather(ids[own], indices[own])),
            torch.tensor([-1 if label is None else label for label in labels[own]]),
            torch.from_numpy(positions[own].copy()),
            tuple(ids[own]),
        )

    def _positions(self, step: int) -> NDArray[np.int64]:
        """Positions of the step's clips in the pool: the next `size` of a sequence of shuffled epochs."""
        numbers = np.arange(step * self.size, (step + 1) * self.size)
        epochs, indices = np.divmod(numbers, len(self.clips))
        shuffled = {n: np.random.default_rng((*self.seed, 0, int(n))).permutation(len(self.clips)) for n in set(epochs)}
        return np.array([shuffled[n][index] for n, index in zip(epochs, indices, strict=True)], np.int64)


def centre_indices(cache: FrameSource, ids: Sequence[str], model: ModelConfig, within: float = 0.5) -> Indices:
    """Test-time frame indices [B, N], element after element: at `within` of each span, by default its middle."""
    return np.stack([model.sample(int(n), within=within) for n in cache.lengths(ids)])


Batch = TypeVar("Batch", bound=Sized)
AHEAD = 2  # prefetched batches for each thread


@dataclass(slots=True)
class Loading:
    """Loader statistics: clips loaded, seconds the threads were busy, and seconds spent waiting for them."""

    clips: int = 0
    busy: float = 0.0
    waited: float = 0.0


class Prefetcher(Generic[Batch]):
    """Prefetch the batches of steps `first` to `last` - 1 in threads; `next` returns them in order.

    Args:
        load: returns the batch of a step number.
        first: first step.
        last: end of the steps, exclusive.
        workers: threads; 0 loads synchronously.

    Raises:
        GymQAError: the number of threads is negative.
    """

    def __init__(self, load: Callable[[int], Batch], first: int, last: int, workers: int) -> None:
        if workers < 0:
            raise GymQAError(f"{workers} loader threads cannot be started; give 0 or more")
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
        """Cancel pending batches and wait for the one being loaded."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def next(self) -> Batch:
        """The next step's batch; an error of its thread is raised here."""
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
        """Submit steps until the prefetch limit is reached."""
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
