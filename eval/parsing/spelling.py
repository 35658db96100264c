"""Correct one wrong letter in the words of a choice: "foward" is forward where no choice says otherwise."""

from collections.abc import Iterable

_SHORTEST = 5  # letters of a word that is corrected; shorter ones are too like each other


class Spelling:
    """Knows the words of the choices.

    Args:
        known: these words, casefolded.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._long = tuple(sorted(word for word in self._known if len(word) >= _SHORTEST and word.isalpha()))
        self._seen: dict[str, str] = {}

    def right(self, word: str) -> str:
        """The one known word with the same first letter that is at most one letter away; else the word itself."""
        if word in self._known or not _SHORTEST <= len(word) <= 40 or not word.isalpha():
            return word
        if word not in self._seen:
            near = [known for known in self._long if known[0] == word[0] and _one_apart(known, word)]
            self._seen[word] = near[0] if len(near) == 1 else word
        return self._seen[word]


def _one_apart(one: str, other: str) -> bool:
    """Whether inserting, deleting or replacing one letter makes one word the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    short, long = sorted((one, other), key=len)
    same = next(
        (index for index, (left, right) in enumerate(zip(short, long, strict=False)) if left != right), len(short)
    )
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]
