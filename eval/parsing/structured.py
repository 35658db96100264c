r"""Rewrite structured answers as sentences: JSON, `\boxed{…}`, <answer> tags, `#### C`, letters' probabilities."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

FINAL = "\nFinal answer: {}\n"
NOTHING = "\nFinal answer: none\n"
_LONGEST = 20_000  # characters of an object that is read as JSON

_NAME = r"final_?answer|answer|ans|choice|option|solution|box|result|prediction"
_TAGGED = re.compile(
    rf"<[|｜]?(?:begin_of_)?(?P<name>{_NAME})[|｜]?>(?P<held>.*?)(?:<[|｜]?(?:/|end_of_)\s*(?:{_NAME})[|｜]?>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_HASHES = re.compile(r"^####+[ \t]*(?=[(*]*[A-Za-z][)*.]*\s*$)", re.MULTILINE)
_BRACKETS = re.compile(r"\[\[\s*([A-Za-z])\s*\]\]")
_KEY = re.compile(r"(?:^|[{,\n])\s*[\"']([\w ]{1,40})[\"']\s*:\s*(\"[^\"\n]*\"?|'[^'\n]*'?|[\w.]+|\[[^\]\n]*\])")
_NAMES = (
    "answer finalanswer correctanswer bestanswer youranswer myanswer answerletter answerchoice "
    "answeroption answertext answerkey ans choice finalchoice correctchoice chosenoption option "
    "correctoption selectedoption bestoption optionletter letter selected selection selectedanswer "
    "selectedchoice prediction predicted predictedanswer predictedlabel pred label output response "
    "result final solution verdict conclusion decision guess pick antwort réponse reponse respuesta "
    "resposta risposta odpowiedź ответ cevap 答案 最终答案 正确答案 选项 选择 正解 答え 回答 정답 답 الإجابة उत्तर"
)
_KEYS = frozenset(_NAMES.split())
_SHARE = re.compile(
    r"(?<![^\W_])(?:option |choice |[pP])?[(\[*\"']{0,3}([A-Z])[)\]*.\"']{0,3}[ \t]*[:=\-–—(|]?[ \t]*[*]{0,2}"
    r"(\d{1,3}(?:\.\d+)?[ \t]*%|[01]?\.\d+|\d{1,3}(?=/1?\d0\b)|(?<==)[ \t]*[01](?![\d.]))(?:/1?\d0\b)?"
)


def write_out(text: str) -> str:
    """The text with each structured answer as a line "Final answer: …"; what surrounds it in its object is left out."""
    text = _TAGGED.sub(lambda found: FINAL.format(_inner(found["held"]) or "none"), text)
    text = _rewrite_boxes(text)
    text = _HASHES.sub("Final answer: ", text)
    text = _BRACKETS.sub(r" \1 ", text)
    return _rewrite_shares(_rewrite_objects(text))


def _inner(held: str) -> str:
    """The content of a tag, in one line; an object in it as what it answers."""
    return " ".join(_rewrite_objects(held).replace("Final answer: ", "").split())


def _rewrite_boxes(text: str) -> str:
    pieces, last = [], 0
    for start in re.finditer(r"\\(?:boxed|fbox)\s*\{", text):
        if start.start() < last:
            continue
        end = _closing(text, start.end() - 1)
        pieces += [text[last : start.start()], FINAL.format(text[start.end() : end].strip() or "none")]
        last = min(end + 1, len(text))
    return "".join([*pieces, text[last:]])


def _closing(text: str, opening: int) -> int:
    """The index of the bracket that closes the one at `opening`; the text's length where none does."""
    pair = {"{": "}", "[": "]"}[text[opening]]
    depth, quoted, position = 0, False, opening
    last = min(len(text), opening + _LONGEST)
    while position < last:
        sign = text[position]
        if sign == "\\":
            position += 1
        elif sign == '"' and text[opening + 1 : opening + 40].lstrip()[:1] in ('"', "{"):
            quoted = not quoted
        elif not quoted:
            depth += (sign == text[opening]) - (sign == pair)
            if depth == 0:
                return position
        position += 1
    return len(text)


