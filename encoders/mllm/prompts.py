"""Prompts: rendering and tokenization of conversations, labels of answers, letter tokens.

A tokenizer with a chat template gets its own form (`encoders.llm.chat_template`), any other Vicuna's. Source of that:
FastChat's template `vicuna_v1.1` (fastchat/conversation.py): system sentence, ` USER: …`, ` ASSISTANT:`; the answer
follows a space and ends with `</s>`; the next `USER:` follows `</s>` directly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from encoders.llm.chat_template import has_template, template_pieces
from gymqa.errors import GymQAError

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
VIDEO = "<video>"
VIDEO_ID = -200  # not in any vocabulary; `GymMLLM.embed` replaces it by visual tokens
_LINE_END = "\n"
IGNORED = -100  # ignore_index of torch's cross entropy


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange; with `answer` None the model answers."""

    user: str
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedChat:
    """Token ids (`VIDEO_ID` for a video) and labels of the same length, `IGNORED` outside the answers."""

    ids: list[int]
    labels: list[int]


def with_video(text: str) -> str:
    """The user's message with the video before the question, as in LLaVA."""
    return f"{VIDEO}\n{text}"


def render(turns: Sequence[Turn], tokenizer: PreTrainedTokenizerBase | None = None) -> str:
    """The whole conversation as text, in the tokenizer's own form if it has one.

    Vicuna's open last turn ends with `ASSISTANT:` and no space.
    """
    if tokenizer is not None and has_template(tokenizer):
        return "".join(prompt + answer for prompt, answer in _pieces(tokenizer, turns))
    text = f"{SYSTEM} "
    for turn in turns:
        text += f"USER: {turn.user} ASSISTANT:"
        text += "" if turn.answer is None else f" {turn.answer}</s>"
    return text


def encode_chat(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]) -> EncodedChat:
    """Tokenize a conversation, with the answers (and their end-of-turn tokens) as labels.

    Raises:
        GymQAError: the tokens of a prompt change when its answer is appended, so that labels cannot be aligned.
    """
    if has_template(tokenizer):
        return _encode_by_template(tokenizer, turns)
    ids: list[int] = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    labels = [IGNORED] * len(ids)
    for index, turn in enumerate(turns):
        prompt = f"{SYSTEM} USER: {turn.user} ASSISTANT:" if index == 0 else f"USER: {turn.user} ASSISTANT:"
        context = "" if index == 0 else tokenizer.eos_token or ""
        *before, last = prompt.split(VIDEO)
        for chunk in before:
            ids += [*_chunk_ids(tokenizer, chunk, context), VIDEO_ID]
            context = _LINE_END
        ids += _chunk_ids(tokenizer, last, context)
        labels += [IGNORED] * (len(ids) - len(labels))
        if turn.answer is not None:
            answer = _answer_ids(tokenizer, last, context, turn.answer)
            ids += answer
            labels += answer
    return EncodedChat(ids, labels)


def letter_ids(tokenizer: PreTrainedTokenizerBase, letters: str) -> list[int]:
    """The id of each letter as the first token of an answer (`▁A` in Llama's tokenizer).

    Raises:
        GymQAError: a letter is not a single token.
    """
    if has_template(tokenizer):
        chats = [_encode_by_template(tokenizer, [Turn("", letter)]) for letter in letters]
        ids = [[label for label in chat.labels if label != IGNORED][:-1] for chat in chats]
    else:
        ids = [_answer_ids(tokenizer, "ASSISTANT:", "", letter)[:-1] for letter in letters]
    if any(len(one) != 1 for one in ids) or len({one[0] for one in ids}) != len(letters):
        raise GymQAError(
            f"the tokenizer {tokenizer.name_or_path} does not keep each of the letters {letters} as one token; "
            "score the choices' texts instead (scoring='texts')"
        )
    return [one[0] for one in ids]


def _pieces(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]) -> list[tuple[str, str]]:
    return template_pieces(tokenizer, [(turn.user, turn.answer) for turn in turns])


def _encode_by_template(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn]) -> EncodedChat:
    """As `encode_chat`, in the tokenizer's own form, which writes its special tokens itself."""
    ids: list[int] = []
    labels: list[int] = []
    for prompt, answer in _pieces(tokenizer, turns):
        *before, last = prompt.split(VIDEO)
        for chunk in before:
            ids += [*_plain_ids(tokenizer, chunk), VIDEO_ID]
        ids += (start := _plain_ids(tokenizer, last))
        labels += [IGNORED] * (len(ids) - len(labels))
        if not answer:
            continue
        held = _plain_ids(tokenizer, answer)
        end = tokenizer.eos_token_id
        if end not in held or _plain_ids(tokenizer, last + answer) != [*start, *held]:
            raise GymQAError(
                f"the tokenizer {tokenizer.name_or_path} merges the end of the prompt with the answer {answer!r}, or "
                "its chat template does not end an answer with the end-of-sequence token; use another language model"
            )
        ids += held
        learned = held.index(end) + 1
        labels += [*held[:learned], *[IGNORED] * (len(held) - learned)]
    return EncodedChat(ids, labels)


def _plain_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _chunk_ids(tokenizer: PreTrainedTokenizerBase, text: str, context: str) -> list[int]:
    """Ids of `text` after a context: the start (""), an answer's `</s>`, or a video, which is taken for a line end.

    Llama's tokenizer puts a space before the first word of a text; whether also after `</s>` is a setting of each
    model's tokenizer ("legacy").
    """
    if not text or not context:
        return _plain_ids(tokenizer, text) if text else []
    anchor, anchored = _plain_ids(tokenizer, context), _plain_ids(tokenizer, context + text)
    return anchored[len(anchor) :] if anchored[: len(anchor)] == anchor else _plain_ids(tokenizer, text)


def _answer_ids(tokenizer: PreTrainedTokenizerBase, chunk: str, context: str, answer: str) -> list[int]:
    """Ids of ` answer</s>` after `chunk`, which itself follows a context."""
    prompt = _chunk_ids(tokenizer, chunk, context)
    whole = _chunk_ids(tokenizer, f"{chunk} {answer}", context)
    if tokenizer.eos_token_id is None or whole[: len(prompt)] != prompt or len(whole) == len(prompt):
        raise GymQAError(
            f"the tokenizer {tokenizer.name_or_path} merges the end of the prompt with the answer {answer!r}, or has "
            "no end-of-sequence token; use a Llama-style tokenizer"
        )
    return [*whole[len(prompt) :], tokenizer.eos_token_id]
