"""What an image-text model has room for: tokens of its context, prompts of a batch in the memory."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from gymqa.errors import GymQAError
from gymqa.frames.video import Frames
from gymqa.io.console import console
from gymqa.questions.schema import Question

_Found = TypeVar("_Found")


def context_of(model: Any) -> int | None:
    """Tokens that a model was made for, by its configuration; None where that does not tell."""
    config = model.config.get_text_config()
    found = getattr(config, "max_position_embeddings", None)
    return int(found) if found else None


def require_room(name: str, model: Any, tokens: int, frames: int) -> None:
    """Check that prompts fit into a model's context.

    Args:
        name: of the model.
        model: of transformers.
        tokens: of the longest prompt, with room for the reply.
        frames: that it shows.

    Raises:
        GymQAError: they do not; what a model says beyond its context is no measure of it.
    """
    context = context_of(model)
    if context is None or tokens <= context:
        return
    fitting = int(frames * context / tokens * 0.95)
    fewer = f"show fewer frames, by --options.n_frames {fitting}" if fitting >= 1 else "ask shorter questions"
    raise GymQAError(
        f"a question with {frames} frames takes {tokens:,} tokens, and the context of {name} is {context:,}; {fewer}"
    )


def halving(
    work: Callable[[Sequence[Question], Sequence[Frames]], list[_Found]],
    questions: Sequence[Question],
    clips: Sequence[Frames],
) -> tuple[int, list[_Found]]:
    """What work finds for questions, in halves where all at once do not fit into the memory, which is said.

    Args:
        work: of some questions and their clips' frames.
        questions: one or more.
        clips: frames of each; none without video.

    Returns:
        the largest number of questions that fitted at once, and what was found.

    Raises:
        GymQAError: one question alone does not fit.
    """
    try:
        return len(questions), work(questions, clips)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(questions) == 1:
            raise GymQAError("one question alone does not fit into the memory; show fewer or smaller frames") from error
    half = (len(questions) + 1) // 2
    console.print(f"{len(questions)} questions at once do not fit into the memory; from now on {half}")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    first, found = halving(work, questions[:half], clips[:half])
    _, more = halving(work, questions[half:], clips[half:])
    return min(first, half), [*found, *more]


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking, which torch says of a CPU's in words."""
    return (
        not isinstance(error, RuntimeError)
        or isinstance(error, torch.OutOfMemoryError)
        or ("not enough memory" in str(error) or "out of memory" in str(error))
    )
