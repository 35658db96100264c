"""Progress, as bar or as lines of a log, and aligned text tables (a file of its own: every package prints with it)."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any, ClassVar, Protocol, Self, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from gymqa.io.printable import printable

Item = TypeVar("Item")


class _PrintableConsole(Console):
    """A console on which control characters of a text, which may be a foreign file's, are shown and not obeyed."""

    def print(self, *objects: Any, **options: Any) -> None:
        """See rich's Console."""
        super().print(*(printable(one, "\n\t") if isinstance(one, str) else one for one in objects), **options)


console = _PrintableConsole(stderr=True, markup=False, emoji=False)
LINE_EVERY = 20.0
"""Seconds between two lines of a job's progress where there is no terminal."""
_RATE_OVER = 4  # lines over which a rate is averaged


class ProgressBar(Protocol):
    """Progress of a job."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Advance by `steps`; `note` (the loss, for example) is shown at the end of the line."""


class _Bar:
    """A bar in a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        """See ProgressBar."""
        self._progress.update(self._task, advance=steps, note=note)


class _Lines:
    """Lines where there is no terminal, as in a log file: one every LINE_EVERY seconds, and one at the end.

    They are printed by a thread, so that a job whose steps take minutes is seen to live, too. Of nested jobs only the
    innermost prints.
    """

    _open: ClassVar[list["_Lines"]] = []

    def __init__(self, what: str, total: int, done: int) -> None:
        self._what, self._total, self._done, self._note = what, total, done, ""
        self._began = (time.monotonic(), done)
        self._reached = deque([self._began], maxlen=_RATE_OVER)  # at the last lines
        self._ended = Event()
        self._thread = Thread(target=self._print_lines, daemon=True)

    def __enter__(self) -> Self:
        self._open.append(self)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.remove(self)
        self._ended.set()
        self._thread.join()
        seconds = time.monotonic() - self._began[0]
        _print_line(f"{self._what}: {self._counted()} in {_clock(seconds)}{self._note}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """See ProgressBar."""
        self._done += steps
        self._note = f", {note}" if note else ""

    def _print_lines(self) -> None:
        """Print a line at every interval until the job has ended."""
        while not self._ended.wait(LINE_EVERY):
            now = (time.monotonic(), self._done)
            if self._open[-1:] == [self]:
                _print_line(f"{self._what}: {self._counted()}, {self._speed(now)}{self._note}")
            self._reached.append(now)

    def _counted(self) -> str:
        return f"{self._done}/{self._total}"

    def _speed(self, now: tuple[float, int]) -> str:
        """Rate and time left, by the last minute or so, or by all before if no step was finished in it."""
        since = self._reached[0] if now[1] > self._reached[0][1] else self._began
        seconds, steps = now[0] - since[0], now[1] - since[1]
        if not steps:
            return f"running for {_clock(seconds)}"
        rate = f"{steps / seconds:.1f} steps/s" if steps > seconds else f"{seconds / steps:.1f} s/step"
        return f"{rate}, {_clock(max(0, self._total - now[1]) * seconds / steps)} left"


def _print_line(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds: 0:01:05."""
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def progress_bar(what: str, total: int, done: int = 0) -> Iterator[ProgressBar]:
    """Show progress of `total` steps of `what`, of which `done` were finished by an earlier run.

    In a terminal it is a bar, elsewhere a line every LINE_EVERY seconds, and one at the end.
    """
    if console.quiet or not console.is_terminal:
        with _Lines(what, total, done) as lines:
            yield lines
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeftColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress, progress.add_task(escape(printable(what)), total=total, completed=done, note=""))


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield `items` one by one and advance a progress bar of `total` steps."""
    with progress_bar(what, total) as bar:
        for item in items:
            yield item
            bar.advance()


def text_table(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text with aligned columns; all rows have the same number of cells."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)
