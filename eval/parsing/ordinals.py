"""Options that are named otherwise than by a Latin letter: "the third option", 나, Б."""

import re

from eval.parsing import vocabulary as words

_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_ORDINAL = re.compile(
    rf"\b(?:the )?({'|'.join(_ORDINALS)}|last) (?:option|choice|alternative|answer)\b(?! that| to)", re.IGNORECASE
)
# Alphabets whose letters number the options, as far as no letter of theirs looks like another Latin one.
_ALPHABETS = (
    "А\0\0Г",
    "\0Б",
    "가나다라마바사아",
    "アイウエオ",
    "甲乙丙丁戊",
    "ΑΒΓΔ",
    "أبجد",
    "कखगघ",
    "কখগঘ",
    "กขคง",
    "אבגד",
)
_INDEX = {sign: index for signs in _ALPHABETS for index, sign in enumerate(signs) if sign != "\0"}
_LETTER = re.compile(
    rf"((?:{words.ANSWER})(?:은|는|は|"
    rf"是)?\s*[:：=—–-]?\s*[(\[「]?\s*)([{''.join(sorted(_INDEX))}])(?=[\s)\]」.。]*(?:입니다|です)?[.。]?\s*$)",
    re.IGNORECASE | re.MULTILINE,
)


def letter_ordinals(text: str, n_choices: int) -> str:
    """The text with "option C" for "the third option", and C for another alphabet's third letter after "answer"."""

    def ordinal(found: re.Match[str]) -> str:
        name = found[1].lower()
        return f"option {_letter(n_choices - 1 if name == 'last' else _ORDINALS.index(name))}"

    return _LETTER.sub(lambda found: f"{found[1]} {_letter(_INDEX[found[2]])} ", _ORDINAL.sub(ordinal, text))


def _letter(index: int) -> str:
    return chr(ord("A") + min(index, 25))
