"""Batches made ahead come in order, say what went wrong, and stop being made when nobody wants them."""

import threading
import time

import pytest

from gymqa.errors import GymQAError
from recognizers.loader import AHEAD, Prefetcher
from tests.helpers.naming import naming


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_batches_come_in_the_order_of_steps(workers: int) -> None:
    def load(step: int) -> list[int]:
        time.sleep(0.002 * (step % 3))  # later ones are ready first
        return [step] * (step + 1)

    with Prefetcher(load, 3, 20, workers) as batches:
        assert [batches.next()[0] for _ in range(3, 20)] == list(range(3, 20))
        assert batches.loading.clips == sum(step + 1 for step in range(3, 20))
        assert batches.loading.busy > 0 and batches.loading.waited > 0


def test_an_error_comes_with_the_step_it_belongs_to() -> None:
    def load(step: int) -> str:
        if step == 2:
            raise GymQAError("clip x is not in the frame cache")
        return str(step)

    with Prefetcher(load, 0, 10, 2) as batches:
        assert [batches.next(), batches.next()] == ["0", "1"]
        with pytest.raises(GymQAError, match="clip x"):
            batches.next()


def test_no_more_is_made_than_is_soon_wanted() -> None:
    made: list[int] = []

    def load(step: int) -> str:
        made.append(step)
        return "x"

    with Prefetcher(load, 0, 1000, 2) as batches:
        batches.next()
        time.sleep(0.05)
    assert len(made) <= 1 + 2 * AHEAD


def test_the_next_batch_is_made_while_the_step_computes() -> None:
    second = threading.Event()

    def load(step: int) -> str:
        if step == 1:
            second.set()
        return "x"

    with Prefetcher(load, 0, 20, 1) as batches:
        batches.next()
        assert second.wait(10)


def test_fewer_than_no_threads_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming(-1)):
        Prefetcher(str, 0, 1, -1)
