"""Progress bars and aligned text tables for the terminal (a file of its own: every package prints with it)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

Item = TypeVar("Item")
console = Console(stderr=True)


class ProgressBar:
    """A progress bar in a terminal; elsewhere only its first and last line are printed."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Advance the bar by `steps`; `note` (the loss, for example) is shown at the end of the line."""
        self._progress.update(self._task, advance=steps, note=note)  # type: ignore[arg-type]


@contextmanager
def progress_bar(what: str, total: int, done: int = 0) -> Iterator[ProgressBar]:
    """Show a bar for `total` steps of `what`, of which `done` were finished by an earlier run."""
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
        task = progress.add_task(what, total=total, completed=done, note="")
        yield ProgressBar(progress, task)


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
