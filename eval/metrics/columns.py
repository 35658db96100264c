"""Columnar reader of predictions (PyArrow), for files of a million lines.

For 1,000,000 predictions `gymqa metrics` takes 4.9 s and 0.77 GB at most, `load_predictions` 24.3 s and 0.63 GB
(benchmarks/results/scoring_speed.json).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from eval.stats.bootstrap import FloatArray, IntArray
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import LETTERS

_BLOCK = 1 << 24  # bytes read at once; a line must fit
_TOKENS = pa.struct([("prompt", pa.int64()), ("completion", pa.int64()), ("paid_before", pa.bool_())])
_DETAIL = pa.struct(
    [("prompt_sha256", pa.string()), ("frames", pa.list_(pa.int64())), ("revision", pa.string()),
     ("reply", pa.string()), ("clip_id", pa.string()), ("tokens", _TOKENS)]
)  # fmt: skip
_SCHEMA = pa.schema(
    [("question_id", pa.string()), ("clip_id", pa.string()), ("video_id", pa.string()), ("benchmark", pa.string()),
     ("choice", pa.int64()), ("answer", pa.int64()), ("probabilities", pa.list_(pa.float64())), ("error", pa.string()),
     ("detail", _DETAIL)]
)  # fmt: skip
_NEARLY = 0.005  # within it of a sum of 1 a line needs no closer look
_REQUIRED = ("question_id", "clip_id", "video_id", "benchmark", "answer")


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """n predictions as columns: `choice` is -1 where unanswered; `video` and `benchmark` index the names.

    `confidence` is the probability of the choice, NaN where there is none.
    """

    question_ids: pa.ChunkedArray
    video: IntArray
    video_names: tuple[str, ...]
    benchmark: IntArray
    benchmark_names: tuple[str, ...]
    choice: npt.NDArray[np.int8]
    answer: npt.NDArray[np.int8]
    confidence: FloatArray

    @property
    def points(self) -> FloatArray:
        """1 where the choice is right, else 0; float [n]."""
        return (self.choice == self.answer).astype(np.float64)

    @property
    def answered(self) -> FloatArray:
        """1 where there is a choice, else 0; float [n]."""
        return (self.choice >= 0).astype(np.float64)


def read_columns(path: Path) -> PredictionColumns:
    """Read a predictions file of `gymqa evaluate`.

    Raises:
        GymQAError: the file is missing, a line is invalid (named as file:line), or a question occurs twice.
    """
    table = _read_table(path)
    choice, answer = (
        np.nan_to_num(table[name].to_numpy().astype(np.float64), nan=-1.0) for name in ("choice", "answer")
    )
    given = pc.greater_equal(table["choice"], 0).fill_null(True)
    wrong = any(table[name].null_count for name in _REQUIRED) or not pc.all(given).as_py()
    if wrong or not (answer >= 0).all() or max(answer.max(), choice.max()) >= len(LETTERS):
        raise _damaged(path, "a field is missing, or an answer is none of the letters")
    if pc.count_distinct(table["question_id"]).as_py() < len(table):
        raise GymQAError(f"{path} answers a question twice; remove it and run the model again")
    video, video_names = _codes(table["video_id"])
    benchmark, benchmark_names = _codes(table["benchmark"])
    return PredictionColumns(
        table["question_id"], video, video_names, benchmark, benchmark_names, choice.astype(np.int8),
        answer.astype(np.int8), _confidence(path, table["probabilities"], choice.astype(np.int64)),
    )  # fmt: skip


def _read_table(path: Path) -> Any:
    """The file as a table of the schema, with at least one row."""
    if not path.is_file():
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it")
    read = pyarrow.json.ReadOptions(block_size=_BLOCK)
    parse = pyarrow.json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error")
    try:
        table = pyarrow.json.read_json(path, read_options=read, parse_options=parse)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from error
    if not len(table):
        raise GymQAError(f"{path} holds no prediction; run the model again")
    return table


def _damaged(path: Path, problem: str) -> GymQAError:
    """The error of a damaged file.

    Raises:
        GymQAError: the slower reader finds the invalid line, and names it.
    """
    load_predictions(path)
    return GymQAError(f"{path} is no predictions file ({problem}); run the model again")


def _codes(names: pa.ChunkedArray) -> tuple[IntArray, tuple[str, ...]]:
    """Indices [n] into the distinct names, and these names."""
    encoded = names.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist())


def _confidence(path: Path, probabilities: pa.ChunkedArray, choice: IntArray) -> FloatArray:
    """The probability of each choice [n], NaN where there is no choice or no probability."""
    lists = probabilities.combine_chunks()
    lengths = np.nan_to_num(pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.float64)).astype(
        np.int64
    )
    if (choice[lengths > 0] >= lengths[lengths > 0]).any():
        raise GymQAError(f"{path} holds a choice without its probability; run the model again")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    values = lists.flatten().to_numpy(zero_copy_only=False)
    sums = np.add.reduceat(values, starts[lengths > 0]) if len(values) else values
    if not ((values >= 0).all() and (np.abs(sums - 1) < _NEARLY).all()):
        load_predictions(path)  # raises where a line has no probabilities, and names it
    known = (lengths > 0) & (choice >= 0)
    found = np.full(len(choice), np.nan)
    found[known] = values[(starts + choice)[known]]
    return found
