"""Response cache for paid endpoints: the same prompt to the same model is paid for once.

replies.jsonl holds a line {"key", "reply"} per reply; the key is a hash of prompt, model and settings. Threads and
processes may append concurrently; an incomplete line, left by a killed process, is ignored.
"""

import fcntl
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eval.run.results import hash_values
from gymqa.errors import GymQAError
from gymqa.runtime.runs import require_writable


class ResponseCache:
    """Replies by prompt, model and settings.

    Args:
        folder: of the cache; created if absent.

    Raises:
        GymQAError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.path = require_writable(folder) / "replies.jsonl"
        self.path.touch()
        self._lock = threading.Lock()
        self._replies = _read(self.path)

    def __len__(self) -> int:
        return len(self._replies)

    def get(self, prompt_hash: str, model: str, settings: Mapping[str, Any]) -> str | None:
        """The reply to a prompt; None where there is none.

        Args:
            prompt_hash: hash of everything sent, frames included.
            model: its name at the endpoint.
            settings: JSON values that the reply depends on: temperature, tokens; never a key.
        """
        with self._lock:
            return self._replies.get(_key(prompt_hash, model, settings))

    def put(self, prompt_hash: str, model: str, settings: Mapping[str, Any], reply: str) -> None:
        """Write a reply to disk. Arguments as of `get`.

        Raises:
            GymQAError: the file cannot be written, as on a full disk.
        """
        key = _key(prompt_hash, model, settings)
        line = json.dumps({"key": key, "reply": reply}).encode() + b"\n"
        try:
            with self._lock, self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(max(0, file.seek(0, 2) - 1))
                incomplete = file.read(1) not in (b"", b"\n")  # a killed process left part of a line
                file.write(b"\n" + line if incomplete else line)
                self._replies[key] = reply
        except OSError as error:
            raise GymQAError(f"cannot write {self.path}: {error.strerror or error}; make room and go on") from error


def _read(path: Path) -> dict[str, str]:
    """The replies on disk, by key."""
    replies: dict[str, str] = {}
    for line in path.read_bytes().split(b"\n"):
        try:
            found = json.loads(line)
            replies[str(found["key"])] = str(found["reply"])
        except (ValueError, KeyError, TypeError):
            continue  # an incomplete line, or the empty rest
    return replies


def _key(prompt_hash: str, model: str, settings: Mapping[str, Any]) -> str:
    return hash_values({"prompt": prompt_hash, "model": model, "settings": dict(settings)})
