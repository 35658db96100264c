"""Printing of foreign text: control characters escaped, endless sentences cut (its own file: main imports no rich)."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 600
"""Characters of an error's sentence; a longer one keeps its start, and its end, which says what to do."""
_END = 200
_LAYOUT = "\n\t"


def printable(text: str, kept: str = "") -> str:
    r"""Escape control, format and surrogate characters as JSON does (\u001b), so that a terminal shows, not obeys them.

    Args:
        text: any text.
        kept: characters that are left as they are, such as line breaks.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else _escaped(one) for one in text)


def as_sentence(text: str) -> str:
    """A message on one printable line of at most LONGEST characters."""
    shown = printable(" ".join(text.split("\n")))
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - _END - 3]} … {shown[-_END:]}"


@contextmanager
def printable_stdout() -> Iterator[None]:
    """Escape what is printed to standard output, line breaks and tabs aside."""
    stream = sys.stdout
    sys.stdout = _Printable(stream)  # type: ignore[assignment]  # whatever else a stream has is the stream's own
    try:
        yield
    finally:
        sys.stdout = stream


def raw_stdout() -> Any:
    """Standard output without that escaping, for a table whose texts are escaped and that has colours of its own."""
    return sys.stdout._stream if isinstance(sys.stdout, _Printable) else sys.stdout


class _Printable:
    """A text stream that writes `printable` text to another."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write escaped text; the number of characters of `text`."""
        self._stream.write(printable(text, _LAYOUT))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else json.dumps(character)[1:-1]
