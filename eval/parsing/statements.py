"""Read one clause: which option it states, denies or merely mentions, and how firmly."""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from eval.parsing import vocabulary as words
from eval.parsing.clauses import BEGIN, END, any_of
from eval.parsing.mentions import LETTER, NAMED, SEVERAL


class Force(IntEnum):
    """How firmly a clause says its option."""

    DENIED = 0
    MENTIONED = 1
    BARE = 2
    STATED = 3
    CLOSING = 4


@dataclass(frozen=True)
class Verdict:
    """What a clause says: `named` is the option's sign, SEVERAL for more than one.

    Attributes:
        judged: it is said of the option that it is right, as "B is correct".
        guessed: it is the speaker's choice or guess.
    """

    force: Force
    named: str
    judged: bool = False
    guessed: bool = False


_SIGN = rf"[^\w{NAMED}]"
_FILL = re.compile(
    rf"{any_of('|'.join((words.FILLER, words.IS, words.RIGHT, words.ANSWER, words.OPTION, words.CLOSING)))}|"
    rf"[aoàé](?=\s)|l'|{_SIGN}"
)
_OF = re.compile(rf"{BEGIN}(?:to be|to|of|for|in|question|video|clip){END}|{_FILL.pattern}")
_LEAD = re.compile(
    rf"{BEGIN}(?:{words.CLOSING}|{words.CONTRAST}|{words.DECISION}|it|it's|that's|i'm|i am|fairly|quite|pretty|"
    rf"certain|sure|confident|convinced|positive|this|that|i'd say|i think|i believe|i guess|i would say|i say|"
    rf"i'm confident|yes|sure|okay|ok|"
    rf"c'est|ce|es|das|dies|это|bu|đó|それは|这|這|my|i conclude|we have|we get|must|has to|have to|should|be|and|"
    rf"then|by elimination|我认为|我覺得|我觉得){END}|{_FILL.pattern}"
)
_VALUE = re.compile(rf"[{NAMED}]|(?<![^\W_])[a-z](?![^\W_'’-])(?=[^\w{NAMED}]*$)")
_TRAIL = re.compile(
    rf"(?:[^\w{NAMED}]|_|\d+\s?%|sure|입니다|이다|예요|이에요|です|である|でした|だ|になります|となります|を|"
    rf"と(?=思|考)|思います|考えます|है|हैं|คะ|ครับ|است|dir|dır|dur|dür|tir|tır|olur|"
    rf"的|了|번|吧|项|項|選項|选项|{BEGIN}(?:is|does|sí|sì|sim|oui|option|then|here|indeed|probably|definitely|"
    rf"i think|i believe|it is|for sure|in this (?:video|clip)|est|ist|seçeneği|şıkkı){END})*$"
)
_A = chr(LETTER)  # may be an article after all
_REST = re.compile(r"\W*(?:based|given|from|in|on|here|over|with|among|after|for this)\b")
_NOUN = re.compile(
    rf"(?<!to )(?<!would )(?<!will )(?<!must )(?<!please )(?<!can )(?<!should )"
    rf"(?<!i )(?<!we )(?<!you )(?<!i'd )(?<!i'll )"
    rf"{any_of(words.ANSWER)}|{any_of(words.RIGHT)}\s*{any_of(words.OPTION)}|"
    rf"{any_of(words.OPTION)}(?=\s*(?:\w+\s*)?[:=→])|"
    rf"{BEGIN}(?:my|best|final) (?:best |final )?(?:{words.OPTION}){END}|{any_of(words.OPTION)}(?=\s+(?:is|are|to|"
    rf"est|ist|es|è|é)\b)"
)
_COPULA = re.compile(rf"{any_of(words.IS)}|[:=→⇒>–—-]")
_CHOOSE = re.compile(
    rf"{BEGIN}(?:(?:i|we)(?:'d|'ll|'m|'ve)?(?: (?:would|will|must|am|are|have|had|to|can|should|shall|now|therefore|"
    rf"thus|then|hence|also|finally|think|going|best|rather|still|do|want))*\s+"
    rf"(?:choose|chose|pick|picked|select|selected|say|answer|guess|mean|meant|vote(?: for)?|go(?:ing)? (?:with|"
    rf"for)|opt(?:ing)? for|settle (?:on|for)|settling on|went with|"
    rf"choosing|picking|selecting|conclude(?: that)?(?: it is| it's)?|identify(?: it| this)? as|"
    rf"lean(?:ing)? (?:towards?|to)|believe(?: that)?(?: it is| it's)?|think(?: that)?(?: it is| it's)?)|"
    rf"^(?:choose|pick|select|go with|going with)|"
    rf"ich (?:wähle|nehme|tippe auf|entscheide mich für)|je (?:choisis|dirais|sélectionne|prends)|(?:yo )?(?:elijo|"
    rf"escojo|selecciono|elegiría)|(?:eu )?(?:escolho|seleciono|escolheria)|"
    rf"(?:io )?(?:scelgo|sceglierei)|ik kies(?: voor)?|wybieram|(?:я )?(?:выбираю|выберу)|обираю|seçiyorum|"
    rf"(?:tôi )?chọn|(?:أنا )?(?:أختار|اختار)|jag väljer|jeg vælger|valitsen|vybírám|aleg|saya memilih|"
    rf"我?(?:会|會)?(?:选择|選擇|选|選)|应选|應選){END}"
)
_LEAVES = re.compile(
    rf"{BEGIN}(?:leaves?(?: us| me)?(?: only)?(?: with)?|leaving(?: us| me)?(?: only)?(?: with)?|left with|"
    rf"remaining (?:option|choice|one|answer) is|match(?:es|ing)?|correspond(?:s|ing)? (?:to|with)|"
    rf"points? to|shows?|depicts?|consistent with|indicates?|fits?|lands? on|performs?|performing|executes?|"
    rf"executing|doing|does)\s+(?:(?:an?|the|option|choice|answer|letter|description|clearly|best|"
    rf"is)\s+)*(?=[{NAMED}(\[\"'])"
)
_FITS = re.compile(
    rf"^(?:{_SIGN}|(?:option|choice|answer|clearly|then|now|also|which|that|is|alone|best|only){END})*(?:"
    rf"(?:fits?|match(?:es)?|describes?|works|agrees|remains?|corresponds)(?: \w+ed)?|is (?:the )?(?:only )?(?:one |"
    rf"option |choice |answer )?(?:left|remaining|that (?:fits|matches|remains))|remains|it is|"
    rf"(?:is|seems|looks|would be|appears to be|must be|be)(?: to be)? (?:an? |the |clearly |much )*(?:better|best|"
    rf"closest|only|stronger|most \w+|accurate|correct|right)(?: (?:match|fit|one|choice|option|answer|description|"
    rf"candidate|possibility))?|"
    rf"is (?:what|how) (?:i|we) (?:see|saw)|is what (?:is|was|fits|matches)(?: seen| shown)?|(?:is|must be) (?:the|"
    rf"my) (?:one|pick|"
    rf"choice|guess)(?: that \w+| to \w+)?)"
    rf"(?: (?:best|better|perfectly|exactly|everything|it|all|well|the|video|clip|description|movement|move|body|"
    rf"evidence|what (?:i|we) (?:see|saw)|frames|too|closely|correctly))*[\W_]*$"
)
_CHOSEN_CJK = re.compile(
    r"^\s*[」』】)）]?\s*(?:を|로|을|를)\s*(?:選び|選択|選ぶ|선택|고르|고릅|택)|^\s*(?:입니다|이다|が答え|が正解)"
)
_ENDS = re.compile(rf"{any_of(words.IS)}[\s(\"'「:]*(?:option |choice )?([{NAMED}])[^\w{NAMED}]*$")
_CALLED = re.compile(any_of(f"{words.RIGHT}|{words.ANSWER}|{words.OPTION}|what"))
_JUDGED = re.compile(f"{any_of(words.RIGHT)}|{any_of(words.ANSWER)}|정답|맞|옳|当てはま|適切|합당|符合")
_DISOWNING = re.compile(
    f"{any_of(words.NEGATION)}|{any_of('very|quite|highly|also|just|because|it|they|be|likely|possible|it')}|"
    f"{_FILL.pattern}|\\W"
)
_NEGATED = re.compile(f"{any_of(words.NEGATION)}|{words.NEGATION_CJK}")
_DOUBTED = re.compile(f"{any_of(words.DOUBT)}|{any_of(words.HYPOTHESIS)}|{words.DOUBT_CJK}")
_HYPOTHETICAL = re.compile(any_of(words.HYPOTHESIS))
_CLOSES = re.compile(f"{any_of(words.CLOSING)}|→|⇒|=>|∴")
_THAN = re.compile(rf"(?<!rather )(?<!other )\bthan (?:option |choice )?[{NAMED}]")
_IDIOMS = re.compile(
    r"\b(?:(?:there is |there's )?no (?:doubt|question)(?: that| about it)?|without (?:a |any )?doubt|undoubtedly|"
    r"beyond (?:a )?doubt|none other than|no other than|"
    r"by (?:the )?(?:process of )?elimination|sans (?:aucun )?doute|ohne zweifel|zweifellos|sin duda|sem dúvida|"
    r"senza dubbio|без сомнения)\b|毫无疑问|无疑|間違いなく|틀림없이"
)
_BLIND = re.compile(any_of(f"{words.BLIND}|{words.NOTHING_FITS}"))
_CONTRASTED = re.compile(rf"^\W*{any_of(words.CONTRAST)}")


