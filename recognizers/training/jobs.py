"""Several trainings at a time, each in a worker process."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

import torch

from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.runtime.workers import deaths_reported, end_with_parent, worker_count


def run_jobs(jobs: Mapping[str, Callable[[], None]], workers: int) -> None:
    """Do all jobs, several at a time, each in a process of its own, or one after another in this one.

    Args:
        jobs: by name, in the order they are to be begun; what is done in one is for it to know.
        workers: processes; 1 is this one. On a CPU each computes with one thread, so that the figures do not depend
            on `workers`.

    Raises:
        GymQAError: fewer than one worker, a worker that was killed, or a job that cannot be done; the others are done
            first.
    """
    processes = worker_count(workers)
    if processes == 1:
        _one_after_another(jobs)
        return
    with (
        progress_bar("trainings", len(jobs)) as bar,
        deaths_reported("training", "run again, with fewer workers"),
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin_worker) as pool,
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
    failures.tell()


class _Failures:
    """The jobs that could not be done, by name; told when all others are."""

    def __init__(self) -> None:
        self.by_name: dict[str, GymQAError] = {}

    @contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Go on after an error that is told in a sentence."""
        try:
            yield
        except GymQAError as error:
            console.print(f"{name} cannot be done: {error}", highlight=False, markup=False)
            self.by_name[name] = error

    def tell(self) -> None:
        """Raise the first, if there are any."""
        if self.by_name:
            name, error = next(iter(self.by_name.items()))
            raise GymQAError(f"{len(self.by_name)} of the trainings cannot be done; {name}: {error}") from error


def _one_after_another(jobs: Mapping[str, Callable[[], None]]) -> None:
    """Do the jobs here, with as many threads as a worker has; each shows its own bar."""
    threads, failures = torch.get_num_threads(), _Failures()
    try:
        _take_one_thread()
        for name, job in jobs.items():
            with failures.kept(name):
                job()
    finally:
        torch.set_num_threads(threads)
    failures.tell()


def _begin_worker() -> None:
    """One thread on a CPU; the bar is the parent's."""
    end_with_parent()
    console.quiet = True
    _take_one_thread()


def _take_one_thread() -> None:
    """A thread on a CPU; where there is a GPU, threads prepare its batches."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
