"""Parser from a free-text reply to the chosen option: strict rules, unanswered rather than guessed.

Rules in order of precedence; the first that matches decides:

1. a closing statement: "final answer: B", `\\boxed{B}`, "So the answer is B";
2. a statement: "the answer is B", {"answer": "B"}, "I choose B", "the correct option is B", "B is correct";
3. the whole reply, or its beginning: "B", "(b)", "**B.** salto …", "Option B", a choice's text in full; or its last
   line by itself.

A statement holds a letter, a choice's text in full, or both where they agree. Statements of one kind must agree. Two
letters, a letter beyond the choices, the text of another choice, a denial ("not B", "B is wrong"), a condition
before or after ("if …") or a second thought ("no, wait") leave the reply unanswered.
docs/scoring.md has a table of examples, which a test runs.
"""

from collections.abc import Iterator, Sequence

from eval.parsing import vocabulary as reply_words
from eval.parsing.reply import CLOSERS, OPENERS, ReplyText, Value, letter_at, tokenize, words_of

_AHEAD = 12  # tokens examined after a statement's noun or letter


def parse_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that a reply names; None where it names none, or more than one.

    Linear in the reply's length.

    Args:
        text: the model's reply; only what follows a reasoning part <think> … </think> counts.
        choices: the question's choices, at most 26, lettered A, B, … in this order.
    """
    reply = text.rpartition("</think>")[2]
    if "<think>" in reply:
        return None
    exact = [index for index, choice in enumerate(choices) if choice.strip() == reply.strip() != ""]
    if len(exact) == 1 and not words_of(reply):
        return exact[0]  # a choice without words, as + or −
    return _Reading(ReplyText(tokenize(reply), choices)).choice() if choices else None


class _Reading:
    """Applies the rules to the tokens of a reply."""

    def __init__(self, reply: ReplyText) -> None:
        self.reply, self.tokens = reply, reply.tokens

    def choice(self) -> int | None:
        """The index of the one choice named, if any."""
        closing: list[Value] = []
        plain: list[Value] = []
        for position, value in self._statements():
            (closing if self._closes(position) else plain).append(value)
        if closing or plain:
            return self._agreed(closing or plain)
        for found in (self._leading(0), self._last_line()):
            if found is not None and not self._refused(found):
                return self._one(found.meant)
        return None

    def _refused(self, found: Value) -> bool:
        return self.reply.denied(found.end) or self.reply.takes_back(found.end, weak=True)

    def _agreed(self, values: Sequence[Value]) -> int | None:
        """The choice all statements agree on, unless a correction follows the last."""
        meant = frozenset[int]().union(*(value.meant for value in values))
        return None if self.reply.takes_back(values[-1].end) else self._one(meant)

    def _one(self, meant: frozenset[int]) -> int | None:
        found = next(iter(meant)) if len(meant) == 1 else -1
        return found if 0 <= found < self.reply.n_choices else None

    def _statements(self) -> Iterator[tuple[int, Value]]:
        """Every statement of an answer that is neither denied nor conditional, with its first position."""
        for position in self.reply.words:
            end = self._anchor(position)
            value = self._value(self._skip_fillers(end)) if end else self._called_right(position)
            if value is None or self.reply.hedged(position) or self.reply.sign(value.end, "?"):
                continue
            if not self.reply.denied(value.end):
                yield position, value

    def _anchor(self, position: int) -> int | None:
        """The position after "answer", "correct option", "choice:", "I choose", `boxed`; None where none is here."""
        word, before = self.tokens[position].plain, self.reply.words_before(position, 2)
        if reply_words.WRONG & {*before[:1]} or before[1:] in (["least"], ["less"]):
            return None
        if word in reply_words.ANSWER or (word == "boxed" and self.reply.sign(position + 1, "{")):
            return position + 1
        if word in reply_words.OPTION and (reply_words.RIGHT & {*before} or self._named(position + 1)):
            return position + 1
        if word in reply_words.CHOOSE and (not before or before[0] in reply_words.BEFORE_CHOOSE):
            return position + 1
        return position + 1 if word == "with" and before[:1] in (["go"], ["going"]) else None

    def _named(self, position: int) -> bool:
        """Whether `:` or `":` follows, as after a name in JSON."""
        return self.reply.sign(position, ":") or (self.reply.sign(position, '"') and self.reply.sign(position + 1, ":"))

    def _called_right(self, position: int) -> Value | None:
        """The letter of "B is correct", "option B is the right answer"."""
        letter = letter_at(self.tokens, position)
        if letter is None:
            return None
        after = [token for token in self.tokens[position + 1 : position + 1 + _AHEAD] if token.text not in CLOSERS]
        words = [token.plain for token in after[:3] if token.plain != "the"]
        stated = words[:1] == ["is"] and not reply_words.CALLED.isdisjoint(words[1:2])
        return Value(frozenset({letter}), position + 1) if stated and self.tokens[position].text.isupper() else None

    def _skip_fillers(self, position: int) -> int:
        """The first position from here on that is neither a filler, a bracket, nor : = - ~."""
        last = min(len(self.tokens), position + _AHEAD)
        while position < last:
            token = self.tokens[position]
            if token.plain not in reply_words.FILLERS and token.text not in OPENERS | CLOSERS | {*":=-~—–\\."}:
                break
            if token.text == "." and not self.reply.breaks_line(position):
                return len(self.tokens)
            position += 1
        return position

    def _value(self, position: int) -> Value | None:
        """A letter, a choice's text in full, or both, from a position on."""
        if position >= len(self.tokens):
            return None
        letter = letter_at(self.tokens, position)
        if letter is None:
            return self._article_text(position) or self.reply.text_in_full(position)
        as_text = self.reply.text_in_full(position)  # of choices that are letters themselves
        meant = {letter} | (as_text.meant if as_text is not None else set())
        text = self.reply.text_named(self._skip_mark(position + 1))
        if text is None:
            return Value(frozenset(meant | self._further_letters(position + 1)), position + 1)
        meant |= set() if letter in text.meant else text.meant
        return Value(frozenset(meant | self._further_letters(text.end, linked=True)), text.end)

    def _article_text(self, position: int) -> Value | None:
        """Choice A where its own text follows, "A salto backward": letter and article agree."""
        text = self.reply.text_in_full(position + 1) if self.tokens[position].plain == "a" else None
        return text if text is not None and text.meant == {0} else None

    def _further_letters(self, position: int, linked: bool = False) -> frozenset[int]:
        """Letters joined to the one before: "or C", ", C", "/C"; where `linked`, also one that follows directly."""
        found, skipped = set(), reply_words.FILLERS | reply_words.HESITANT
        for here in range(position, min(len(self.tokens), position + _AHEAD)):
            token = self.tokens[here]
            letter = letter_at(self.tokens, here)
            if letter is not None and linked:
                found.add(letter)
            elif token.plain in reply_words.LINKS or token.text in reply_words.LINK_SIGNS:
                linked = True
            elif token.text in reply_words.SENTENCE_ENDS or (token.is_word and token.plain not in skipped):
                break
        return frozenset(found)

    def _leading(self, position: int) -> Value | None:
        """The choice at the beginning of a reply, or of its last line."""
        start = position
        while position < len(self.tokens):
            token = self.tokens[position]
            if token.text not in OPENERS | {*"#>-~\\"} and token.plain not in reply_words.LEADING:
                break
            if letter_at(self.tokens, position) is not None or self.reply.text_in_full(position):
                break
            position += 1
        value = self._value(position)
        if value is None or (position > start and self.reply.hedged(position)):
            return None
        letter = letter_at(self.tokens, position)
        if letter is not None and value.end == position + 1 and not self._marked(position + 1):
            return None
        meant = value.meant | self.reply.letters_from(value.end) | self.reply.texts_from(value.end)
        return Value(meant, value.end)

    def _last_line(self) -> Value | None:
        """The choice of the last line, where neither the rest of it nor a letter before it names another."""
        if not self.tokens or self.tokens[0].line == self.tokens[-1].line:
            return None
        line = self.tokens[-1].line
        start = next(position for position, token in enumerate(self.tokens) if token.line == line)
        value = self._leading(start)
        if value is None or any(self.tokens[position].is_word for position in range(value.end, len(self.tokens))):
            return None
        meant = value.meant | self.reply.letters_from(0, start)
        return None if self.reply.takes_back(0, start) else Value(meant, len(self.tokens))

    def _marked(self, position: int) -> bool:
        """Whether a letter ends here: at the end of the reply or line, or before a sign such as ")"."""
        if position >= len(self.tokens) or self.reply.breaks_line(position - 1):
            return True
        token = self.tokens[position]
        return token.text in CLOSERS | {*".:,;!-–—、。"} or token.plain in reply_words.REASONS

    def _skip_mark(self, position: int) -> int:
        """The position after the signs that close a letter: `.`, `)`, `:`, `**`."""
        while position < len(self.tokens) and self.tokens[position].text in OPENERS | CLOSERS | {*".:,-–—、。=\\"}:
            position += 1
        return position

    def _closes(self, position: int) -> bool:
        """Whether a statement is `boxed`, or its clause begins with so, therefore, final."""
        return self.tokens[position].plain == "boxed" or bool(
            reply_words.CLOSING & {*self.reply.words_before(position, 4)}
        )
