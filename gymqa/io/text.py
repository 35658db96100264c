"""Lists that others wrote, line by line, each line with its place for errors."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines without outer blanks, each with its place `file:line`; empty lines are left out.

    Raises:
        GymQAError: the file is missing or no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(f"{path} cannot be read as text ({error}); check that it is the right file") from error
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: names may hold U+2028
        if line.strip():
            yield f"{path}:{number}", line.strip()


class JsonObject(dict[str, Any]):
    """A JSON object as `gymqa.io.files.read_json` makes it; `twice` holds the keys that stand there again."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs) if len(self) < len(pairs) else {}
        self.twice = [key for key, count in counts.items() if count > 1]


def place_of(path: Path, *keys: str, again: bool = False) -> str:
    """`file:line` of the entry that `keys` lead to, outermost first; the file alone where the keys are not found.

    Args:
        path: the JSON file.
        keys: the entry's key after those of the objects it lies in.
        again: name the line of the last key's second entry there.
    """
    text, end = path.read_text(encoding="utf-8"), 0
    for key in (*keys, *keys[-1:] * again):
        found = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(text, end)
        if found is None:
            return str(path)
        start, end = found.span()
    return f"{path}:{text.count(chr(10), 0, start) + 1}"
