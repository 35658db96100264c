"""Damaged and hostile files of image-text-to-text models are refused with one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.loading import load_vlm
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from tests.helpers.naming import naming
from tests.helpers.tiny_vlms import save_tiny


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("llava", tmp_path_factory.mktemp("llava"))


def _with_config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: write_json(folder / "config.json", {**read_json(folder / "config.json"), **changes})


def _with_text_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = read_json(folder / "config.json")
        write_json(folder / "config.json", {**config, "text_config": {**config["text_config"], **changes}})

    return change


def _half(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def _with_code_of_its_own(folder: Path) -> None:
    own = {"processor_class": "OwnProcessor", "auto_map": {"AutoProcessor": "own.OwnProcessor"}}
    for name in ("processor_config.json", "tokenizer_config.json"):
        write_json(folder / name, {**read_json(folder / name), **own})
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "model_type": "own"})


@pytest.mark.parametrize(
    "damage",
    [
        _half,
        _with_code_of_its_own,
        _with_config(text_config=7),
        _with_config(vision_config=[1]),
        _with_config(attn_implementation="somebody/kernel"),
        _with_config(model_type=["llava"]),
        _with_text_config(num_hidden_layers=10**9),
        _with_text_config(hidden_size=10**12),
        _with_text_config(vocab_size=2 * 10**6, hidden_size=60_000),
        _with_text_config(_attn_implementation="somebody/kernel"),
        _with_config(quantization_config={"quant_method": "gptq", "bits": 4}),
        lambda folder: (folder / "processor_config.json").write_text("[]"),
        lambda folder: (folder / "processor_config.json").write_text("null"),
        lambda folder: (folder / "tokenizer.json").write_text("null"),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(damage: Callable[[Path], None], whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in whole.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    damage(folder)
    with pytest.raises(GymQAError) as caught:
        load_vlm(str(folder))
    assert "model" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{% for message in messages %}",
        "{{ messages[0]['content'] + 1 }}",
        "{{ messages[7].content[9].x }}",
        "{{ 1 / 0 }}",
    ],
)
def test_a_chat_template_that_raises_is_named(template: str, whole: Path) -> None:
    loaded = load_vlm(str(whole))
    loaded.processor.chat_template = template
    with pytest.raises(GymQAError, match=naming("tall", "template")):
        HfVlm("tall", loaded, None)


def test_the_reason_is_the_first_line_of_the_librarys(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "unheard-of"}))
    (folder / "model.safetensors").touch()
    with pytest.raises(GymQAError) as caught:
        load_vlm(str(folder))
    assert "\n" not in str(caught.value)
