"""Atomic writes of files and folders, reading JSON, a file's SHA-256, and file locks between processes."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gymqa.errors import GymQAError
from gymqa.io.temporaries import NEW, OLD, remove_temporaries, temporary_beside


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path in `target`'s folder, without its suffix; rename it to `target` on success.

    The folder is created if absent. When the block raises (on Ctrl-C too), the temporary file is removed and `target`
    stays unchanged. What a killed process left there is removed at the next write (`gymqa.io.temporaries`).

    Raises:
        GymQAError: `target` is a folder, or its folder cannot be created or written to.
    """
    if target.is_dir():
        raise GymQAError(f"cannot write {target}: it is a folder; name a file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        with temporary.open("xb") as file:
            mode = os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise GymQAError(
            f"cannot write in {target.parent}: {error.strerror or error}; choose a folder you may write to"
        ) from error
    try:
        yield temporary
        temporary.chmod(mode)  # safetensors makes files private; results are meant to be read by others
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield a path for a new folder beside `target`, which takes its place, or its name, when the block succeeds.

    Killed between the two renamings, it leaves no `target`; the next write beside it puts the new folder there.

    Raises:
        GymQAError: the folder that holds `target` cannot be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = temporary_beside(target)
        new, old = (staged / name / target.name for name in (NEW, OLD))
        new.parent.mkdir(parents=True)
        old.parent.mkdir()
    except OSError as error:
        raise GymQAError(f"cannot write in {target.parent}: {error.strerror or error}; choose another") from error
    try:
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(staged)


def visible_files(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that match a pattern of `Path.glob`, sorted; hidden files and folders are left out."""
    found = (path for path in folder.glob(pattern) if not path.is_dir())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex.

    Raises:
        GymQAError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; make or copy it again") from error


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 to `target`, atomically.

    Raises:
        GymQAError: it holds a part of a name that is not UTF-8, or the folder cannot be written to.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 20) : error.end + 20]
        raise GymQAError(f"{target} would hold a name that is not UTF-8, {around!r}; rename what it names") from error
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Read a JSON file, with or without the byte order mark that Windows puts first.

    Args:
        path: the file.
        make_object: builds the Python value of a JSON object from its list of (key, value) pairs; a dict by default.

    Raises:
        GymQAError: the file is missing, or is not JSON (the line and column are named).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=make_object)
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

    Temporary files below it, left by killed processes, are removed.

    Raises:
        GymQAError: another process holds it.
    """
    with (folder / "lock").open("w") as lock:
        take_lock(lock, f"{what} {folder}")
        remove_temporaries(folder)
        yield


@contextmanager
def waiting_for_lock(path: Path) -> Iterator[None]:
    """Wait for a file's exclusive lock and hold it; the file's folder is created if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
