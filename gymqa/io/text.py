"""Lists that others wrote, line by line, each line with its place for errors."""

from collections.abc import Iterator
from pathlib import Path

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
