"""Names of floating-point precisions, the record of a chosen one, and when settings count as the same; no torch.

"auto" is a setting of its own: machines may choose differently, and what one finished is finished for the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.io.files import read_json

AUTO, FLOAT32, BF16, FP16 = "auto", "float32", "bf16", "fp16"
PRECISIONS = (AUTO, FLOAT32, BF16, FP16)
_OLDER = {"no": FLOAT32, "bfloat16": BF16, "float16": FP16}
"""Names of earlier settings and of accelerate and transformers -> ours."""


@dataclass(frozen=True)
class Precision:
    """A chosen precision.

    Attributes:
        name: float32, bf16 or fp16.
        reason: why it was chosen.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"precision: {self.name} ({self.reason})"


def named(precision: str) -> str:
    """Our name of a precision: `no` is float32."""
    return _OLDER.get(precision, precision)


def known(precision: str, choices: tuple[str, ...] = PRECISIONS) -> str:
    """Our name of a precision.

    Raises:
        GymQAError: it is none of `choices`.
    """
    if named(precision) not in choices:
        raise GymQAError(f"there is no precision {precision!r}; choose one of {', '.join(choices)}")
    return named(precision)


def bf16_or(precision: str, bf16: bool) -> str:
    """What an option of a precision and its older form, the flag --bf16, ask for together: auto, float32 or bf16.

    Raises:
        GymQAError: there is no such precision, or they contradict each other.
    """
    asked = known(precision, (AUTO, FLOAT32, BF16))
    if bf16 and asked not in (AUTO, BF16):
        raise GymQAError(f"--bf16 contradicts --precision {precision}; leave one of them out")
    return BF16 if bf16 else asked


def same_settings(there: Any, asked: Any, computed: str | None = None) -> bool:
    """Whether settings (JSON values) are those that a result was made with.

    A `precision` of `auto` is satisfied by any that the result was made with; a named one by the same, also where the
    result was made with `auto`, which then chose it.

    Args:
        there: settings of the result.
        asked: the wanted ones.
        computed: the precision that the result was computed in; None where that is not recorded.
    """
    if isinstance(there, Mapping) and isinstance(asked, Mapping):
        return there.keys() == asked.keys() and all(_same(key, there[key], asked[key], computed) for key in there)
    return bool(there == asked)


def _same(key: str, there: Any, asked: Any, computed: str | None) -> bool:
    """Whether the values of one setting are the same."""
    if key != "precision" or not (isinstance(there, str) and isinstance(asked, str)):
        return same_settings(there, asked, computed)
    there, asked = named(there), named(asked)
    return there == asked or asked == AUTO or (there == AUTO and asked == computed)


def changed_settings(there: Mapping[str, Any], asked: Mapping[str, Any], computed: str | None = None) -> str:
    """Names of the settings that differ."""
    names = there.keys() | asked.keys()
    return ", ".join(sorted(one for one in names if not _same(one, there.get(one), asked.get(one), computed)))


def recorded_precision(folder: Path) -> str | None:
    """The precision in which the run of a folder computed, by its environment.json; None where it records none."""
    try:
        record = read_json(folder / "environment.json")
    except GymQAError:
        return None
    found = record.get("precision") if isinstance(record, dict) else None
    return found if isinstance(found, str) else None
