"""Temporary files and folders beside a target: their names, and removal of those whose process no longer runs.

.<target's name>.<machine>-<process id>-<start of the process>-<random>.gymqa-tmp

The name is hidden and its suffix is none that a reader looks for. It says which process writes the file, so that what a
killed process left is told from what another one, perhaps of the same command, is writing: a process id is used again
after a while, together with the start of the process it is not. Processes of other machines or containers cannot be
looked up; what they left is removed a day after its last change, or by a command that holds the lock of the folder.
"""

import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SUFFIX = ".gymqa-tmp"
OLD, NEW = "old", "new"  # in a temporary folder: the folder that is replaced and the one that takes its place
_NAME = re.compile(rf"\..*\.([0-9a-f]{{8}})-(\d+)-(\d+)-[0-9a-f]{{8}}{re.escape(SUFFIX)}", re.DOTALL)
_LONGEST = 180  # bytes of the target's name in a temporary one; a file system allows 255 in all
_LARGE = 1000  # entries of a folder that is searched only once by a process
_DAY = 86_400.0  # seconds
_searched: set[Path] = set()


def temporary_beside(target: Path) -> Path:
    """A new temporary path in `target`'s folder, named after this process; what killed processes left there is removed.

    Nothing is created. A temporary folder of `replaced_folder` is brought to its end instead of removed, if it was
    killed after the folder to be replaced had been moved away.
    """
    remove_abandoned(target.parent)
    shown = target.name.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore")
    process = os.getpid()
    owner = f"{_machine()}-{process}-{_start(process) or 0}-{secrets.token_hex(4)}"
    return target.parent / f".{shown}.{owner}{SUFFIX}"


def remove_abandoned(folder: Path) -> None:
    """Remove a folder's temporaries of processes that no longer run; a large folder is searched once a process."""
    if folder in _searched:
        return
    entries = 0
    for entries, found in enumerate(_entries(folder), 1):  # noqa: B007
        if _is_abandoned(found, locked=False):
            _remove(folder / found.name)
    if entries > _LARGE:
        _searched.add(folder)


def remove_temporaries(folder: Path) -> None:
    """Remove the temporaries of killed processes in a folder and those below it; the caller holds the folder's lock.

    Because of the lock, those of other machines are no longer written to, either.
    """
    for found in _entries(folder):
        if _is_abandoned(found, locked=True):
            _remove(folder / found.name)
        elif found.is_dir(follow_symlinks=False):
            remove_temporaries(folder / found.name)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """The entries of a folder; none where it cannot be read."""
    with suppress(OSError), os.scandir(folder) as found:
        yield from found


def _is_abandoned(found: "os.DirEntry[str]", locked: bool) -> bool:
    """Whether an entry of a folder is a temporary file or folder whose process no longer runs."""
    named = _NAME.fullmatch(found.name)
    if named is None:
        return False
    machine, process, start = named.groups()
    if machine == _machine():
        return _start(int(process)) not in (int(start), None)
    with suppress(OSError):
        return locked or time.time() - found.stat(follow_symlinks=False).st_mtime > _DAY
    return False


def _remove(path: Path) -> None:
    """Remove a temporary file or folder; a replaced folder whose place is empty is first put there."""
    with suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            path.unlink()
            return
        for moved in (path / OLD).glob("*"):
            if not (path.parent / moved.name).exists():
                new = path / NEW / moved.name
                (new if new.exists() else moved).rename(path.parent / moved.name)
        shutil.rmtree(path)


@functools.cache
def _machine() -> str:
    """Eight hexadecimal digits for this boot of the machine and this container: where process ids mean the same."""
    known = [platform.node()]
    with suppress(OSError):
        known += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return hashlib.blake2b("\n".join(known).encode(), digest_size=4).hexdigest()


def _start(process: int) -> int | None:
    """When a process began, in clock ticks since the boot; -1 if it has ended, None if the system does not say it.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
    """
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if _signalled(process) else -1
    except ProcessLookupError:  # it ended meanwhile
        return -1
    return -1 if state in "ZX" else int(fields[18])


def _signalled(process: int) -> bool:
    """Whether a process exists, although /proc may hide those of other users (`hidepid`)."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
