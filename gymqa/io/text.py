"""Read text lines and JSON keys with their `file:line` for messages (a file of its own: every list reader uses it)."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (`file:line`, stripped line) for every non-empty line.

    Raises:
        GymQAError: the file is missing or is not text.
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
    """A JSON object for `gymqa.io.files.read_json`; `repeated` lists the keys that occur more than once in the file."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs) if len(self) < len(pairs) else {}
        self.repeated = [key for key, count in counts.items() if count > 1]


def location_of(path: Path, *keys: str, again: bool = False) -> str:
    """`file:line` of the entry under nested `keys`, outermost first; the file name alone if they are not found.

    Args:
        path: the JSON file.
        keys: keys of the enclosing objects, then the entry's own key.
        again: return the line of the second occurrence of the last key.
    """
    text, end = path.read_text(encoding="utf-8"), 0
    for key in (*keys, *keys[-1:] * again):
        found = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(text, end)
        if found is None:
            return str(path)
        start, end = found.span()
    return f"{path}:{text.count(chr(10), 0, start) + 1}"
