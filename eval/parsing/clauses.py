"""Cut a marked reply into sentences and clauses, without quotations and enumerations of the options."""

import re
import unicodedata
from dataclasses import dataclass

from eval.parsing import vocabulary as words
from eval.parsing.mentions import LETTER, NAMED

_CJK = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"  # scripts without blanks, Thai among them
BEGIN, END = rf"(?<![^\W_{_CJK}])", rf"(?![^\W_{_CJK}]|['’][^\W\d_])"
"""Borders of a word; none are needed where the script has no blanks."""
_LONGEST = 1500  # characters of a sentence; longer ones are cut


def any_of(pattern: str) -> str:
    """A regular expression for one of these words, as a whole word."""
    return rf"{BEGIN}(?:{unicodedata.normalize('NFKC', pattern)}){END}"


@dataclass(frozen=True)
class Sentence:
    """A sentence: its clauses, whether it asks, and where it stands.

    Attributes:
        line: the number of its line, from 0.
        own_line: nothing else stands on its line.
    """

    clauses: tuple[str, ...]
    asks: bool
    line: int
    own_line: bool


_QUOTED = re.compile(r'(?<=\w)([^\n\w]{1,3})["“«]([^"“”«»\n]{1,300})["”»]')
_ITEM = re.compile(
    rf"^[\s>*#•◦+\-–(\d.)]*(?:{any_of(words.OPTION + '|' + words.ANSWER)})?[\s(\[\"]*([{NAMED}])\s*"
    rf"(?P<content>[)\].:=\-–—|"
    rf""
    rf",]+\s*\S.*)?[)\].:\s]*$"
)
_INLINE = re.compile(rf"(?:^|[.:;!?)])[\s(]*(?:(?:option|choice) +)?([{NAMED}])\s*(?=[).:])")
_HEADING = re.compile(
    rf"(?:^[\s#\d.)]*(?:(?:the|my|final|correct|best|your) )*(?:{words.ANSWER})[\s:]*|"
    rf"{any_of(words.ANSWER + '|' + words.OPTION)}[^\n.!?{NAMED}]{{0,60}}"
    rf"(?::|{any_of(words.IS)})\s*)$"
)
_STOP = re.compile(r"(?:(?<!\d)\.|\.(?!\d)|[!。！？?;；…।])+[\"'”’)\]]*")
_SPLIT = re.compile(
    rf"[,，、]\s*|(?<=[{NAMED}])[\s)\]]*[:\-–—=]\s+|(?<=[{NAMED}])\s+(?=as{END})|\s[–—-]\s|"
    rf"(?<!all )(?<!anything )(?<!everything )(?<!any )(?<!none )(?={BEGIN}(?:{words.CONTRAST}|{words.REASON}|"
    rf"{words.CONDITION}){END})|"
    rf"(?={BEGIN}(?:so|therefore|thus|hence|which leaves|因此|所以|故|따라서|したがって|よって){END})|(?=→|⇒|=>)|"
    rf"(?<=[^\W_])\s(?=no i\b)|"
    rf"(?=(?:and |or )?{BEGIN}(?:not|rather than|instead of|as opposed to|over){END}\s+(?:option )?[{NAMED}])|"
    rf"(?<=아니라)|(?<=아니고)|(?<=なくて)|(?<=なく)(?!て)|(?<=değil\s)|(?<=बल्कि)"
)


def sentences(marked: str) -> list[Sentence]:
    """The sentences of a reply, in order."""
    lines = _join_headings(_without_lists([_QUOTED.sub(_unquoted, line) for line in marked.split("\n")]))
    found: list[Sentence] = []
    for number, line in enumerate(lines):
        pieces = _pieces(_without_inline_list(line))
        found += [Sentence(_clauses(text), asks, number, len(pieces) == 1) for text, asks in pieces]
    return found


def _pieces(line: str) -> list[tuple[str, bool]]:
    """The sentences of a line, each with whether it ends in a question mark."""
    pieces, start = [], 0
    for stop in [*_STOP.finditer(line), None]:
        end = stop.start() if stop else len(line)
        text = line[start:end]
        asks = stop is not None and ("?" in stop[0] or "？" in stop[0])
        for cut in range(0, len(text), _LONGEST):
            part = text[cut : cut + _LONGEST]
            pieces += [(part.strip(), asks)] if re.search(rf"[\w{NAMED}]", part) else []
        start = stop.end() if stop else end
    return pieces


def _clauses(text: str) -> tuple[str, ...]:
    return tuple(clause for piece in _SPLIT.split(text) if (clause := " ".join(piece.split())).strip(" .:-"))


def _unquoted(found: re.Match[str]) -> str:
    """Leave out a quoted sentence; a quoted option stays."""
    said = found[2]
    quotes = re.search(rf"[{NAMED}]", said) and len(re.findall(r"[^\W_]+", said)) >= 2
    return found[1] if quotes else found[0]


def _without_lists(lines: list[str]) -> list[str]:
    """Leave out lines that go through the options: each begins with the next letter."""
    items = [(number, found) for number, line in enumerate(lines) if (found := _ITEM.match(line[:400]))]
    kept = list(lines)
    for content, least in ((True, 2), (False, 3)):
        chosen = [(number, ord(found[1]) - LETTER) for number, found in items if bool(found["content"]) == content]
        for run in _runs(chosen):
            if len(run) >= least:
                kept[run[0][0] : run[-1][0] + 1] = ["."] * (run[-1][0] + 1 - run[0][0])
    return kept


def _runs(items: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Runs of items whose letters follow each other."""
    runs: list[list[tuple[int, int]]] = []
    for item in items:
        if runs and item[1] == runs[-1][-1][1] + 1:
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def _without_inline_list(line: str) -> str:
    """Leave out "A. … B. … C. …" within a line, to the end of the last one's sentence."""
    items = [(found, ord(found[1]) - LETTER) for found in _INLINE.finditer(line)]
    at = {index: found for index, (found, _) in enumerate(items)}
    for run in reversed(_runs([(index, letter) for index, (_, letter) in enumerate(items)])):
        if len(run) >= 3 or (len(run) == 2 and run[0][1] == 0):
            start, last = at[run[0][0]].start(1), at[run[-1][0]].end()
            empty = not re.search(r"[^\W_]", line[at[run[0][0]].end() : last])
            stop = re.compile(r"[.!?:)]" if empty else r"[.!?]").search(line, last + (not empty))
            line = line[:start] + " . " + (line[stop.end() :] if stop else "")
    return line


def _join_headings(lines: list[str]) -> list[str]:
    """Put the line after "Answer:" on the same line."""
    joined: list[str] = []
    pending = ""
    for line in lines:
        if not line.strip():
            joined += [] if pending else [""]
            continue
        text = f"{pending} {line}" if pending else line
        pending = text if len(text) < 400 and _HEADING.search(text[-200:]) else ""
        joined += [] if pending else [text]
    return [*joined, pending] if pending else joined
