"""Keep a reply's own turn: no role before it, no further question or turn after it."""

import re

_END = re.compile(
    r"</s>|<eos>|<[|｜](?:im_end|eot_id|endoftext|end_of_text|end|eom_id|return|END_OF_TURN_TOKEN|end▁of▁sentence|"
    r"end_of_sentence|user|User|▁?User▁?)[|｜]>|<end_of_turn>|<turn\|>",
    re.IGNORECASE,
)
_ROLE = r"(?:assistant|model|ai|bot|gpt|chatgpt|chatbot|助手|アシスタント|### ?response|### ?assistant|### ?answer)"
_OWN = re.compile(
    rf"^(?:(?:<\|im_start\|>|<start_of_turn>|<\|start_header_id\|>|<\|start\|>|<[|｜]|\[)?[*#\s]{{0,20}}{_ROLE}"
    r"[*\s]{0,8}?(?:<\|end_header_id\|>|[|｜]>|:[*]*|\]|\n)\s*)+",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"\bassistant\s*:", re.IGNORECASE)
_OTHER = re.compile(
    r"(?:^|\n)[ \t>*#]{0,20}(?:<\|im_start\|>\s*user|<start_of_turn>\s*user|<\|start_header_id\|>\s*user|<[|"
    r"｜]user[|｜]>|"
    r"(?:next |new |follow-?up )?question(?: ?\d+)?\s*[*]*:|q\s?\d*:|user\s*[*]*:|human\s*[*]*:|student\s*:|"
    r"instruction\s*:|#{2,} ?(?:instruction|question|user|human|input)|"
    r"\[inst\]|问题\s*[:：]|問題\s*[:：]|用户\s*[:：]|質問\s*[:：]|질문\s*:|frage\s*:|pregunta\s*:|pergunta\s*:|"
    r"domanda\s*:|вопрос\s*:)"
    r"|<\|im_start\|>\s*user|<start_of_turn>\s*user|\[INST\]",
    re.IGNORECASE,
)


def own_turn(text: str) -> str:
    """The first turn that says something; a question repeated at the beginning belongs to it."""
    for piece in _END.split(text):
        turn = _first_turn(piece)
        if _says(turn):
            return turn
    return ""


def _first_turn(text: str) -> str:
    if _OTHER.match(text) and (reply := _ANSWERED.search(text)):
        text = text[reply.end() :]
    text = _OWN.sub("", text.lstrip())
    starts = [found.start() for found in _OTHER.finditer(text)]
    ends = [*starts, len(text)]
    first = next((end for end in ends if _says(text[:end])), len(text))
    return text[:first]


def _says(text: str) -> bool:
    return any(sign.isalnum() for sign in re.sub(r"<[^<>]{2,80}>|\[/?INST\]", "", text)) or "+" in text
