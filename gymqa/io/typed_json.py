"""JSON files read through pydantic schemas, with bounds on sizes: what a foreign file may ask for is checked first."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gymqa.errors import GymQAError
from gymqa.io.files import read_json

MOST_LAYERS, MOST_WIDE = 1024, 1 << 22
"""Layers (or experts) of any network, and entries of its widest table: published ones have up to 512 and 300,000."""
MOST_DEEP = 32
_REPEATED = re.compile(r"(^|_)(n_?)?(layers?|depths?|blocks?|experts|segments|subsets)$")
_UNSIZED = re.compile(r"_ids?$|^id|max_|position|_len|length|seed|theta|window|params|size_in_bytes|pixels|edge")

Width = Annotated[int, Field(ge=1, le=1 << 16)]
Count = Annotated[int, Field(ge=0, le=1 << 16)]


class Typed(BaseModel):
    """A schema of a JSON file; a number in quotes is no number, and unknown fields are left out."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


Schema = TypeVar("Schema", bound=BaseModel)


def read_object(path: Path, mend: str = "copy or download it again") -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        GymQAError: it is missing, not JSON, or holds something else.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        kind = "null" if values is None else type(values).__name__
        raise GymQAError(f"{path} holds no JSON object but {kind}; {mend}")
    return values


def read_as(path: Path, schema: type[Schema], mend: str) -> Schema:
    """Read a JSON file through a schema.

    Args:
        path: the file.
        schema: of its object.
        mend: what to do where it does not fit, for the message.

    Raises:
        GymQAError: it is missing, not JSON, or does not fit; the first field that does not is named.
    """
    values = read_object(path, mend)
    try:
        return schema.model_validate_json(json.dumps(values))
    except (ValidationError, ValueError, RecursionError) as error:
        raise GymQAError(f"{path} is damaged: {first_problem(error)}; {mend}") from error


def first_problem(error: Exception) -> str:
    """The first field that does not fit a schema, and why."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{where}: {first['msg']}"


def require_buildable(path: Path, values: Any, key: str = "", depth: int = 0) -> None:
    """Check every size in a network's configuration, nested ones too, before anything is built from it.

    Raises:
        GymQAError: a number of layers above MOST_LAYERS, a size above MOST_WIDE, or nesting of MOST_DEEP.
    """
    if depth == MOST_DEEP:
        raise GymQAError(f"{path} is nested {MOST_DEEP} deep, as no configuration is; copy or download it again")
    for name, value in values.items() if isinstance(values, dict) else ((key, one) for one in values):
        if isinstance(value, dict | list):
            require_buildable(path, value, str(name), depth + 1)
        elif isinstance(value, int | float) and not _UNSIZED.search(str(name)):
            most = MOST_LAYERS if _REPEATED.search(str(name)) else MOST_WIDE
            if not abs(value) <= most:
                raise GymQAError(f"{path}: {name} cannot be {value:g}, at most {most}; copy or download it again")
