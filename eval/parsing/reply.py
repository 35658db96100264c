"""Tokens of a free-text reply: tokenizer, option letters, matches of the choices' texts, negations and hedges."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from eval.parsing import vocabulary as reply_words
from gymqa.questions.schema import LETTERS

_BACK = 40  # tokens examined before a statement for a negation


@dataclass(frozen=True, slots=True)
class Value:
    """Value of a statement: the choices it names (several are ambiguous), and the position after it."""

    meant: frozenset[int]
    end: int


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a punctuation sign.

    `text` is as written, `plain` casefolded; `line` counts from 0; `glued` where no white space precedes it.
    """

    text: str
    plain: str
    is_word: bool
    line: int
    glued: bool


class ReplyText:
    """Tokens of a reply and the words of the choices; a position is the index of a token."""

    def __init__(self, tokens: Sequence[Token], choices: Sequence[str]) -> None:
        self.tokens, self.n_choices = tokens, len(choices)
        self.texts: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        for index, choice in enumerate(choices):
            words = words_of(choice)
            if words:
                self.texts[words[0]].append((words, index))
        self.words = [position for position, token in enumerate(tokens) if token.is_word]
        self.plain = [tokens[position].plain for position in self.words]
        self.rank = {position: rank for rank, position in enumerate(self.words)}

    def text_in_full(self, position: int) -> Value | None:
        """The longest choice text that begins here, where no further word of the sentence follows it."""
        found = self.text_begun(position)
        if found is None:
            return None
        following = self.tokens[found.end] if found.end < len(self.tokens) else None
        ends = following is None or not following.is_word or self.breaks_line(found.end - 1)
        return found if ends or (following is not None and following.plain in reply_words.REASONS) else None

    def text_named(self, position: int) -> Value | None:
        """A choice's text, whatever follows it; a one-word text ("no") only in full."""
        found = self.text_begun(position)
        one_word = found is not None and found.end == position + 1
        return self.text_in_full(position) if one_word else found

    def text_begun(self, position: int) -> Value | None:
        """The longest choice text whose words begin at this position, whatever follows."""
        if position not in self.rank:
            return None
        rank = self.rank[position]
        known = self.texts.get(self.plain[rank], ())
        fitting = [(len(words), index) for words, index in known if self._spells(rank, words)]
        if not fitting:
            return None
        longest = max(length for length, _ in fitting)
        meant = frozenset(index for length, index in fitting if length == longest)
        return Value(meant, self.words[rank + longest - 1] + 1)

    def _spells(self, rank: int, words: tuple[str, ...]) -> bool:
        return tuple(self.plain[rank : rank + len(words)]) == words

    def letters_from(self, start: int, end: int | None = None) -> frozenset[int]:
        """Option letters, capital or in brackets, from `start` to `end`."""
        found = set()
        for position in range(start, len(self.tokens) if end is None else end):
            token = self.tokens[position]
            if len(token.text) == 1 and (token.text.isupper() or (self.sign(position - 1, "(") and token.is_word)):
                letter = letter_at(self.tokens, position)
                found |= set() if letter is None else {letter}
        return frozenset(found)

    def texts_from(self, start: int) -> frozenset[int]:
        """The choices whose text occurs in full from `start` on, not inside a longer one's text."""
        found: set[int] = set()
        position = start
        while position < len(self.tokens):
            text = self.text_named(position)
            found |= text.meant if text is not None and not self._is_letter_text(text, position) else set()
            position = text.end if text is not None else position + 1
        return frozenset(found)

    def _is_letter_text(self, text: Value, position: int) -> bool:
        """Whether a choice's text is a single character, as the article a: ambiguous with a word."""
        return text.end == position + 1 and len(self.tokens[position].text) == 1

    def hedged(self, position: int) -> bool:
        """Whether a negation precedes in the clause, or a condition in the sentence."""
        negated, within_clause = False, True
        for here in range(position - 1, max(-1, position - _BACK), -1):
            token = self.tokens[here]
            if token.text in reply_words.SENTENCE_ENDS or self.breaks_line(here):
                break
            if token.plain in reply_words.CONDITIONS:
                return True
            within_clause = within_clause and token.plain not in reply_words.CLAUSE_ENDS
            denies = token.plain in reply_words.NEGATIONS or token.plain.endswith("n't")
            negated = negated or (within_clause and denies)
        return negated

    def denied(self, end: int) -> bool:
        """Whether the rest of the sentence negates what ends here, or makes it a condition or a question.

        "B, not A" and "B: it is not a turn" negate something else.
        """
        position, copula = end, False
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.is_word and (
                token.plain not in reply_words.COPULAS or letter_at(self.tokens, position) is not None
            ):
                break
            if token.is_word and position > end and self.tokens[position].line > self.tokens[end - 1].line:
                return False
            copula = copula or token.is_word
            position += 1
            if position > end + _BACK:
                return False
        return self._called_wrong(position, end, copula) or self._conditional(end) or self._denied_cjk(end)

    def _called_wrong(self, position: int, end: int, copula: bool) -> bool:
        """Whether a negation is at this position, the first after `end` that is neither a sign nor a copula."""
        if not self.word(position) or self.tokens[position].line > self.tokens[end - 1].line:
            return False
        plain = self.tokens[position].plain
        if plain in reply_words.WRONG or (plain == "or" and not copula):
            return True
        if plain not in ("cannot", "never", "not") and not plain.endswith("n't"):
            return False
        following = {token.plain for token in self.tokens[position + 1 : position + 4]}
        closed = all(token.is_word or token.text in CLOSERS for token in self.tokens[end:position])
        return closed or bool(following & (reply_words.AFFIRMED | reply_words.WRONG))

    def _conditional(self, end: int) -> bool:
        """Whether "if" or "unless" follows in the sentence, before a reason begins."""
        for token in self.tokens[end : end + _BACK]:
            if token.line > self.tokens[end - 1].line or token.text in reply_words.SENTENCE_ENDS:
                return False
            if token.plain in reply_words.CONDITIONS_AFTER:
                return True
            if token.plain in reply_words.REASONS:
                return False
        return False

    def _denied_cjk(self, end: int) -> bool:
        """`denied` for Japanese and Chinese, where every character is a token."""
        rest = ""
        for token in self.tokens[end : end + _BACK]:
            if token.text in reply_words.CLAUSE_ENDS - {"?"} or token.line > self.tokens[end - 1].line:
                break
            rest += token.text
        return any(sign in rest[:12] for sign in reply_words.DENIALS_CJK) or rest.rstrip("?").endswith("か")

    def takes_back(self, start: int, end: int | None = None, weak: bool = False) -> bool:
        """Whether a self-correction follows; after a `weak` statement a refusal counts as one."""
        for position in range(start, len(self.tokens) if end is None else end):
            plain = self.tokens[position].plain
            begins = position == start or not self.tokens[position - 1].is_word or self.breaks_line(position - 1)
            if plain in reply_words.SECOND_THOUGHTS or (weak and self._refuses(position, plain)):
                return True
            if plain in reply_words.INTERJECTIONS and begins and (plain != "no" or not self.word(position + 1)):
                return True
        return False

    def _refuses(self, position: int, plain: str) -> bool:
        denies = (plain == "not" or plain.endswith("n't")) and self.word(position + 1)
        return plain in reply_words.REFUSALS or (denies and self.tokens[position + 1].plain in reply_words.UNSURE)

    def words_before(self, position: int, count: int) -> list[str]:
        """Up to `count` words before a position, within its sentence, nearest first."""
        found: list[str] = []
        for here in range(position - 1, max(-1, position - 2 * count - 1), -1):
            if self.tokens[here].text in reply_words.SENTENCE_ENDS or len(found) == count:
                break
            found += [self.tokens[here].plain] if self.tokens[here].is_word else []
        return found

    def sign(self, position: int, sign: str) -> bool:
        """Whether this sign is at a position, which may be outside the reply."""
        return 0 <= position < len(self.tokens) and self.tokens[position].text == sign

    def word(self, position: int) -> bool:
        """Whether a word is at a position, which may be after the reply."""
        return position < len(self.tokens) and self.tokens[position].is_word

    def breaks_line(self, position: int) -> bool:
        """Whether the line ends after a position."""
        return position + 1 >= len(self.tokens) or self.tokens[position + 1].line > self.tokens[position].line


