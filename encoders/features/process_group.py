"""Process group of an extraction: one process alone, or those started by accelerate or torchrun."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from gymqa.errors import GymQAError
from gymqa.runtime.precision import Precision
from recognizers.distributed import agreed_precision

LONGEST = timedelta(days=7)  # time-out of collectives


class ProcessGroup(Protocol):
    """A process among `count`; the one of index 0 coordinates."""

    index: int
    count: int

    def agree(self, refusal: str | None) -> None:
        """Wait for process 0, and raise its error, if any, in every process.

        Args:
            refusal: message of process 0's error; ignored in the others.

        Raises:
            GymQAError: the refusal.
        """

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """Gather the dictionaries of all processes into one."""

    def precision(self, choose: Callable[[], Precision]) -> Precision:
        """The precision that process 0 chooses, in all processes; they raise its GymQAError, if any."""


class SingleProcess:
    """A group of one process."""

    index, count = 0, 1

    def agree(self, refusal: str | None) -> None:
        """Raise the refusal, if any."""
        if refusal is not None:
            raise GymQAError(refusal)

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """Return `found`."""
        return found

    def precision(self, choose: Callable[[], Precision]) -> Precision:
        """Return the choice."""
        return choose()


class LaunchedProcesses(AbstractContextManager["LaunchedProcesses"]):
    """Context of a process started by accelerate or torchrun; all processes leave it together.

    Args:
        device: "cpu", or "cuda" for one GPU per process.

    Raises:
        GymQAError: the processes are not connected, or another device was named.
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
        """Device of this process."""
        return str(self._state.device)

    def agree(self, refusal: str | None) -> None:
        """See ProcessGroup."""

        refused = broadcast_object_list([refusal])[0]
        if refused is not None:
            raise GymQAError(refused)

    def collect(self, found: dict[str, str]) -> dict[str, str]:
        """See ProcessGroup."""

        parts = gather_object([found])
        return {clip: why for part in parts for clip, why in part.items()}

    def precision(self, choose: Callable[[], Precision]) -> Precision:
        """See ProcessGroup."""
        return agreed_precision(choose, self.index == 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._state.wait_for_everyone()
            self._state.destroy_process_group()  # gloo may abort a process that exits with open connections
