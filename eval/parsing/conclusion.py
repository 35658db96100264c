"""Find what a reply concludes: the last statement that nothing after it takes back."""

import re
from collections.abc import Sequence

from eval.parsing import vocabulary as words
from eval.parsing.clauses import Sentence, any_of
from eval.parsing.mentions import LETTER, NAMED, SEVERAL
from eval.parsing.statements import (
    Force,
    Verdict,
    begins_with_denial,
    disowns,
    is_doubtful,
    is_hypothetical,
    read_clause,
)

_CONTRAST = re.compile(rf"^\W*{any_of(words.CONTRAST)}")
_REASON = re.compile(rf"^\W*{any_of(words.REASON + '|as')}")
_CLOSING = re.compile(rf"^\W*(?:{any_of(words.CLOSING)}|→|⇒|=>)")
_CONDITION = re.compile(rf"^\W*(?:(?:only|even|and|but|or|except) )*{any_of(words.CONDITION)}")
_TAKE_BACK = re.compile(rf"^\W*(?:(?:oh|but|and|well|or) )?{any_of(words.TAKE_BACK)}")
_SHARED = re.compile(rf"^\W*[{NAMED}]\s+(?:for|in|when|at|as)\b")
_OR = re.compile(r"^\W*or\b")
_NO = re.compile(r"^\W*no\W+(?=(?:i|i'd|i'll|it|it's|the|my)\s)")
_LISTS = re.compile(r"^\W*(?:first|firstly|secondly|thirdly|next|let|let's)\b")
_DECISION = re.compile(rf"^\W*(?:(?:but|and|well) )?{any_of(words.DECISION)}")
_REFUSAL = re.compile(any_of(words.REFUSAL))
_YES = re.compile(r"^\W*(?:yes|yep|indeed|exactly)\b")
_DISOWNED = re.compile(
    r"^\W*(?:but |and |however |though |yet )*(?:(?:that|this|it|which|or)(?:'s| is| was| seems|"
    r" looks)? )?(?:(?:very|quite|highly|also|just|simply|probably|clearly|maybe) )*"
    r"(?:wrong|incorrect|false|mistaken|unlikely|improbable|inaccurate|a mistake|out|"
    r"(?:is )?not (?:the )?(?:\w+ )?(?:right|correct|answer|it|likely|possible|true)\b|"
    r"(?:can't|cannot|isn't|is not|doesn't|not) (?:be |seem |look )?(?:right|correct|it|the answer|possible|true|"
    r"likely)|not$)"
)


