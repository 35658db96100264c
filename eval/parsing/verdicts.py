"""Rewrite a list of the options with a verdict on each ("A: false, B: true, …") as the one option judged right."""

import re
from collections.abc import Sequence
from itertools import pairwise

from eval.parsing.structured import FINAL

_RIGHT = r"true|correct|right|yes|fits|matches|selected|✓|✔️?|✅|☑️?|🗹"
_WRONG = r"false|incorrect|not correct|wrong|no|does not fit|does not match|not selected|✗|✘|❌|✖️?|❎"
_VERDICT = rf"(?P<verdict>{_RIGHT}|{_WRONG})"
_LETTER = r"(?:option |choice )?[(\[*_\"']{0,4}(?P<letter>[A-Z])(?![^\W_])"
_MARKUP = r"[\s>*_|•◦+–-]*"

_LINES = (
    re.compile(rf"{_MARKUP}{_LETTER}[^\n]{{0,160}}?[\s:=|(–—-]{_VERDICT}[\s.!)*_|]*", re.IGNORECASE),
    re.compile(rf"{_MARKUP}(?P<verdict>[✓✔✅☑✗✘❌✖❎]\ufe0f?)\s*{_LETTER}[^\n]{{0,160}}", re.IGNORECASE),
    re.compile(rf"{_MARKUP}\[(?P<verdict>[ xX✓✔]?)\]\s*{_LETTER}[^\n]{{0,160}}"),
)
"""A whole line: the letter first, a sign first, a check box first."""
_INLINE = re.compile(rf"(?<![^\W_]){_LETTER}[)\]*_\"']{{0,4}}\s*[:=–—-]?\s*{_VERDICT}(?![^\W_])", re.IGNORECASE)
_IS_RIGHT = re.compile(rf"(?:{_RIGHT}|x)\ufe0f?", re.IGNORECASE)


def write_out_verdicts(text: str) -> str:
    """The text with each list of verdicts as a line "Final answer: …", where it calls exactly one option right.

    A list judges at least two options, none of them twice. Where it calls none or several right, it stays.
    """
    return _rewrite_inline(_rewrite_lines(text))


def _rewrite_lines(text: str) -> str:
    """Lists of one line an option."""
    written: list[str] = []
    run: list[tuple[str, re.Match[str]]] = []
    form: re.Pattern[str] | None = None
    for line in [*text.split("\n"), None]:
        found = None if line is None else _in_form(line, form)
        if found is None and run:
            written += _judged([one for _, one in run], [held for held, _ in run])
            run, form = [], None
            found = None if line is None else _in_form(line, form)
        if found is not None and line is not None:
            run.append((line, found))
            form = found.re
        elif line is not None:
            written.append(line)
    return "\n".join(written)


def _in_form(line: str, form: re.Pattern[str] | None) -> re.Match[str] | None:
    """A line as one of a list, in a given form or any."""
    if len(line) > 200:
        return None
    for one in _LINES if form is None else (form,):
        if found := one.fullmatch(line):
            return found
    return None


def _judged(found: Sequence[re.Match[str]], written: list[str]) -> list[str]:
    """The list's one right option as a sentence; the list as it was written where there is no such option."""
    letters = [one["letter"] for one in found]
    right = [one["letter"] for one in found if _IS_RIGHT.fullmatch(one["verdict"])]
    if len(found) < 2 or len(set(letters)) != len(letters) or len(right) != 1:
        return written
    return [FINAL.format(right[0].upper())]


def _rewrite_inline(text: str) -> str:
    """A list within one line: "A ✗ B ✗ C ✓"."""
    found = list(_INLINE.finditer(text))
    if len(found) < 2 or any(
        re.search(r"[^\W\d_]|\n", text[one.end() : other.start()]) for one, other in pairwise(found)
    ):
        return text
    start, end = found[0].start(), found[-1].end()
    return text[:start] + _judged(found, [text[start:end]])[0] + text[end:]
