"""Class probabilities noted batch by batch, so that a prediction that was killed goes on where it was.

The first line says what the probabilities depend on; each further line is a clip's. The file lies beside the one that
is to be written, and is removed when that is whole.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.io.locks import take_lock


class PredictionJournal:
    """Made by `opened_journal`.

    Attributes:
        found: float32 [C] by clip id, of this run and of earlier ones that were killed.
    """

    def __init__(self, file: IO[bytes], found: dict[str, NDArray[np.float32]]) -> None:
        self._file, self.found = file, found

    def add(self, clip_ids: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Note a batch, [B, C]; it is in the file when this returns.

        Raises:
            GymQAError: the disk is full.
        """
        lines = (json.dumps([clip, row.tolist()]) + "\n" for clip, row in zip(clip_ids, rows, strict=True))
        _write(self._file, "".join(lines))
        self.found.update(zip(clip_ids, rows, strict=True))


@contextmanager
def opened_journal(target: Path, settings: Mapping[str, Any]) -> Iterator[PredictionJournal]:
    """The journal of the predictions that will be written to `target`; removed when the block ends without an error.

    Args:
        target: file of the predictions.
        settings: JSON values; what was noted under others is forgotten.

    Raises:
        GymQAError: another process predicts into the same file, or it cannot be written.
    """
    path = target.with_name(f".{target.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise GymQAError(f"cannot write {target}: {error.strerror or error}; choose another --out") from error
    with file:
        take_lock(file, str(target))
        yield PredictionJournal(file, _noted(file, json.dumps(settings, sort_keys=True)))
        path.unlink()


def _noted(file: IO[bytes], settings: str) -> dict[str, NDArray[np.float32]]:
    """What was noted under the same settings; the file then ends with its last whole line, or with the settings."""
    file.seek(0)
    whole = file.read()
    head, *lines = whole[: whole.rfind(b"\n") + 1].split(b"\n")
    try:
        noted = [json.loads(line) for line in lines[:-1]]
        found = {str(clip): np.asarray(row, np.float32) for clip, row in noted}
    except (ValueError, TypeError):
        head = b""  # damaged: vouches for nothing
    if head != settings.encode():
        file.truncate(0)
        _write(file, settings + "\n")
        return {}
    file.truncate(whole.rfind(b"\n") + 1)
    return found


def _write(file: IO[bytes], text: str) -> None:
    try:
        file.write(text.encode())
    except OSError as error:
        raise GymQAError(f"cannot write {file.name}: {error.strerror or error}; free space and retry") from error