_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = rf"[^\W\d_{_CJK}]"
# An apostrophe binds (it's, C'est), a full stop or comma binds digits (1.5); 答案 and similar are one word.
_TOKEN = re.compile(
    rf"(?P<word>答案|正解|答え|정답|(?:{_WORD}|[\d\u0300-\u036f])+(?:['’.,](?:(?<=['’]){_WORD}|(?<=\d[.,])\d)"
    rf"(?:{_WORD}|[\d\u0300-\u036f])*)*|[{_CJK}])|(?P<sign>[^\s])"
)
_PIECE = re.compile(r"\S{1,64}|\s+")
_ARTICLES = frozenset({"a", "i"})  # letters that are words as well: an article, and in English and Italian more
_AFTER_LETTER = frozenset({"is", "because", "since", "as", "due", "given", "based", "or", "and", "seems", "would"})
OPENERS = frozenset("([{<\"'“”‘’«»*_`$\\「『【〔《（")
CLOSERS = frozenset(")]}>\"'“”‘’«»*_`$」』】〕》）")


def tokenize(text: str) -> list[Token]:
    """Tokenise a text after NFKC normalisation (full-width and other presentation forms)."""
    tokens, line, end = [], 0, -1
    # Piece by piece: normalising a long run of combining marks is quadratic in its length.
    whole = "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))
    for found in _TOKEN.finditer(whole):
        start = found.start()
        line += whole.count("\n", max(end, 0), start)
        word = found.group()
        tokens.append(Token(word, word.casefold().replace("’", "'"), found.lastgroup == "word", line, start == end))
        end = found.end()
    return tokens


