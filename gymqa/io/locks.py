"""One writer a folder or file: a lock that the system frees when its process ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gymqa.errors import GymQAError


def take_lock(file: IO[Any], what: str) -> None:
    """Take an open file's lock, held until the file is closed; `what` is being written, as in "features in runs/x".

    Raises:
        GymQAError: another process holds it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise GymQAError(f"another process is writing {what}; wait for it, or choose another --out") from error


@contextmanager
def only_writer(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder that is there and may be written to.

    Raises:
        GymQAError: another process holds it.
    """
    with (folder / "lock").open("w") as lock:
        take_lock(lock, f"{what} {folder}")
        yield


@contextmanager
def waiting_for_lock(path: Path) -> Iterator[None]:
    """Hold a file's lock, once whoever holds it is done; the file's folder is made if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
