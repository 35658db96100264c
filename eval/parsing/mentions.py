"""Find where a reply names options: letters, the choices' texts in full, both together; written as single signs.

A reply becomes casefolded text in which each option named is one private-use sign, so that the patterns of
`eval.parsing.statements` can be read: "the answer is ⟨C⟩". The article A and the pronoun I stay words.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from eval.parsing import vocabulary as words
from eval.parsing.spelling import Spelling

LETTER, SEVERAL = 0xE000, chr(0xE0FF)
"""The sign of letter i is chr(LETTER + i), also beyond the choices; SEVERAL stands for two or more options at once."""
NAMED = "\ue000-\ue0ff"
"""Class of these signs in a regular expression."""

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = rf"[^\W\d_{_CJK}]"
# An apostrophe binds (it's, C'est), a full stop or comma binds digits (1.5).
_TOKEN = re.compile(
    rf"(?P<word>(?:{_WORD}|[\d\u0300-\u036f])+(?:['’.,](?:(?<=['’]){_WORD}|(?<=\d[.,])\d)"
    rf"(?:{_WORD}|[\d\u0300-\u036f])*)*|[{_CJK}])|(?P<sign>[^\s])"
)
_LABEL = re.compile(r"[\s.)\]|/:,\-–—、。=\"'”’»」』】〕》>(\[]{0,8}")
_JOIN = (
    r"\s*(?:[,/&+;|、]|[,、]?\s*(?:\b(?:" + "|".join(words.LINKS) + r")\b|和|或者?|还是|還是|と|か|또는|혹은|이나))\s*"
)
_ONE = rf"[(\[\"'“‘「]?[{NAMED}][)\]\"'”’」]?"
_LIST = re.compile(
    rf"\(\s*(?:[^\W\d_]{{1,12}}\s+)?{_ONE}(?:(?:{_JOIN}|[ \t]+)(?:or |and )?{_ONE}){{2,}}\s*\)|"
    rf"{_ONE}(?:(?:{_JOIN}|[ \t]+)(?:or |and )?{_ONE}){{2,}}"
)
_TWICE = re.compile(rf"([{NAMED}])(?:[ (:\"'–-]{{1,6}}|[ ,(]{{1,6}}(?:option|choice) )\(?\1")
_PAIR = re.compile(
    rf"{_ONE}(?:{_JOIN}(?:\w+ )?{_ONE})(?!\s*[^\W\d_])|{_ONE}\s*(?:\b(?:{'|'.join(words.LINKS)})\b|[/&+|和或]|还是|"
    rf"か|또는)\s*(?:\w+ )?{_ONE}"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a sign: as written, casefolded, and where it stands."""

    text: str
    plain: str
    is_word: bool
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """The words and signs of a normalised text."""
    return [
        Token(found[0], found[0].casefold().replace("’", "'"), found.lastgroup == "word", found.start(), found.end())
        for found in _TOKEN.finditer(text)
    ]


def words_of(text: str) -> tuple[str, ...]:
    """A text's words, casefolded and without punctuation; equal for equivalent texts."""
    return tuple(token.plain for token in tokenize(text) if token.is_word)


def mark(text: str, choices: Sequence[str]) -> str:
    """The casefolded text with a sign of `NAMED` for each option that it names.

    Args:
        text: a cleaned reply.
        choices: the question's choices, cleaned likewise.
    """
    marked = _Marker(text, choices).marked()
    marked = _TWICE.sub(r"\1", marked)
    return _PAIR.sub(SEVERAL, _LIST.sub(_listed, marked))


def _listed(found: re.Match[str]) -> str:
    """A list of letters: nothing where it is in brackets, as in an instruction; SEVERAL elsewhere."""
    signs = re.findall(rf"[{NAMED}]", found[0])
    again = f", {signs[-1]} " if signs[-1] in signs[:-1] else ""  # "of A and C, C"
    return " " if found[0].startswith("(") and found[0].endswith(")") else f" {SEVERAL} {again}"