def words_of(text: str) -> tuple[str, ...]:
    """A text's words, casefolded and without punctuation; equal for equivalent texts."""
    return tuple(token.plain for token in tokenize(text) if token.is_word)


def letter_at(tokens: Sequence[Token], position: int) -> int | None:
    """The index of the option letter at a position, also beyond the choices; None where there is none.

    "A salto" and "I cannot tell" hold no letter: A and I before another word are words, unless that word follows
    letters ("A is", "A because"). Neither do "C-shaped" and "e.g.".
    """
    token = tokens[position]
    if len(token.text) != 1 or token.plain.upper() not in LETTERS:
        return None
    if (
        position
        and token.glued
        and tokens[position - 1].text in {"-", ".", "/", "'"}
        and _is_word(tokens, position - 2)
    ):
        return None if tokens[position - 1].text != "/" else LETTERS.index(token.plain.upper())
    following = tokens[position + 1] if position + 1 < len(tokens) else None
    if following is not None:
        if following.is_word and token.plain in _ARTICLES:
            same_line = following.line == token.line
            if same_line and following.plain not in _AFTER_LETTER:
                return None
        if (
            following.glued
            and following.text in {"-", "+", "#", "'", "’"}
            and _is_word(tokens, position + 2, glued=True)
        ):
            return None
        if following.text == "." and _abbreviates(tokens, position):
            return None
    return LETTERS.index(token.plain.upper())


def _is_word(tokens: Sequence[Token], position: int, glued: bool = False) -> bool:
    return 0 <= position < len(tokens) and tokens[position].is_word and (tokens[position].glued or not glued)


def _abbreviates(tokens: Sequence[Token], position: int) -> bool:
    """Whether "e.g." or "i.e." begins here."""
    rest = tokens[position : position + 4]
    return len(rest) == 4 and all(one.glued for one in rest[1:]) and len(rest[2].text) == 1 and rest[3].text == "."
