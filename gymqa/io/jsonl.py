"""JSON Lines serialization of dataclasses: encode a record to a line, decode it with every field type-checked."""

import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from gymqa.errors import GymQAError

Record = TypeVar("Record")
ADDED: Mapping[str, Any] = {"added": True}
"""Metadata of a field that older files do not have: it is written only when it differs from its default."""


def encode(record: Any) -> str:
    """A record as one line of JSON without a line break; tuples become lists, nested records objects.

    Fields whose metadata is ADDED are omitted when they equal their default.
    """
    return json.dumps(_shallow(record), ensure_ascii=False, default=_shallow)


def decode(kind: type[Record], line: str) -> Record:
    """Read a line that `encode` wrote; fields with a default may be missing, as in older files.

    Raises:
        GymQAError: not a JSON object; a field is missing, unknown or of the wrong type; or `kind` refuses the values.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GymQAError(f"not a line of JSON ({error})") from error
    if not isinstance(record, dict):
        raise GymQAError(f"a {kind.__name__} is a JSON object, not {type(record).__name__}")
    return _make(kind, record)


def _shallow(record: Any) -> dict[str, Any]:
    values = ((field, getattr(record, field.name)) for field in fields(record))
    return {field.name: value for field, value in values if not ("added" in field.metadata and value == field.default)}


def _make(kind: type[Record], record: dict[str, Any]) -> Record:
    hints, required = _shape(kind)  # type: ignore[arg-type]  # mypy does not see that classes are hashable
    if not required <= record.keys() <= hints.keys():
        names = ", ".join(sorted((required - record.keys()) | (record.keys() - hints.keys())))
        raise GymQAError(f"these fields are missing or unknown in a {kind.__name__}: {names}")
    values = {}
    for name, value in record.items():
        try:
            values[name] = _read(value, hints[name])
        except TypeError as error:
            raise GymQAError(f"{name} of a {kind.__name__} cannot be {value!r}") from error
    make: Callable[..., Record] = kind  # the types of its fields are checked above
    return make(**values)


@cache
def _shape(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Types of a dataclass's fields, and names of the fields without a default."""
    required = (field.name for field in fields(kind) if field.default is MISSING)
    return typing.get_type_hints(kind), frozenset(required)


def _read(value: Any, hint: Any) -> Any:
    """Convert a JSON value to the annotated type; True and False do not count as numbers.

    Raises:
        TypeError: the value is of another type.
    """
    if isinstance(hint, types.UnionType):
        for option in typing.get_args(hint):
            try:
                return _read(value, option)
            except TypeError:
                continue
        raise TypeError(hint)
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TypeError(hint)
        item = typing.get_args(hint)[0]
        return tuple([_read(one, item) for one in value])
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _make(hint, value)
    number = hint is float and isinstance(value, int)
    if not (number or isinstance(value, hint)) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(hint)
    return value
