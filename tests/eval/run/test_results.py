"""A result file: written and read back, and refused when it is not one."""

from pathlib import Path

import pytest

from eval.run.results import FileInfo, ModelInfo, Result, file_info, hash_values, load_result, result_path, save_result
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from tests.helpers.naming import naming


def _result(predictions: Path) -> Result:
    asked = FileInfo(name="gym-qa.jsonl", sha256="0" * 64)
    return Result(model=ModelInfo(name="m"), benchmark="gym-qa", questions=asked, predictions=file_info(predictions))


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    predictions = tmp_path / "gym-qa.jsonl"
    predictions.write_text("{}\n")
    result = _result(predictions)
    save_result(result_path(predictions), result)
    assert result_path(predictions).name == "gym-qa.result.json"
    assert load_result(result_path(predictions)) == result
    absent = {"binaries", "paid", "parameters", "prompt"}  # older readers refuse a field they do not know
    assert not absent & read_json(result_path(predictions)).keys()
    twos = result.model_copy(update={"binaries": True, "parameters": 10**12, "prompt": "USER: \0"})
    save_result(result_path(predictions), twos)
    assert load_result(result_path(predictions)) == twos


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("schema_version", 2, "schema_version"),
        ("rotations", 0, "rotations"),
        ("surprise", 1, "surprise"),
        ("predictions", {"name": "../../etc/passwd", "sha256": "0" * 64}, "predictions.name"),
        ("predictions", {"name": "p.jsonl", "sha256": "xyz"}, "predictions.sha256"),
    ],
)
def test_what_is_no_result_is_refused_by_the_field_s_name(
    tmp_path: Path, field: str, value: object, named: str
) -> None:
    predictions = tmp_path / "gym-qa.jsonl"
    predictions.write_text("{}\n")
    save_result(tmp_path / "r.result.json", _result(predictions))
    write_json(tmp_path / "r.result.json", read_json(tmp_path / "r.result.json") | {field: value})
    with pytest.raises(GymQAError, match=naming(named)):
        load_result(tmp_path / "r.result.json")


def test_the_order_of_keys_does_not_change_a_hash() -> None:
    assert hash_values({"a": 1, "b": [2]}) == hash_values({"b": [2], "a": 1}) != hash_values({"a": 1, "b": [3]})
