"""Run a command and measure its time and peak memory (own file: several benchmarks use it)."""

import subprocess
import time

import psutil

from gymqa.errors import GymQAError


def run_and_watch(command: list[str]) -> tuple[float, float]:
    """Run a command; its seconds, and the largest memory of all its processes together in GiB (shared pages once).

    Raises:
        GymQAError: it failed.
    """
    began, peak = time.monotonic(), 0.0
    process = subprocess.Popen(command)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            tree = [watched, *watched.children(recursive=True)]
            peak = max(peak, sum(one.memory_full_info().pss for one in tree) / 2**30)
        except psutil.NoSuchProcess:
            continue  # a worker ended between the two calls
        time.sleep(0.5)
    if process.returncode:
        raise GymQAError(f"{' '.join(command)} left with status {process.returncode}; run it by itself to see why")
    return time.monotonic() - began, peak
