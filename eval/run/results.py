"""Result files of evaluations (JSON beside the predictions): model, benchmark, control, configuration, cost.

The file names its predictions, which are beside it, and its questions by SHA-256, so that changed answers, or answers
to other questions, are detected before they are ranked.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.run.protocol import AnswerModel, Metered
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, sha256_of, write_json
from gymqa.questions.schema import Prediction

SCHEMA_VERSION = 1
SUFFIX = ".result.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelInfo(_Strict):
    """The answering model; `adapter` is a name of `gymqa list adapters`, `fingerprint` all its answers depend on."""

    name: str
    encoder: str = ""
    adapter: str = ""
    revision: str | None = None
    fingerprint: dict[str, Any] = Field(default_factory=dict)


class FileInfo(_Strict):
    """A file by its name, without folder, and its SHA-256."""

    name: str = Field(pattern=r"^[^/\\]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Cost(_Strict):
    """Tokens and cost of the answers of a run, each reply counted once over all restarts and processes.

    Attributes:
        replies: replies paid for by this run, with token counts.
        paid_before: replies paid for by other runs; they cost nothing here.
        prompt_tokens: of `replies`.
        completion_tokens: likewise.
        cost: at the prices when the result was written, in their currency; None without prices.
    """

    replies: int = Field(ge=0)
    paid_before: int = Field(ge=0)
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cost: float | None = None


class Result(_Strict):
    """One model on one benchmark under one control.

    `scoring` is how answers were scored (texts, letters, generate, classes, expected); `rotations` the number of
    rotations of the choices per question; `binaries` whether the questions were binary, the right choice against each
    wrong one. `n_frames` is None where the model chooses it. `open` are the ids of questions that failed for a
    temporary reason; the same command asks them again. `paid` is the cost of a paid endpoint. `parameters` is their
    number in the model and `prompt` the template of its prompts (`eval.run.prompts`), where the adapter tells them.
    """

    schema_version: Literal[1] = 1
    model: ModelInfo
    benchmark: str
    control: str = "none"
    scoring: str = ""
    rotations: int = Field(default=1, ge=1)
    binaries: bool = False
    n_frames: int | None = Field(default=None, ge=1)
    questions: FileInfo
    predictions: FileInfo
    open: tuple[str, ...] = ()
    paid: Cost | None = None
    parameters: int | None = Field(default=None, ge=0)
    prompt: str = ""
    config: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, Any] = Field(default_factory=dict)
    config_hash: str = ""
    environment_hash: str = ""


def result_path(predictions: Path) -> Path:
    """Path of the result of a predictions file."""
    return predictions.with_name(predictions.name.removesuffix(".jsonl") + SUFFIX)


def hash_values(values: dict[str, Any]) -> str:
    """SHA-256 of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_info(path: Path) -> FileInfo:
    """Name and SHA-256 of a file.

    Raises:
        GymQAError: the file cannot be read.
    """
    return FileInfo(name=path.name, sha256=sha256_of(path))


def save_result(path: Path, result: Result) -> None:
    """Write a result as JSON, atomically; what older files do not have only where it is set."""
    absent = {name for name in ("binaries", "paid", "parameters", "prompt") if not getattr(result, name)}
    write_json(path, result.model_dump(mode="json", exclude=absent))


def load_result(path: Path) -> Result:
    """Read a result file.

    Raises:
        GymQAError: the file is missing, not JSON, or not a result of this schema (the first invalid field is named).
    """
    found = read_json(path)
    try:
        return Result.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise GymQAError(
            f"{path} is no result of schema {SCHEMA_VERSION}: {where}: {first['msg']}; run the evaluation again"
        ) from error


def cost_of(model: AnswerModel, predictions: Sequence[Prediction]) -> Cost | None:
    """Cost of these answers at the model's prices; None for a model that is not paid."""
    if not isinstance(model, Metered):
        return None
    counts = [one.detail.tokens for one in predictions if one.detail is not None and one.detail.tokens is not None]
    paid = [one for one in counts if not one.paid_before]
    prompt, completion = sum(one.prompt for one in paid), sum(one.completion for one in paid)
    return Cost(
        replies=len(paid),
        paid_before=len(counts) - len(paid),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=model.cost(prompt, completion),
    )


def total(costs: Iterable[Cost]) -> Cost:
    """Sum of several runs' costs; no price where one of them has none."""
    each = list(costs)
    prices = [one.cost for one in each if one.cost is not None]
    return Cost(
        replies=sum(one.replies for one in each),
        paid_before=sum(one.paid_before for one in each),
        prompt_tokens=sum(one.prompt_tokens for one in each),
        completion_tokens=sum(one.completion_tokens for one in each),
        cost=sum(prices) if prices and len(prices) == len(each) else None,
    )


def sentence(cost: Cost) -> str:
    """Summary line of the cost, printed at the end of a command."""
    money = "" if cost.cost is None else f", cost {cost.cost:,.6g}"
    return (
        f"paid in all: replies {cost.replies:,}, prompt tokens {cost.prompt_tokens:,}, "
        f"completion tokens {cost.completion_tokens:,}{money}; paid before by other runs: replies {cost.paid_before:,}"
    )
