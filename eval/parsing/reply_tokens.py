"""A model's reply as tokens: words, numbers, single signs; and which of the words are option letters.

One linear pass; no pattern here can go back over what it has read, so a hostile reply costs no more than a long one.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from gymqa.questions.schema import LETTERS

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = rf"[^\W\d_{_CJK}]"
# An apostrophe binds (it's, C'est), a full stop or comma binds digits (1.5); 答案 and its like are one word.
_TOKEN = re.compile(
    rf"(?P<word>答案|正解|答え|정답|(?:{_WORD}|[\d\u0300-\u036f])+(?:['’.,](?:(?<=['’]){_WORD}|(?<=\d[.,])\d)"
    rf"(?:{_WORD}|[\d\u0300-\u036f])*)*|[{_CJK}])|(?P<sign>[^\s])"
)
_PIECE = re.compile(r"\S{1,64}|\s+")
_ARTICLES = frozenset({"a", "i"})  # letters that are words as well: an article, and in English and Italian more
_AFTER_LETTER = frozenset({"is", "because", "since", "as", "due", "given", "based", "or", "and", "seems", "would"})
OPENERS = frozenset("([{<\"'“”‘’«»*_`$\\「『【〔《（")
CLOSERS = frozenset(")]}>\"'“”‘’«»*_`$」』】〕》）")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign.

    `text` is as it stands there, `plain` without case; `line` counts from 0, `glued` says that nothing stands between
    it and the token before.
    """

    text: str
    plain: str
    is_word: bool
    line: int
    glued: bool


def tokenize(text: str) -> list[Token]:
    """The tokens of a text; full-width and other presentation forms are taken for their plain ones (NFKC)."""
    tokens, line, end = [], 0, -1
    # Piece by piece, since sorting a long run of combining marks takes time in the square of its length.
    whole = "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))
    for found in _TOKEN.finditer(whole):
        start = found.start()
        line += whole.count("\n", max(end, 0), start)
        word = found.group()
        tokens.append(Token(word, word.casefold().replace("’", "'"), found.lastgroup == "word", line, start == end))
        end = found.end()
    return tokens


def words_of(text: str) -> tuple[str, ...]:
    """A text's words without case and signs: what makes two texts the same."""
    return tuple(token.plain for token in tokenize(text) if token.is_word)


def letter_at(tokens: Sequence[Token], place: int) -> int | None:
    """The option letter that stands at a place, as its index, also one beyond the choices; None where there is none.

    "A salto" and "I cannot tell" hold no letter: A and I before another word are words, unless it is one that follows
    letters ("A is", "A because"). Nor do "C-shaped" and "e.g.".
    """
    token = tokens[place]
    if len(token.text) != 1 or token.plain.upper() not in LETTERS:
        return None
    if place and token.glued and tokens[place - 1].text in {"-", ".", "/", "'"} and _is_word(tokens, place - 2):
        return None if tokens[place - 1].text != "/" else LETTERS.index(token.plain.upper())
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    if following is not None:
        if following.is_word and token.plain in _ARTICLES:
            same_line = following.line == token.line
            if same_line and following.plain not in _AFTER_LETTER:
                return None
        if following.glued and following.text in {"-", "+", "#", "'", "’"} and _is_word(tokens, place + 2, glued=True):
            return None
        if following.text == "." and _abbreviates(tokens, place):
            return None
    return LETTERS.index(token.plain.upper())


def _is_word(tokens: Sequence[Token], place: int, glued: bool = False) -> bool:
    return 0 <= place < len(tokens) and tokens[place].is_word and (tokens[place].glued or not glued)


def _abbreviates(tokens: Sequence[Token], place: int) -> bool:
    """Whether "e.g." or "i.e." begins here."""
    rest = tokens[place : place + 4]
    return len(rest) == 4 and all(one.glued for one in rest[1:]) and len(rest[2].text) == 1 and rest[3].text == "."
