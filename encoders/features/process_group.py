"""Several processes that share one extraction: `accelerate launch scripts/extract_features.py`, or one alone."""

import os
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from gymqa.errors import GymQAError

LONGEST = timedelta(days=7)  # that one process waits for the others


class ProcessGroup(Protocol):
    """One of `count` processes; number 0 speaks for them."""

    index: int
    count: int

    def agree(self, refusal: str | None) -> None:
        """Wait for process 0, and go on if it does.

        Args:
            refusal: why process 0 does not; what the others say does not matter.

        Raises:
            GymQAError: the refusal, in every process.
        """

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """Wait for all, and return what they found together."""


class SingleProcess:
    """The only process."""

    index, count = 0, 1

    def agree(self, refusal: str | None) -> None:
        """Raise the refusal, if there is one."""
        if refusal is not None:
            raise GymQAError(refusal)

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """What was found."""
        return found


class LaunchedProcesses(AbstractContextManager["LaunchedProcesses"]):
    """One of the processes that accelerate (or torchrun) started; a context, which they leave together.

    Args:
        device: "cpu", or "cuda" for each process's own GPU.

    Raises:
        GymQAError: they do not know of each other, or were asked for and not started.
    """

    def __init__(self, device: str) -> None:

        if device not in ("cpu", "cuda"):
            raise GymQAError(f"several processes cannot share {device}; say cpu, or cuda for a GPU each")
        self._state = PartialState(cpu=device == "cpu", timeout=LONGEST)
        self.index, self.count = self._state.process_index, self._state.num_processes
        started = int(os.environ.get("WORLD_SIZE", "1"))
        if started != self.count:
            raise GymQAError(f"{started} processes were started, but they do not know of each other; say --device cpu")

    @property
    def device(self) -> str:
        """Where this process computes."""
        return str(self._state.device)

    def agree(self, refusal: str | None) -> None:
        """See ProcessGroup."""

        said = broadcast_object_list([refusal])[0]
        if said is not None:
            raise GymQAError(said)

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """See ProcessGroup."""

        parts = gather_object([found])
        return {clip: why for part in parts for clip, why in part.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._state.wait_for_everyone()
            self._state.destroy_process_group()  # gloo now and then aborts a process that leaves with it open