@lru_cache(maxsize=4096)
def read_clause(clause: str) -> Verdict | None:
    """What a clause says of the options; None where it names none."""
    clause = _THAN.sub(" ", _IDIOMS.sub(" ", clause))
    named = set(re.findall(rf"[{NAMED}]", clause))
    one = named.pop() if len(named) == 1 else SEVERAL if named else ""
    if _NEGATED.search(clause):
        return Verdict(Force.DENIED, one) if one else None
    if _DOUBTED.search(clause):
        return Verdict(Force.MENTIONED, one) if one else None
    found = (
        _whole(clause)
        or _after_noun(clause)
        or _chosen(clause)
        or _judged(clause)
        or _led_to(clause)
        or _called(clause)
        or _last(clause)
    )
    if found is None:
        return Verdict(Force.MENTIONED, one) if one else None
    return Verdict(found.force, SEVERAL, found.judged, found.guessed) if one == SEVERAL else found


def is_doubtful(clause: str) -> bool:
    """Whether a clause commits itself to nothing, as "it could also be A"."""
    return bool(_DOUBTED.search(clause))


def is_hypothetical(clause: str) -> bool:
    """Whether a clause says what an option would take: "A would need a straight body"."""
    return bool(_HYPOTHETICAL.search(clause))


def says_blind(text: str) -> bool:
    """Whether a reply says that its speaker sees no video, or no right choice."""
    return bool(_BLIND.search(text.casefold().replace("’", "'")))


