"""Damaged and hostile files of models: one sentence that names the file, at once, and nothing allocated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from encoders.answering.one_video import TunedFolder
from encoders.features.store import FeatureStore
from encoders.llm.loading import llm_config, llm_fingerprint, load_llm, load_tokenizer
from encoders.mllm.model import GymMLLM
from encoders.video.factory import create_encoder
from eval.adapters.registry import adapter_of, is_tuned
from eval.adapters.vlm.loading import load_vlm
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from recognizers.backbones.image.vit import SHIPPED, load_image_vit
from recognizers.backbones.sefar import SeFARConfig
from recognizers.factory import load_recognizer, model_config
from recognizers.localization.network import Localizer
from recognizers.localization.snippet_store import SnippetStore
from tests.helpers import mllm_examples, vision_models
from tests.helpers.mllm_examples import save_tiny_llama
from tests.helpers.naming import naming

NO_OBJECTS: list[Any] = [[], [1], 7, None, "text", True]
Load = Callable[[Path], object]


def _tuned(folder: Path) -> Path:
    mllm_examples.model().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _tuned(tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recognizer")
    SeFARConfig().build().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vision")
    vision_models.clip(folder)
    create_encoder(f"clip:{folder}")
    return folder


def _copy(source: Path, target: Path, **changes: Any) -> Path:
    """The files of a model, linked, with another config.json."""
    target.mkdir()
    for file in source.iterdir():
        if file.name != "config.json" and file.is_file():
            (target / file.name).symlink_to(file)
    write_json(target / "config.json", {**read_json(source / "config.json"), **changes})
    return target


@pytest.mark.parametrize("value", NO_OBJECTS)
@pytest.mark.parametrize(
    "load",
    [
        GymMLLM.from_pretrained,
        TunedFolder.read,
        load_recognizer,
        Localizer.from_pretrained,
        load_image_vit,
        lambda folder: adapter_of(str(folder)),
        lambda folder: is_tuned(str(folder)),
        lambda folder: load_vlm(str(folder)),
        lambda folder: load_llm(str(folder)),
        lambda folder: llm_fingerprint(str(folder)),
        lambda folder: llm_config(str(folder)),
    ],
)
def test_a_config_that_is_no_object_is_named(load: Load, value: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", value)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        load(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"visual_dim": 10**9},
        {"visual_dim": 60_000, "projector": "joint"},
        {"n_visual": 10**12, "n_tokens": 10**12},
        {"n_tokens": None},
        {"n_codes": 65_536, "projector": "codebook"},
        {"llm": 3},
        {"llm": None},
        {"llm": ["tiny-vicuna"]},
        {"llm": ""},
        {"llm_dtype": ["float32"]},
        {"encoder": [1]},
        {"elements": [1, 2]},
        {"elements": 5},
        {"lora": [1]},
        {"lora": {"r": 10**12}},
        {"lora": {"r": 4096, "alpha": 32}},
        {"lora": {"r": "16"}},
        {"lora": {"r": 16, "targets": 3}},
        {"lora": {"r": 16, "alpha": None}},
        {"lora": {"r": 16, "quantization": ["nf4"]}},
        {"projector": {}},
        {"merged": "yes"},
    ],
)
def test_a_tuned_models_config_of_wrong_types_or_sizes_is_refused(
    changes: dict[str, Any], tuned: Path, tmp_path: Path
) -> None:
    folder = _copy(tuned, tmp_path / "model", **changes)
    with pytest.raises(GymQAError):
        GymMLLM.from_pretrained(folder)


def test_what_transformers_would_obey_in_a_tuned_models_config_is_not_read(tuned: Path, tmp_path: Path) -> None:
    hostile = {"attn_implementation": "somebody/kernel", "quantization_config": 3, "id2label": [1], "dtype": 5}
    assert GymMLLM.from_pretrained(_copy(tuned, tmp_path / "model", **hostile)).config.visual_dim == mllm_examples.DIM


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 300},
        {"hidden_size": 10**9},
        {"hidden_size": 10**6},
        {"intermediate_size": 10**12},
        {"vocab_size": 4 * 10**6},
        {"max_position_embeddings": "far"},
        {"num_hidden_layers": None},
        {"num_attention_heads": 0},
        {"hidden_size": [32]},
        {"rope_parameters": 7},
        {"model_type": ["llama"]},
        {"model_type": None},
        {"attn_implementation": "somebody/kernel"},
        {"_attn_implementation": "somebody/kernel"},
        {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128}},
        {"quantization_config": 3},
        {"initializer_range": float("inf")},
        {"text_config": json.loads("[" * 400 + "]" * 400)},
    ],
)
def test_a_language_models_config_that_cannot_be_built_is_refused(
    changes: dict[str, Any], llama: Path, tmp_path: Path
) -> None:
    folder = _copy(llama, tmp_path / "llm", **changes)
    with pytest.raises(GymQAError, match=naming(folder)):
        load_llm(str(folder))


@pytest.mark.parametrize("content", ["", "[]", "null", '{"model": 5}', '{"version": "1.0"'])
def test_a_tokenizer_that_is_missing_or_damaged_is_refused(content: str, llama: Path, tmp_path: Path) -> None:
    folder = _copy(llama, tmp_path / "llm")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(GymQAError, match=naming(folder)):
        load_tokenizer(str(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 10**9},
        {"depth": 100},
        {"dim": 10**12},
        {"dim": 65_536},
        {"image_size": 48_000},
        {"n_classes": 10**9},
        {"fusion_dim": 4_000_000},
        {"elements": [10**9]},
        {"dim": "128"},
        {"elements": None},
    ],
)
def test_a_recognizers_config_that_asks_for_more_than_its_file_holds_is_refused(
    changes: dict[str, Any], recognizer: Path, tmp_path: Path
) -> None:
    with pytest.raises(GymQAError):
        load_recognizer(_copy(recognizer, tmp_path / "model", **changes))


@pytest.mark.parametrize("changes", [{"dim": 10**9}, {"depth": 10**9}, {"dim": 65_536}, {"heads": "4"}, {"dim": None}])
def test_an_image_networks_config_that_does_not_fit_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(GymQAError):
        load_image_vit(_copy(SHIPPED, tmp_path / "vit", **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 10**12},
        {"hidden_size": 4 * 10**6},
        {"hidden_size": 4096, "intermediate_size": 65_536},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 100},
        {"num_attention_heads": 0},
        {"hidden_size": None},
        {"hidden_act": "no-such"},
        {"hidden_act": [1]},
    ],
)
def test_a_vision_models_config_that_does_not_fit_is_refused(
    changes: dict[str, Any], vision: Path, tmp_path: Path
) -> None:
    with pytest.raises(GymQAError):
        create_encoder(f"clip:{_copy(vision, tmp_path / 'vision', **changes)}")


def test_images_of_a_vision_model_are_of_some_thousand_pixels(vision: Path, tmp_path: Path) -> None:
    folder = _copy(vision, tmp_path / "vision")
    (folder / "preprocessor_config.json").unlink(missing_ok=True)
    crop = {"do_center_crop": True, "crop_size": 32, "size": {"shortest_edge": 10**9}}
    write_json(folder / "preprocessor_config.json", crop)
    with pytest.raises(GymQAError, match=naming(folder, 10**9)):
        create_encoder(f"clip:{folder}")


def test_every_subset_of_many_segments_is_never_listed() -> None:
    with pytest.raises(GymQAError, match=naming(64)):
        model_config("trn_ms_bn_inception", segments=64)


GOOD = {"fingerprint": {}, "n_tokens": 2, "dim": 3, "dtype": "float32", "precision": "float32"}


@pytest.mark.parametrize(
    "index",
    [
        *NO_OBJECTS,
        {},
        {**GOOD, "fingerprint": [["a", "b"]]},
        {**GOOD, "n_tokens": 10**12},
        {**GOOD, "n_tokens": "2"},
        {**GOOD, "dim": 0},
        {**GOOD, "dtype": "int8"},
        {**GOOD, "shards": []},
        {**GOOD, "shards": {"shard-0.safetensors": 3}},
        {**GOOD, "shards": {"shard-0.safetensors": {"bytes": 3, "keys": "abc"}}},
    ],
)
def test_the_index_of_a_feature_store_is_read_through_its_schema(index: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "index.json", index)
    with pytest.raises(GymQAError, match=naming(tmp_path / "index.json")):
        FeatureStore(tmp_path)


@pytest.mark.parametrize(
    "index",
    [*NO_OBJECTS, {}, {"fps": 5.0, "dim": 10**12, "fingerprint": {}}, {"fps": 0.0, "dim": 2, "fingerprint": {}}],
)
def test_the_index_of_a_snippet_store_is_read_through_its_schema(index: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "snippets.json", index)
    with pytest.raises(GymQAError, match=naming(tmp_path / "snippets.json")):
        SnippetStore(tmp_path)


def _tuned_on(llm: Path, folder: Path) -> Path:
    """A model tuned on a local language model, with the record of its tuning."""
    config = mllm_examples.GymMLLMConfig(str(llm), visual_dim=mllm_examples.DIM, n_visual=mllm_examples.N)
    GymMLLM(config).save_pretrained(folder)
    write_json(folder / "training.json", {"llm_files": llm_fingerprint(str(llm)), "steps": 1})
    return folder


def test_adapters_are_not_loaded_on_a_language_model_that_has_changed(tmp_path: Path) -> None:
    llm = save_tiny_llama(tmp_path / "llm")
    folder = _tuned_on(llm, tmp_path / "tuned")
    assert GymMLLM.from_pretrained(folder).config.llm == str(llm)
    config = json.loads((llm / "config.json").read_text())
    (llm / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    with pytest.raises(GymQAError, match=naming(llm, folder)):
        GymMLLM.from_pretrained(folder)