def _rewrite_objects(text: str) -> str:
    """Replace every JSON object, or Python's dict, by what it answers."""
    pieces, last = [], 0
    for start in re.finditer(r"\[?\s*\{(?=\s*[\"'])", text):
        if start.start() < last:
            continue
        opening = text.index("{", start.start())
        end = _closing(text, opening)
        value = _load(text[opening : end + 1]) if end < len(text) else None
        pieces += [
            text[last : start.start()],
            _answered(value) if value is not None else _torn(text[opening : end + 1]),
        ]
        last = min(end + 1, len(text))
        last += (
            1 if text[start.start()] == "[" and text[last:].lstrip()[:1] == "]" and text[last : last + 1] == "]" else 0
        )
    rest = "".join([*pieces, text[last:]])
    return _KEY.sub(lambda found: _torn(found[0]) if _is_key(found[1]) else found[0], rest) if '"' in rest else rest


def _load(written: str) -> Any:
    for read in (lambda: json.loads(written, strict=False), lambda: ast.literal_eval(written)):
        try:
            return read()
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


def _torn(written: str) -> str:
    """The answer in an object that is cut off or is no JSON."""
    values = [found[2].strip("\"' ") for found in _KEY.finditer(written[:_LONGEST]) if _is_key(found[1])]
    return "".join(FINAL.format(value or "none") for value in values) or ("\n" if written[:1] == "{" else written)


def _answered(value: Any) -> str:
    """Sentences for what an object answers; an empty line where it answers nothing."""
    if not isinstance(value, Mapping):
        return "\n"
    if (best := _most_likely(value)) is not None and not any(_is_key(str(key)) for key in value):
        return FINAL.format(best) if best else NOTHING
    said = [one for key, held in value.items() if _is_key(str(key)) for one in _values(held)]
    letters = [one for one in said if not re.fullmatch(r"-?[\d.]+", one)]
    return "".join(FINAL.format(one) for one in letters or said) or "\n"


def _values(held: Any) -> Iterator[str]:
    if isinstance(held, Mapping):
        best = _most_likely(held)
        yield (best or "none") if best is not None else _answered(held).replace("Final answer:", "").strip() or "none"
    elif isinstance(held, list | tuple):
        yield " or ".join(str(one) for one in held) if held and not isinstance(held[0], Mapping) else "none"
    else:
        text = " ".join(str("" if held is None else held).split())
        yield text if text and held is not None else "none"


def _most_likely(value: Mapping[Any, Any]) -> str | None:
    """The letter of most weight where letters have weights, or the only true one; "" for a tie, None for others."""
    weights = {key.strip(): one for key, one in value.items() if isinstance(key, str) and len(key.strip()) == 1}
    weights = {key: one for key, one in weights.items() if key.isalpha() and isinstance(one, int | float)}
    if len(weights) < 2 or len(weights) < sum(isinstance(key, str) and len(key.strip()) == 1 for key in value):
        return None
    most = max(weights.values())
    best = [key for key, one in weights.items() if one == most]
    return best[0] if len(best) == 1 and most > 0 else ""


def _is_key(name: str) -> bool:
    return re.sub(r"[\s_-]", "", name).casefold() in _KEYS


def _rewrite_shares(text: str) -> str:
    """Replace percentages or probabilities of two or more letters by the likeliest letter."""
    found = list(_SHARE.finditer(text))
    letters = [one[1] for one in found]
    if len(found) < 2 or len(set(letters)) != len(letters) or sorted(letters) != letters:
        return text
    between = [text[one.end() : other.start()] for one, other in pairwise(found)]
    if any(re.search(r"[^\W\d_]", gap.replace("and", "").replace("option", "")) for gap in between):
        return text
    weights = [float(one[2].rstrip("% \t")) for one in found]
    best = letters[weights.index(max(weights))] if weights.count(max(weights)) == 1 else "none"
    before = text[: found[0].start()].rstrip()
    head = before if before.endswith(":") else before + "\n"
    return f"{head} {best}\n{text[found[-1].end() :].lstrip(' .,;)|')}"
