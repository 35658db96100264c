"""What a folder of clips was made with, and which of its clips are whole: notes that survive a kill.

    out/.trimming/settings.json   out/.trimming/<video id>.jsonl   out/.trimming/lock

A clip's line is written as soon as the clip has its name, by the one process that cuts its raw video.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from gymqa.download.cutting import Box, Made
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json, write_text
from gymqa.io.locks import take_lock

FORMAT = 1  # raised when the same settings would give other clips


def _notes(out: Path) -> Path:
    return out / ".trimming"


def open_journal(out: Path, video_id: str) -> BinaryIO:
    """Open the journal of a raw video to add to it."""
    return (_notes(out) / f"{video_id}.jsonl").open("ab", buffering=0)


def note(journal: BinaryIO, made: Made) -> None:
    """Add a clip's line, in one piece."""
    journal.write((json.dumps(asdict(made)) + "\n").encode())


def read_journal(out: Path, video_id: str) -> dict[str, Made]:
    """The noted clips of a raw video by id, the latest note of each; a line cut short by a kill is removed.

    Raises:
        GymQAError: the file is not one of ours.
    """
    path = _notes(out) / f"{video_id}.jsonl"
    if not path.exists():
        return {}
    *lines, rest = path.read_text(encoding="utf-8").split("\n")
    if rest:
        write_text(path, "".join(line + "\n" for line in lines))
    try:
        entries = [Made(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise GymQAError(f"{path} is damaged; remove it, and its clips are looked at again") from error
    return {entry.clip_id: entry for entry in entries}


def whole_clips(out: Path, video_id: str) -> dict[str, Made]:
    """The noted clips of a raw video that lie there with as many bytes as noted, by id."""
    return {clip_id: made for clip_id, made in read_journal(out, video_id).items() if _size(out, clip_id) == made.size}


def all_whole_clips(out: Path) -> Iterator[Made]:
    """Every noted clip of the folder that lies there with as many bytes as noted."""
    for journal in _notes(out).glob("*.jsonl"):
        yield from whole_clips(out, journal.stem).values()


def _size(out: Path, clip_id: str) -> int:
    """Bytes of a clip's file, -1 when it is absent."""
    path = out / f"{clip_id}.mp4"
    return path.stat().st_size if path.is_file() else -1


def keep_settings(out: Path, box: Box | None) -> None:
    """Write what the folder's clips are made with.

    Raises:
        GymQAError: they were made with something else.
    """
    path, settings = _notes(out) / "settings.json", {"format": FORMAT, "size": box and f"{box[0]}x{box[1]}"}
    if not path.exists():
        write_json(path, settings)
    elif (found := read_json(path)) != settings:
        size = found.get("size") if isinstance(found, dict) else None
        raise GymQAError(f"{out} holds clips of size {size or 'as filmed'}; ask for that size or choose another --out")


@contextmanager
def only_trimmer(out: Path) -> Iterator[None]:
    """Hold the folder, and remove what a killed run left half-written; the system lets go when the process ends.

    Raises:
        GymQAError: another process holds it, or it cannot be made.
    """
    try:
        _notes(out).mkdir(parents=True, exist_ok=True)
        lock = (_notes(out) / "lock").open("w")
    except OSError as error:
        raise GymQAError(f"cannot write in {out}: {error.strerror or error}; choose another --out") from error
    with lock:
        take_lock(lock, f"clips in {out}")
        for left in out.glob(".*_E_*.mp4"):
            left.unlink(missing_ok=True)
        yield
