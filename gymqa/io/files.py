"""Files are written whole or not at all: a temporary name beside the target, then one rename."""

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

    The folder is made if absent. When the block raises (Ctrl-C too), the temporary file is removed and `target`
    stays as it was.

    Raises:
        GymQAError: `target` is a folder, or its folder cannot be made or written to.
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
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; results are meant to be read
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, whole or not at all."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        make_object: from an object's keys and values, as they stand there, to what is given for it; else a dictionary.

    Raises:
        GymQAError: the file is missing, or is not JSON (the line and column are named).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=make_object)
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (ValueError, RecursionError) as error:  # no JSON or no text; numbers of too many digits; too deep
        raise GymQAError(f"{path} is not valid JSON ({error}); remove it and run its step again") from error
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}") from error


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
