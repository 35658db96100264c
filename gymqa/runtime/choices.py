"""Check that Literal fields of a settings dataclass hold one of their values (own file: every package uses it).

The command line checks them by itself; a dataclass that is built in Python does not.
"""

import dataclasses
import types
import typing
from typing import Any, Literal

from gymqa.errors import GymQAError


def require_choices(settings: Any) -> None:
    """Refuse a value that a Literal field does not name. To be called in `__post_init__`.

    Args:
        settings: an instance of a dataclass.

    Raises:
        GymQAError: it names the field, the value and the choices.
    """
    for name, choices in _choices(type(settings)).items():
        value = getattr(settings, name)
        if value not in choices:
            known = ", ".join(str(one) for one in choices)
            raise GymQAError(f"{type(settings).__name__}.{name} cannot be {value!r}; choose one of {known}")


def _choices(kind: type[Any]) -> dict[str, tuple[Any, ...]]:
    """The values of each Literal field, None where it may be left out."""
    hints = typing.get_type_hints(kind)
    found = {field.name: _values(hints[field.name]) for field in dataclasses.fields(kind)}
    return {name: values for name, values in found.items() if values}


def _values(hint: Any) -> tuple[Any, ...]:
    """The values of a Literal, or of a Literal | None; nothing of another type."""
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else ()
    literals = [one for option in options for one in _values(option)]
    return (*literals, None) if literals and type(None) in options else tuple(literals)