class Conclusion:
    """Goes through the sentences of a reply and holds what has been concluded so far."""

    def __init__(self, blind: bool) -> None:
        self._blind = blind  # the speaker sees no video or no right choice: a guess is no answer
        self.named: str | None = None
        self.force = Force.DENIED
        self.guessed = self.judged = self.broken = False
        self.line = -1
        self._denied: str | None = None  # by the clause before
        self._decides = False  # the clause before takes back, and a mere letter may follow

    def follow(self, sentences: Sequence[Sentence]) -> None:
        """Take in all sentences."""
        asked: str | None = None
        for index, sentence in enumerate(sentences):
            if asked and _affirms(sentence):
                self._assert(Verdict(Force.STATED, asked), False, sentence)
            self._sentence(sentence, index == 0, index == len(sentences) - 1)
            asked = _asked(sentence)

    def choice(self, n_choices: int) -> int | None:
        """The index concluded; None for none."""
        if (
            self.named is None
            or self.broken
            or self.named == SEVERAL
            or (self._blind and (self.guessed or self.judged))
        ):
            return None
        index = ord(self.named) - LETTER
        return index if 0 <= index < n_choices else None

    def _sentence(self, sentence: Sentence, first: bool, last: bool) -> None:
        before = (self.named, self.force, self.broken)
        conditional = reason = False
        contrasts = doubted = False
        lists = bool(_LISTS.match(sentence.clauses[0])) if sentence.clauses else False
        asserted: str | None = None
        for position, clause in enumerate(sentence.clauses):
            clause = self._without_no(clause)
            contrasts = contrasts or bool(_CONTRAST.match(clause))
            if _CONTRAST.match(clause) or _CLOSING.match(clause):
                reason = False
            if _CONDITION.match(clause) and not reason:
                conditional = True
                if asserted is not None:
                    self.named, self.force, self.broken = before
                    asserted = None
                    self.broken = True
                self._denied, self._decides = None, False
                continue
            if _REASON.match(clause):
                reason = True
                alone = position == 0
                if read := read_clause(clause):
                    self._denied = read.named if read.force is Force.DENIED else None
                reason = not alone or len(sentence.clauses) == 1
                continue
            verdict = read_clause(clause)
            if verdict is None:
                self._without_option(clause, sentence, reason)
                if position == 1 and asserted is not None and not reason and begins_with_denial(clause):
                    self.broken = True  # "Answer C: not visible"
                doubted = doubted or (len(clause.split()) <= 2 and is_doubtful(clause))
                continue
            doubted = doubted and not _CONTRAST.match(clause) and not _CLOSING.match(clause)
            if _OR.match(clause) and self.named not in (None, verdict.named):
                self.named = SEVERAL
            if reason or conditional or doubted or sentence.asks:
                continue
            ends = last and position == len(sentence.clauses) - 1
            if verdict.force is Force.BARE and lists:
                verdict = Verdict(Force.MENTIONED, verdict.named)
            if self._take(verdict, clause, sentence, first and position == 0, ends, contrasts):
                asserted = verdict.named

    def _without_no(self, clause: str) -> str:
        """A clause without "no" before a new statement: "no, I'd pick C"."""
        found = _NO.match(clause)
        if found is None:
            return clause
        self._decides, self.broken = True, self.named is not None
        return clause[found.end() :]

    def _without_option(self, clause: str, sentence: Sentence, reason: bool) -> None:
        """A clause that names no option: a take-back, a refusal, or nothing."""
        self._denied = None
        if sentence.asks or reason:
            return
        if _TAKE_BACK.match(clause):
            self.broken = self.named is not None
            self._decides = bool(_DECISION.match(clause))
            return
        self._decides = self._decides and bool(_DECISION.match(clause))
        if self.named is None:
            return
        weak = self.force is Force.BARE
        if (
            _DISOWNED.match(clause)
            or disowns(clause)
            or (weak and _REFUSAL.search(clause))
            or (self.judged and _CONTRAST.match(clause))
        ):
            self.broken = True

    def _take(
        self, verdict: Verdict, clause: str, sentence: Sentence, first: bool, last: bool, contrasts: bool
    ) -> bool:
        """Take in a clause that names an option; whether it asserts it."""
        stands_against = contrasts
        contrasts = contrasts or self._denied is not None
        follows_denial, self._denied = self._denied is not None and self._denied != verdict.named, None
        decides, self._decides = self._decides or bool(_DECISION.match(clause)), False
        if verdict.force is Force.DENIED:
            self._deny(verdict, clause, sentence)
            return False
        if verdict.force is Force.MENTIONED:
            self._mention(verdict, stands_against, sentence, clause)
            return False
        if verdict.force is Force.BARE:
            by_denial = follows_denial and (len(sentence.clauses) > 1)
            own_line = sentence.own_line and clause == sentence.clauses[0]
            if not (first or last or own_line or decides or by_denial):
                self._mention(verdict, contrasts, sentence, clause)
                return False
            if by_denial or decides:
                verdict = Verdict(Force.STATED, verdict.named)
            elif self.broken:
                return False
        self._assert(verdict, contrasts or decides, sentence)
        return True

    def _deny(self, verdict: Verdict, clause: str, sentence: Sentence) -> None:
        self._denied = verdict.named
        if self.named == verdict.named and self.named != SEVERAL:
            self.named, self.force = None, Force.DENIED
        elif self.force is Force.BARE and self.line == sentence.line and "not" in clause.split()[:2]:
            self.named = SEVERAL  # "B, not A"

    def _mention(self, verdict: Verdict, contrasts: bool, sentence: Sentence, clause: str) -> None:
        """An option named beside the one concluded."""
        if self.named is None or verdict.named == self.named:
            return
        if contrasts and not is_doubtful(clause):
            self.broken = True
        elif _SHARED.match(clause) and clause in sentence.clauses[1:] and self.line == sentence.line:
            self.named = SEVERAL  # "A for the first, B for the second"
        elif self.force is Force.BARE and self.line == sentence.line and not is_hypothetical(clause):
            self.named = SEVERAL

    def _assert(self, verdict: Verdict, corrects: bool, sentence: Sentence) -> None:
        agrees = self.named == verdict.named
        if self.named is None or agrees or self.broken or corrects or verdict.force > self.force:
            self.named = verdict.named
            self.force = max(self.force, verdict.force) if agrees else verdict.force
        else:
            self.named = SEVERAL
        self.broken = False
        self.judged, self.guessed, self.line = verdict.judged, verdict.guessed, sentence.line


def _asked(sentence: Sentence) -> str | None:
    """The option that a question asks for, and nothing else: "is it C?"."""
    read = read_clause(sentence.clauses[0]) if sentence.asks and len(sentence.clauses) == 1 else None
    return read.named if read is not None and read.force >= Force.BARE and read.named != SEVERAL else None


def _affirms(sentence: Sentence) -> bool:
    """Whether a sentence says yes without naming an option or taking it back."""
    said = " ".join(sentence.clauses)
    return bool(_YES.match(said)) and not re.search(rf"[{NAMED}]", said) and not is_doubtful(said) and "no" not in said