class _Marker:
    """Walks over the tokens of one reply."""

    def __init__(self, text: str, choices: Sequence[str]) -> None:
        self.text, self.tokens = text, tokenize(text)
        self.texts: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        for index, choice in enumerate(choices):
            spelled = words_of(choice)
            if spelled:
                self.texts[spelled[0]].append((spelled, index))
        self.spelling = Spelling(word for known in self.texts.values() for spelled, _ in known for word in spelled)
        self.plain = [self.spelling.right(token.plain) if token.is_word else "" for token in self.tokens]

    def marked(self) -> str:
        """The text with its options as signs."""
        pieces, last, position = [], 0, 0
        while position < len(self.tokens):
            found = self._option(position)
            if found is None:
                position += 1
                continue
            sign, after = found
            pieces += [self.text[last : self.tokens[position].start].casefold(), f" {sign} "]
            last, position = self.tokens[after - 1].end, after
        return "".join([*pieces, self.text[last:].casefold()]).replace("’", "'")

    def _option(self, position: int) -> tuple[str, int] | None:
        """The sign of the option named at a position, and the position after it."""
        if not self.tokens[position].is_word:
            return None
        letter = self._letter(position)
        text = self._text(position, full=True)
        if letter is None:
            if text is None and self.tokens[position].text in "AI" and len(self.tokens[position].text) == 1:
                return self._article(position)
            return text
        after = self._after_label(position + 1)
        named = self._text(after, full=False) if after is not None else None
        meant = {letter} | ({ord(text[0]) - LETTER} if text is not None and text[1] == position + 1 else set())
        if named is not None and named[0] != SEVERAL:
            return self._sign(meant | {ord(named[0]) - LETTER}), named[1]
        return self._sign(meant), position + 1

    def _sign(self, meant: set[int]) -> str:
        return chr(LETTER + next(iter(meant))) if len(meant) == 1 else SEVERAL

    def _article(self, position: int) -> tuple[str, int] | None:
        """A before a choice's text: the letter and the text where they agree, else ambiguous."""
        named = self._text(position + 1, full=True) if position + 1 < len(self.tokens) else None
        if named is None or self.tokens[position].text != "A":
            return None
        return (named[0] if named[0] == chr(LETTER) else SEVERAL), named[1]

    def _after_label(self, position: int) -> int | None:
        """The position of the word after the signs that close a letter."""
        start = self.tokens[position - 1].end
        signs = _LABEL.match(self.text, start)
        after = signs.end() if signs else start
        while position < len(self.tokens) and self.tokens[position].start < after:
            position += 1
        return position if position < len(self.tokens) and self.tokens[position].is_word else None

    def _text(self, position: int, full: bool) -> tuple[str, int] | None:
        """The choice whose text begins here, the longest that fits; where `full`, no word of its line follows it."""
        if position >= len(self.tokens) or self.plain[position] not in self.texts:
            return None
        if full and position and self.tokens[position - 1].plain in words.ACTS:
            return None  # "the athlete performs salto backward …": as likely a part of a longer name
        ends: dict[int, set[int]] = defaultdict(set)
        for spelled, index in self.texts[self.plain[position]]:
            end = self._spelled(position, spelled)
            if end is not None:
                ends[end].add(index)
        if not ends:
            return None
        end = max(ends)
        follows = self._word_follows(end)
        if follows and (full or end == position + 1):
            return None
        return self._sign(ends[end]), end

    def _spelled(self, position: int, spelled: Sequence[str]) -> int | None:
        """The position after these words, signs between them left aside; None where others stand here."""
        for word in spelled:
            while position < len(self.tokens) and not self.tokens[position].is_word:
                position += 1
            if position >= len(self.tokens):
                return None
            pair = position + 1 < len(self.tokens) and self.plain[position] + self.plain[position + 1] == word
            if self.plain[position] != word and not pair:
                return None
            position += 2 if pair and self.plain[position] != word else 1
        return position

    def _word_follows(self, position: int) -> bool:
        """Whether a word follows on the line that gives no reason."""
        if position >= len(self.tokens) or not self.tokens[position].is_word:
            return False
        same_line = "\n" not in self.text[self.tokens[position - 1].end : self.tokens[position].start]
        return same_line and self.tokens[position].plain not in words.AFTER_TEXT

    def _letter(self, position: int) -> int | None:
        """The index of the option letter at a position, also beyond the choices; None for a word or another thing.

        A small letter only where it is in brackets or the whole of its line.
        """
        token = self.tokens[position]
        if len(token.text) != 1 or token.text.upper() not in ascii_uppercase or self._within_word(position):
            return None
        if token.text.islower() and not self._stands_alone(position):
            return None
        if self._names_other(position) or (token.text in "AIOEY" and self._is_article(position)):
            return None
        return ascii_uppercase.index(token.text.upper())

    def _stands_alone(self, position: int) -> bool:
        token = self.tokens[position]
        before, after = self.text[max(0, token.start - 1) : token.start], self.text[token.end : token.end + 1]
        if before in tuple("([{（「【") and after in tuple(")]}）」】:.,"):
            return True
        head = self.text[max(0, token.start - 40) : token.start].rpartition("\n")
        tail = self.text[token.end : token.end + 40].partition("\n")[0]
        begins = (bool(head[1]) or token.start <= 40) and not re.search(r"\w", head[2])
        return begins and (not re.search(r"\w", tail) or bool(re.match(r"[)\].:,]", tail)))

    def _within_word(self, position: int) -> bool:
        """Whether the letter belongs to a longer word: C-shaped, e.g., U-turn, C#."""
        token = self.tokens[position]
        before, after = self.text[max(0, token.start - 2) : token.start], self.text[token.end : token.end + 2]
        if len(before) == 2 and before[1] in "-.'’@_" and (before[0].isalnum() or before[1] == "@"):
            return True
        if re.match(r"[-+#'’_&][^\W_]|[+#]", after):
            return True
        return (
            after[:1] == "."
            and len(after) == 2
            and after[1].isalpha()
            and self.text[token.end + 2 : token.end + 3] == "."
        )

    def _names_other(self, position: int) -> bool:
        """Whether the letter names a thing that is no option: "vitamin C", "team B"."""
        before = self.tokens[position - 1] if position else None
        return (
            before is not None
            and before.plain in words.LETTERED
            and self.text[before.end : self.tokens[position].start].isspace()
        )

    def _is_article(self, position: int) -> bool:
        """Whether a capital A, I, O, E, Y before another word is a word itself.

        Not before a word that follows letters ("A is") or of another script, nor, for A, within a sentence
        ("the answer A would").
        """
        token = self.tokens[position]
        if position + 1 >= len(self.tokens) or not self.tokens[position + 1].is_word:
            return False
        following = self.tokens[position + 1]
        if "\n" in self.text[token.end : following.start] or not re.match(r"[a-zà-ɏḀ-ỿ]", following.plain):
            return False
        if token.text == "I":
            return True
        if len(following.text) == 1 and following.text.isupper():
            return False
        if following.plain in words.AFTER_LETTER or (
            self._text(position + 1, full=False) is not None and token.text == "A"
        ):
            return token.text == "A" and following.plain not in words.AFTER_LETTER
        before = self.tokens[position - 1] if position else None
        within = before is not None and before.is_word and "\n" not in self.text[before.end : token.start]
        shouted = before is not None and before.text.isupper() and len(before.text) > 1
        return not (token.text == "A" and within and not shouted and following.text.islower())
