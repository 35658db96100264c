"""Atomic writes of text and JSON files, reading JSON, and file locks between processes."""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gymqa.errors import GymQAError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path of the same suffix in `target`'s folder; rename it to `target` on success.

    The folder is created if absent. When the block raises (on Ctrl-C too), the temporary file is removed and `target`
    stays unchanged.

    Raises:
        GymQAError: `target` is a folder, or its folder cannot be created or written to.
    """
    if target.is_dir():
        raise GymQAError(f"cannot write {target}: it is a folder; name a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
    except OSError as error:
        raise GymQAError(
            f"cannot write in {target.parent}: {error.strerror or error}; choose a folder you may write to"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp creates private files; results are meant to be read by others
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target`, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        make_object: builds the Python value of a JSON object from its list of (key, value) pairs; a dict by default.

    Raises:
        GymQAError: the file is missing, or is not JSON (the line and column are named).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=make_object)
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # not JSON or not text, a number with too many digits, or nested too deeply
        raise GymQAError(f"{path} is not valid JSON ({error}); remove it and run its step again") from error
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}") from error


def take_lock(file: IO[Any], what: str) -> None:
    """Take an exclusive lock on an open file until it is closed.

    Args:
        file: an open file.
        what: what is being written, for the message, such as "features in runs/x".

    Raises:
        GymQAError: another process holds it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise GymQAError(f"another process is writing {what}; wait for it, or choose another --out") from error


@contextmanager
def only_writer(folder: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on an existing, writable folder, so that only one process writes to it.

    Raises:
        GymQAError: another process holds it.
    """
    with (folder / "lock").open("w") as lock:
        take_lock(lock, f"{what} {folder}")
        yield


@contextmanager
def waiting_for_lock(path: Path) -> Iterator[None]:
    """Wait for a file's exclusive lock and hold it; the file's folder is created if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