def begins_with_denial(clause: str) -> bool:
    """Whether a clause without an option begins by denying: "not visible"."""
    return bool(_NEGATED.match(_IDIOMS.sub(" ", clause).strip()))


def disowns(clause: str) -> bool:
    """Whether a clause without an option says only that what came before is wrong: "that is not right"."""
    position = _skip(_DISOWNING, clause, 0)
    return position == len(clause) and bool(_NEGATED.search(clause))


def _skip(pattern: re.Pattern[str], clause: str, position: int) -> int:
    for _ in range(60):
        found = pattern.match(clause, position)
        if found is None or found.end() == position:
            break
        position = found.end()
    return position


def _sign(value: str) -> str:
    """The sign of a value: itself, or that of a small letter."""
    return chr(LETTER + ord(value) - ord("a")) if "a" <= value <= "z" else value


def _whole(clause: str) -> Verdict | None:
    """A clause that is only the option and what leads to it: "so it must be option C"."""
    start = _skip(_LEAD, clause, 0)
    value = _VALUE.match(clause, start)
    if value is None or not _TRAIL.match(clause, value.end()):
        return None
    lead = clause[:start]
    if value[0] in "ai" and not lead.strip() and len(clause.strip(" .,:;!()[]\"'")) > 1:
        return None
    lead = _CONTRASTED.sub("", lead)
    if _CLOSES.search(lead):
        return Verdict(Force.CLOSING, _sign(value[0]))
    stated = re.search(any_of(f"{words.ANSWER}|{words.RIGHT}"), lead) or (
        re.search(any_of(words.IS), lead) or (re.search(any_of(words.OPTION), lead) and re.search("[:=→]", lead))
    )
    return Verdict(Force.STATED if stated else Force.BARE, _sign(value[0]))


