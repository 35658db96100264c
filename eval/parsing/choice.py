"""Which choice a written reply means, or that it means none: strict, never a guess.

What counts, the first that is there at all:

1. a closing statement: "final answer: B", `\\boxed{B}`, "So the answer is B";
2. a statement: "the answer is B", {"answer": "B"}, "I choose B", "the correct option is B", "B is correct";
3. the whole reply, or its beginning: "B", "(b)", "**B.** salto …", "Option B", a choice's text in full; or its last
   line by itself.

A statement holds a letter, a choice's text in full, or both where they agree. Statements of one kind must agree. Two
letters, a letter beyond the choices, the text of another choice, a denial ("not B", "B is wrong"), a condition
before or after ("if …") or a second thought ("no, wait") leave the reply unanswered.
docs/scoring.md lists what is read as what; its table is the test's.
"""

from collections.abc import Iterator, Sequence

from eval.parsing import vocabulary as reply_words
from eval.parsing.reply import CLOSERS, OPENERS, ReplyText, Value, letter_at, tokenize, words_of

_AHEAD = 12  # tokens looked at after a statement's noun or letter


def parse_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that a reply means; None where it means none, or more than one.

    Time is linear in the reply's length.

    Args:
        text: what the model wrote; of a reply that thinks aloud in <think> … </think>, what follows counts.
        choices: the question's choices, at most 26, lettered A, B, … in this order.
    """
    said = text.rpartition("</think>")[2]
    if "<think>" in said:
        return None
    exact = [index for index, choice in enumerate(choices) if choice.strip() == said.strip() != ""]
    if len(exact) == 1 and not words_of(said):
        return exact[0]  # a choice of signs alone, as + or −
    return _Reading(ReplyText(tokenize(said), choices)).choice() if choices else None


class _Reading:
    """What a reply states, and what it begins and ends with."""

    def __init__(self, reply: ReplyText) -> None:
        self.reply, self.tokens = reply, reply.tokens

    def choice(self) -> int | None:
        """The one choice that is meant, if any."""
        closing: list[Value] = []
        plain: list[Value] = []
        for place, value in self._statements():
            (closing if self._closes(place) else plain).append(value)
        if closing or plain:
            return self._agreed(closing or plain)
        for found in (self._leading(0), self._last_line()):
            if found is not None and not self._refused(found):
                return self._one(found.meant)
        return None

    def _refused(self, found: Value) -> bool:
        return self.reply.denied(found.end) or self.reply.takes_back(found.end, weak=True)

    def _agreed(self, values: Sequence[Value]) -> int | None:
        """What all statements mean, unless the last is followed by a second thought."""
        meant = frozenset[int]().union(*(value.meant for value in values))
        return None if self.reply.takes_back(values[-1].end) else self._one(meant)

    def _one(self, meant: frozenset[int]) -> int | None:
        found = next(iter(meant)) if len(meant) == 1 else -1
        return found if 0 <= found < self.reply.n_choices else None

    def _statements(self) -> Iterator[tuple[int, Value]]:
        """Every statement of an answer that is neither denied nor conditional, with the place where it begins."""
        for place in self.reply.words:
            end = self._anchor(place)
            value = self._value(self._skip_fillers(end)) if end else self._called_right(place)
            if value is None or self.reply.hedged(place) or self.reply.sign(value.end, "?"):
                continue
            if not self.reply.denied(value.end):
                yield place, value

    def _anchor(self, place: int) -> int | None:
        """The place after "answer", "correct option", "choice:", "I choose", `boxed`; None where none stands here."""
        word, before = self.tokens[place].plain, self.reply.words_before(place, 2)
        if reply_words.WRONG & {*before[:1]} or before[1:] in (["least"], ["less"]):
            return None
        if word in reply_words.ANSWER or (word == "boxed" and self.reply.sign(place + 1, "{")):
            return place + 1
        if word in reply_words.OPTION and (reply_words.RIGHT & {*before} or self._named(place + 1)):
            return place + 1
        if word in reply_words.CHOOSE and (not before or before[0] in reply_words.BEFORE_CHOOSE):
            return place + 1
        return place + 1 if word == "with" and before[:1] in (["go"], ["going"]) else None

    def _named(self, place: int) -> bool:
        """Whether `:` or `":` follows, as after a name in JSON."""
        return self.reply.sign(place, ":") or (self.reply.sign(place, '"') and self.reply.sign(place + 1, ":"))

    def _called_right(self, place: int) -> Value | None:
        """The letter of "B is correct", "option B is the right answer"."""
        letter = letter_at(self.tokens, place)
        if letter is None:
            return None
        after = [token for token in self.tokens[place + 1 : place + 1 + _AHEAD] if token.text not in CLOSERS]
        said = [token.plain for token in after[:3] if token.plain != "the"]
        stated = said[:1] == ["is"] and not reply_words.CALLED.isdisjoint(said[1:2])
        return Value(frozenset({letter}), place + 1) if stated and self.tokens[place].text.isupper() else None

    def _skip_fillers(self, place: int) -> int:
        """The first place from here on that is neither a filler, a bracket, nor : = - ~."""
        last = min(len(self.tokens), place + _AHEAD)
        while place < last:
            token = self.tokens[place]
            if token.plain not in reply_words.FILLERS and token.text not in OPENERS | CLOSERS | {*":=-~—–\\."}:
                break
            if token.text == "." and not self.reply.breaks_line(place):
                return len(self.tokens)
            place += 1
        return place

    def _value(self, place: int) -> Value | None:
        """A letter, a choice's text in full, or both, from a place on."""
        if place >= len(self.tokens):
            return None
        letter = letter_at(self.tokens, place)
        if letter is None:
            return self._article_text(place) or self.reply.text_in_full(place)
        as_text = self.reply.text_in_full(place)  # of choices that are letters themselves
        meant = {letter} | (as_text.meant if as_text is not None else set())
        text = self.reply.text_named(self._skip_mark(place + 1))
        if text is None:
            return Value(frozenset(meant | self._further_letters(place + 1)), place + 1)
        meant |= set() if letter in text.meant else text.meant
        return Value(frozenset(meant | self._further_letters(text.end, linked=True)), text.end)

    def _article_text(self, place: int) -> Value | None:
        """The letter A where its own choice's text follows, "A salto backward": as letter and as article it means A."""
        text = self.reply.text_in_full(place + 1) if self.tokens[place].plain == "a" else None
        return text if text is not None and text.meant == {0} else None

    def _further_letters(self, place: int, linked: bool = False) -> frozenset[int]:
        """Letters joined to the one before: "or C", ", C", "/C"; where `linked`, also one that simply follows."""
        found, skipped = set(), reply_words.FILLERS | reply_words.HESITANT
        for here in range(place, min(len(self.tokens), place + _AHEAD)):
            token = self.tokens[here]
            letter = letter_at(self.tokens, here)
            if letter is not None and linked:
                found.add(letter)
            elif token.plain in reply_words.LINKS or token.text in reply_words.LINK_SIGNS:
                linked = True
            elif token.text in reply_words.SENTENCE_ENDS or (token.is_word and token.plain not in skipped):
                break
        return frozenset(found)

    def _leading(self, place: int) -> Value | None:
        """The choice that a reply, or its last line, begins with."""
        start = place
        while place < len(self.tokens):
            token = self.tokens[place]
            if token.text not in OPENERS | {*"#>-~\\"} and token.plain not in reply_words.LEADING:
                break
            if letter_at(self.tokens, place) is not None or self.reply.text_in_full(place):
                break
            place += 1
        value = self._value(place)
        if value is None or (place > start and self.reply.hedged(place)):
            return None
        letter = letter_at(self.tokens, place)
        if letter is not None and value.end == place + 1 and not self._marked(place + 1):
            return None
        meant = value.meant | self.reply.letters_from(value.end) | self.reply.texts_from(value.end)
        return Value(meant, value.end)

    def _last_line(self) -> Value | None:
        """The choice that the last line is, where nothing else on it and no letter before it names one."""
        if not self.tokens or self.tokens[0].line == self.tokens[-1].line:
            return None
        line = self.tokens[-1].line
        start = next(place for place, token in enumerate(self.tokens) if token.line == line)
        value = self._leading(start)
        if value is None or any(self.tokens[place].is_word for place in range(value.end, len(self.tokens))):
            return None
        meant = value.meant | self.reply.letters_from(0, start)
        return None if self.reply.takes_back(0, start) else Value(meant, len(self.tokens))

    def _marked(self, place: int) -> bool:
        """Whether a letter ends here: the reply or its line is over, or a sign such as . ) : follows."""
        if place >= len(self.tokens) or self.reply.breaks_line(place - 1):
            return True
        token = self.tokens[place]
        return token.text in CLOSERS | {*".:,;!-–—、。"} or token.plain in reply_words.REASONS

    def _skip_mark(self, place: int) -> int:
        """The place after the signs that close a letter: `.`, `)`, `:`, `**`."""
        while place < len(self.tokens) and self.tokens[place].text in OPENERS | CLOSERS | {*".:,-–—、。=\\"}:
            place += 1
        return place

    def _closes(self, place: int) -> bool:
        """Whether a statement is `boxed`, or its clause begins with so, therefore, final."""
        return self.tokens[place].plain == "boxed" or bool(reply_words.CLOSING & {*self.reply.words_before(place, 4)})
