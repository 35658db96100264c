"""A reply's tokens beside the words of the choices: where a choice's text stands, where letters and doubts are."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from eval.parsing import vocabulary as reply_words
from gymqa.questions.schema import LETTERS

_BACK = 40  # tokens looked at before a statement, for what denies it


@dataclass(frozen=True, slots=True)
class Value:
    """What a statement holds: the choices it may mean (several: it says too much), and the place after it."""

    meant: frozenset[int]
    end: int


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


class ReplyText:
    """A reply's tokens beside the words of the choices; a place is an index of a token."""

    def __init__(self, tokens: Sequence[Token], choices: Sequence[str]) -> None:
        self.tokens, self.n_choices = tokens, len(choices)
        self.texts: dict[str, list[tuple[tuple[str, ...], int]]] = defaultdict(list)
        for index, choice in enumerate(choices):
            words = words_of(choice)
            if words:
                self.texts[words[0]].append((words, index))
        self.words = [place for place, token in enumerate(tokens) if token.is_word]
        self.plain = [tokens[place].plain for place in self.words]
        self.rank = {place: rank for rank, place in enumerate(self.words)}

    def text_in_full(self, place: int) -> Value | None:
        """The longest choice's text from here on, where no further word of the sentence follows it."""
        found = self.text_begun(place)
        if found is None:
            return None
        following = self.tokens[found.end] if found.end < len(self.tokens) else None
        ends = following is None or not following.is_word or self.breaks_line(found.end - 1)
        return found if ends or (following is not None and following.plain in reply_words.REASONS) else None

    def text_named(self, place: int) -> Value | None:
        """A choice's text, whatever follows it; one of a single word ("no") only in full."""
        found = self.text_begun(place)
        one_word = found is not None and found.end == place + 1
        return self.text_in_full(place) if one_word else found

    def text_begun(self, place: int) -> Value | None:
        """The longest choice's text whose words begin at this place, whatever follows."""
        if place not in self.rank:
            return None
        rank = self.rank[place]
        known = self.texts.get(self.plain[rank], ())
        fitting = [(len(words), index) for words, index in known if self._reads(rank, words)]
        if not fitting:
            return None
        longest = max(length for length, _ in fitting)
        meant = frozenset(index for length, index in fitting if length == longest)
        return Value(meant, self.words[rank + longest - 1] + 1)

    def _reads(self, rank: int, words: tuple[str, ...]) -> bool:
        return tuple(self.plain[rank : rank + len(words)]) == words

    def letters_from(self, start: int, end: int | None = None) -> frozenset[int]:
        """Capital letters, and small ones in brackets, in a stretch of the reply."""
        found = set()
        for place in range(start, len(self.tokens) if end is None else end):
            token = self.tokens[place]
            if len(token.text) == 1 and (token.text.isupper() or (self.sign(place - 1, "(") and token.is_word)):
                letter = letter_at(self.tokens, place)
                found |= set() if letter is None else {letter}
        return frozenset(found)

    def texts_from(self, start: int) -> frozenset[int]:
        """The choices whose text stands in full in the rest; inside a longer one's it does not count."""
        found: set[int] = set()
        place = start
        while place < len(self.tokens):
            text = self.text_named(place)
            found |= text.meant if text is not None and not self._is_letter_text(text, place) else set()
            place = text.end if text is not None else place + 1
        return frozenset(found)

    def _is_letter_text(self, text: Value, place: int) -> bool:
        """Whether a choice's text is one sign, as the article a: it cannot be told from a word."""
        return text.end == place + 1 and len(self.tokens[place].text) == 1

    def hedged(self, place: int) -> bool:
        """Whether a negation stands before in the clause, or a condition in the sentence."""
        negated, within_clause = False, True
        for here in range(place - 1, max(-1, place - _BACK), -1):
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
        """Whether what ends here is called wrong, or made a condition or a question, in the rest of its sentence.

        "B, not A" and "B: it is not a turn" deny something else.
        """
        place, copula = end, False
        while place < len(self.tokens):
            token = self.tokens[place]
            if token.is_word and (token.plain not in reply_words.COPULAS or letter_at(self.tokens, place) is not None):
                break
            if token.is_word and place > end and self.tokens[place].line > self.tokens[end - 1].line:
                return False
            copula = copula or token.is_word
            place += 1
            if place > end + _BACK:
                return False
        return self._called_wrong(place, end, copula) or self._conditional(end) or self._denied_cjk(end)

    def _called_wrong(self, place: int, end: int, copula: bool) -> bool:
        """Whether a denial stands at this place, the first that is neither a sign nor a copula after `end`."""
        if not self.word(place) or self.tokens[place].line > self.tokens[end - 1].line:
            return False
        plain = self.tokens[place].plain
        if plain in reply_words.WRONG or (plain == "or" and not copula):
            return True
        if plain not in ("cannot", "never", "not") and not plain.endswith("n't"):
            return False
        following = {token.plain for token in self.tokens[place + 1 : place + 4]}
        closed = all(token.is_word or token.text in CLOSERS for token in self.tokens[end:place])
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
        """The same in Japanese and Chinese, whose signs are words of their own."""
        rest = ""
        for token in self.tokens[end : end + _BACK]:
            if token.text in reply_words.CLAUSE_ENDS - {"?"} or token.line > self.tokens[end - 1].line:
                break
            rest += token.text
        return any(sign in rest[:12] for sign in reply_words.DENIALS_CJK) or rest.rstrip("?").endswith("か")

    def takes_back(self, start: int, end: int | None = None, weak: bool = False) -> bool:
        """Whether a second thought follows; after a `weak` statement a refusal counts as one."""
        for place in range(start, len(self.tokens) if end is None else end):
            plain = self.tokens[place].plain
            begins = place == start or not self.tokens[place - 1].is_word or self.breaks_line(place - 1)
            if plain in reply_words.SECOND_THOUGHTS or (weak and self._refuses(place, plain)):
                return True
            if plain in reply_words.INTERJECTIONS and begins and (plain != "no" or not self.word(place + 1)):
                return True
        return False

    def _refuses(self, place: int, plain: str) -> bool:
        denies = (plain == "not" or plain.endswith("n't")) and self.word(place + 1)
        return plain in reply_words.REFUSALS or (denies and self.tokens[place + 1].plain in reply_words.UNSURE)

    def words_before(self, place: int, count: int) -> list[str]:
        """Up to `count` words before a place, in its sentence, the nearest first."""
        found: list[str] = []
        for here in range(place - 1, max(-1, place - 2 * count - 1), -1):
            if self.tokens[here].text in reply_words.SENTENCE_ENDS or len(found) == count:
                break
            found += [self.tokens[here].plain] if self.tokens[here].is_word else []
        return found

    def sign(self, place: int, sign: str) -> bool:
        """Whether this sign stands at a place, which may be outside the reply."""
        return 0 <= place < len(self.tokens) and self.tokens[place].text == sign

    def word(self, place: int) -> bool:
        """Whether a word stands at a place, which may be after the reply."""
        return place < len(self.tokens) and self.tokens[place].is_word

    def breaks_line(self, place: int) -> bool:
        """Whether the line ends after a place."""
        return place + 1 >= len(self.tokens) or self.tokens[place + 1].line > self.tokens[place].line


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
