"""Which questions are asked together, and by which of several processes.

Batches depend on the questions and the batch size only, and a process takes whole batches: what else is in a batch
changes the last digits of a model's probabilities, so any number of processes gives the same bytes.
"""

from collections.abc import Iterator, Sequence

from gymqa.questions.schema import Question


def batches(questions: Sequence[Question], size: int) -> list[list[Question]]:
    """Batches of at most `size` questions; those of a clip stay together as far as they fit.

    Args:
        questions: in any order; clips come in the order in which they are first asked about.
        size: at least 1.
    """
    made: list[list[Question]] = []
    for part in _by_clip(questions, size):
        if made and len(made[-1]) + len(part) <= size:
            made[-1] += part
        else:
            made.append(part)
    return made


def share(made: Sequence[list[Question]], process: tuple[int, int]) -> list[list[Question]]:
    """The batches of one process: (its number, how many there are)."""
    number, processes = process
    return list(made[number::processes])


def _by_clip(questions: Sequence[Question], size: int) -> Iterator[list[Question]]:
    """The questions of each clip, in parts of at most `size`."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.clip_id, []).append(question)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]
