"""Leaderboard tables as CSV, Markdown and LaTeX, with all names escaped."""

import csv
import io
import re
from collections.abc import Callable, Sequence

from eval.leaderboard.schema import ACCURACY, RECOGNITION, Row, by_line, main_rows

COLUMNS = ("model", "encoder", "control", "benchmark", "metric", "value", "ci_low", "ci_high", "rank_low", "rank_high",
           "n", "n_frames", "answered_rate")  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "·": r"\textperiodcentered{}",
    "[": "{[}", "*": "{*}",  # behind the \\ of the row before, either would be read as its option
}  # fmt: skip
_FORMULA = "=+-@\t\r＝＋－＠"  # characters that start a formula in a spreadsheet (OWASP, CSV injection)


def as_csv(rows: Sequence[Row]) -> str:
    """Every row, values in [0, 1]; a text that a spreadsheet would evaluate gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])
    return out.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """Tables of questions and of recognition, in per cent, with intervals and ranks."""
    return "\n".join(_tables(rows, _markdown))


def as_latex(rows: Sequence[Row]) -> str:
    r"""These tables as booktabs tabulars, for `\input`; needs `\usepackage{booktabs}` and `[T1]{fontenc}`."""
    return "\n".join(_tables(rows, _latex))


Tabulate = Callable[[list[str], list[list[str]]], str]


def _tables(rows: Sequence[Row], tabulate: Tabulate) -> list[str]:
    shown = main_rows(rows)
    parts = [
        ([row for row in shown if row.metric == ACCURACY], "benchmark"),
        ([row for row in shown if row.benchmark == RECOGNITION], "metric"),
    ]
    return [tabulate(*_grid(part, column)) for part, column in parts if part]


def _grid(rows: Sequence[Row], column: str) -> tuple[list[str], list[list[str]]]:
    """Column heads and lines of text, best model first."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    lines = [[line.label, *(_figure(cells[name]) if name in cells else "–" for name in names)]
             for line, cells in by_line(rows, column)]  # fmt: skip
    return ["model", *names], lines


def _figure(row: Row) -> str:
    """Per cent, interval, and range of ranks."""
    text = f"{100 * row.value:.1f} ({100 * row.ci_low:.1f}–{100 * row.ci_high:.1f})"
    if row.rank_low is None:
        return text
    ranks = f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"
    return f"{text}, rank {ranks}"


def _markdown(heads: list[str], lines: list[list[str]]) -> str:
    marks = ["---", *["---:"] * (len(heads) - 1)]
    table = [[_in_markdown(text) for text in heads], marks, *([_in_markdown(text) for text in line] for line in lines)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


def _latex(heads: list[str], lines: list[list[str]]) -> str:
    head, *body = (" & ".join(map(_in_latex, cells)) + r" \\" for cells in [heads, *lines])
    columns = "l" + "r" * (len(heads) - 1)
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule",
             r"\end{tabular}"]  # fmt: skip
    return "\n".join(parts) + "\n"


def _in_markdown(text: str) -> str:
    """Escape text for a Markdown cell: entities for HTML, a backslash before punctuation."""
    plain = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]!|~$@])", r"\\\1", plain)


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in _one_line(text)).replace("–", "--")


def _one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _cell(value: object) -> object:
    if isinstance(value, str) and value.lstrip(" ").startswith(tuple(_FORMULA)):
        return "'" + value
    return value
