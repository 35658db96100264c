"""Run several trainings in parallel, each in a worker process, and report the failed ones."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

import torch

from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.runtime.workers import deaths_reported, end_with_parent, worker_count


def run_jobs(jobs: Mapping[str, Callable[[], None]], workers: int) -> None:
    """Run all jobs in worker processes, or one after another in this process.

    Args:
        jobs: by name, in starting order.
        workers: number of processes; 1 is this one. On a CPU each computes with one thread, so that results do not
            depend on `workers`.

    Raises:
        GymQAError: fewer than one worker, a killed worker, or a failed job; the other jobs are finished first.
    """
    processes = worker_count(workers)
    if processes == 1:
        _one_after_another(jobs)
        return
    with (
        progress_bar("trainings", len(jobs)) as bar,
        deaths_reported("training", "run again, with fewer workers"),
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _initialise_worker) as pool,
    ):
        begun = {pool.submit(job): name for name, job in jobs.items()}
        failures = _Failures()
        try:
            for job in as_completed(begun):
                with failures.kept(begun[job]):
                    job.result()
                bar.advance(note=begun[job])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    failures.raise_first()


class _Failures:
    """The failed jobs by name; reported when all others are finished."""

    def __init__(self) -> None:
        self.by_name: dict[str, GymQAError] = {}

    @contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Print and record a GymQAError of the block instead of raising it."""
        try:
            yield
        except GymQAError as error:
            console.print(f"{name} failed: {error}", highlight=False, markup=False)
            self.by_name[name] = error

    def raise_first(self) -> None:
        """Raise the first failure, if any."""
        if self.by_name:
            name, error = next(iter(self.by_name.items()))
            raise GymQAError(f"{len(self.by_name)} of the trainings failed; {name}: {error}") from error


def _one_after_another(jobs: Mapping[str, Callable[[], None]]) -> None:
    """Run the jobs in this process, with a worker's number of threads; each shows its own progress bar."""
    threads, failures = torch.get_num_threads(), _Failures()
    try:
        _limit_threads()
        for name, job in jobs.items():
            with failures.kept(name):
                job()
    finally:
        torch.set_num_threads(threads)
    failures.raise_first()


def _initialise_worker() -> None:
    """Initialise a worker: one thread on a CPU, no progress bar."""
    end_with_parent()
    console.quiet = True
    _limit_threads()


def _limit_threads() -> None:
    """Use one thread, unless there is a GPU, whose batches threads prepare."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