def _called(clause: str) -> Verdict | None:
    """The option that ends "the choice which best describes the video is C"."""
    found = _ENDS.search(clause)
    if found is None or not _CALLED.search(clause[: found.start()]):
        return None
    return Verdict(Force.CLOSING if _CLOSES.search(clause[: found.start()]) else Force.STATED, found[1])


def _last(clause: str) -> Verdict | None:
    """The option after a colon or dash at the clause's end: "it is stretched: C"."""
    found = re.search(rf"[:→—–-][\s(\"']*([{NAMED}])[^\w{NAMED}]*$", clause)
    return Verdict(Force.BARE, found[1]) if found else None


def _after_noun(clause: str) -> Verdict | None:
    """An option after "answer" or "correct option" and a copula or colon."""
    for noun in _NOUN.finditer(clause):
        start = _skip(_OF, clause, noun.end())
        value = _VALUE.match(clause, start)
        if value is None:
            if clause[noun.end() :].lstrip()[:1] == ":" and re.fullmatch(r"\W*", clause[: noun.start()]):
                return _described(clause, noun.end())
            continue
        rest = clause[value.end() :]
        linked = _COPULA.search(clause[noun.end() : start])
        if not linked and not _TRAIL.match(rest):
            continue
        closes = _CLOSES.search(clause[: noun.end()])
        return Verdict(Force.CLOSING if closes else Force.STATED, _sign(value[0]))
    return None


def _described(clause: str, start: int) -> Verdict | None:
    """The option that ends "Answer: the athlete performs C"."""
    named = re.findall(rf"[{NAMED}]", clause[start:])
    ends = re.search(rf"[{NAMED}][\W_]*$", clause)
    return Verdict(Force.STATED, named[0]) if len(named) == 1 and ends else None


def _chosen(clause: str) -> Verdict | None:
    """The option that the speaker chooses."""
    for verb in _CHOOSE.finditer(clause):
        value = _VALUE.match(clause, _skip(_LEAD, clause, verb.end()))
        if value is None:
            continue
        loose = _sign(value[0]) != _A and not re.match(r"choose|pick|select|go", verb[0])
        if loose or _TRAIL.match(clause, value.end()) or _REST.match(clause, value.end()):
            closes = _CLOSES.search(clause[: verb.start()])
            return Verdict(Force.CLOSING if closes else Force.STATED, _sign(value[0]), guessed=True)
    for value in re.finditer(rf"[{NAMED}]", clause):
        if _CHOSEN_CJK.match(clause[value.end() :]):
            return Verdict(Force.STATED, value[0])
    return None


def _judged(clause: str) -> Verdict | None:
    """The option of "C is correct", "C fits best"."""
    value = re.search(rf"[{NAMED}]", clause)
    if value is None:
        return None
    closes = Force.CLOSING if _CLOSES.search(clause[: value.start()]) else Force.STATED
    if _FITS.match(clause[value.end() :]):
        return Verdict(closes, value[0], judged=True)
    end = _skip(_FILL, clause, value.end())
    held = clause[value.end() : end]
    if (_JUDGED.search(held) and _TRAIL.match(clause, end)) or (
        _JUDGED.match(clause, end) and re.fullmatch(r"[\W가-힣ぁ-んァ-ン一-龥]{1,14}", clause[end:])
    ):
        return Verdict(closes, value[0], judged=True)
    return None


def _led_to(clause: str) -> Verdict | None:
    """The option of "that leaves D", "which matches C", "the athlete performs a ⟨text⟩"."""
    for verb in _LEAVES.finditer(clause):
        value = _VALUE.match(clause, _skip(_FILL, clause, verb.end()))
        if clause.startswith("a "):
            break  # "A gymnast performs B"
        if value is not None and _TRAIL.match(clause, value.end()):
            return Verdict(Force.CLOSING if _CLOSES.search(clause[: verb.start()]) else Force.STATED, value[0])
    return None
