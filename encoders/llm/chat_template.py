"""Conversations as a tokenizer's own chat template writes them, cut where the answers begin and end."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from gymqa.errors import GymQAError


def has_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer has a chat template of its own; Vicuna's has none."""
    return bool(tokenizer.chat_template)


def template_pieces(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[tuple[str, str | None]]
) -> list[tuple[str, str]]:
    """What comes before each answer, and the answer with its end; "" for an answer that the model is to give.

    A template that opens a thought is told not to (`enable_thinking=False`, as Qwen's and others take it).

    Args:
        tokenizer: has a chat template.
        turns: the user's message and the answer, None for an open last turn.

    Raises:
        GymQAError: the template cannot be rendered, or rewrites the prompt once an answer follows.
    """
    pieces, said, before = [], "", []
    for user, answer in turns:
        before.append({"role": "user", "content": user})
        prompt = _rendered(tokenizer, before, True)
        whole = prompt
        if answer is not None:
            before.append({"role": "assistant", "content": answer})
            whole = _rendered(tokenizer, before, False)
        if not (prompt.startswith(said) and whole.startswith(prompt)):
            raise GymQAError(
                f"the chat template of {tokenizer.name_or_path} rewrites a prompt when its answer follows, so that the "
                "answer cannot be told from it; use a language model with another template, or one without"
            )
        pieces.append((prompt[len(said) :], whole[len(prompt) :]))
        said = whole
    return pieces


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, Any]], open_turn: bool) -> str:
    try:
        text: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=open_turn, enable_thinking=False
        )
    except Exception as error:  # a template is a stranger's program
        raise GymQAError(
            f"the chat template of {tokenizer.name_or_path} cannot be rendered ({type(error).__name__}: {error}); use "
            "a language model with another template, or one without"
        ) from error
    return text
