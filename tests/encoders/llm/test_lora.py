"""LoRA, DoRA and 4-bit weights as settings: what is trained, in which precision, and what is refused."""

import importlib.util
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from encoders.llm.loading import load_llm, load_tokenizer
from encoders.llm.lora import LoRASettings, add_lora, linear_paths
from encoders.mllm.collate import collate
from encoders.mllm.merge_lora import merge_lora
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import Turn, encode_chat, with_video
from encoders.tuning.config import FinetuneSettings
from gymqa.errors import GymQAError
from tests.helpers.mllm_examples import DIM, N, losses_of, shake
from tests.helpers.naming import naming

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes, of gymqa[qlora], is not installed"
)


def _model(lora: LoRASettings, llm_dtype: str = "float32") -> GymMLLM:
    torch.manual_seed(0)
    return GymMLLM(GymMLLMConfig(visual_dim=DIM, n_visual=N, lora=asdict(lora), llm_dtype=llm_dtype))


def _train(model: GymMLLM, steps: int = 4) -> list[float]:
    """A few steps on two conversations; the losses."""
    chats = [encode_chat(load_tokenizer(), [Turn(with_video("Which?"), answer)]) for answer in ("salto", "jump")]
    batch, videos = collate(chats, N, 0), torch.randn(2, N, DIM, generator=torch.Generator().manual_seed(0))
    return losses_of(model, batch, videos, steps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("llm_dtype", "use_dora"), [("float32", True), ("bfloat16", False), ("bfloat16", True), ("float16", False)]
)
def test_adapters_and_projector_learn_in_float32_whatever_the_frozen_weights_are(
    llm_dtype: str, use_dora: bool
) -> None:
    model = _model(LoRASettings(r=2, use_dora=use_dora, targets=("q_proj", "up_proj")), llm_dtype)
    frozen = {name: one.clone() for name, one in model.named_parameters() if not one.requires_grad}
    assert {str(one.dtype) for one in frozen.values()} == {f"torch.{llm_dtype}"}
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    assert {one.dtype for one in trained.values()} == {torch.float32}
    assert any("magnitude" in name for name in trained) is use_dora
    losses = _train(model)
    assert losses[-1] < losses[0] - 0.5
    now = dict(model.named_parameters())
    assert all(torch.equal(one, now[name]) for name, one in frozen.items())


@pytest.mark.slow
@pytest.mark.parametrize("use_dora", [False, True])
def test_a_saved_model_answers_as_before_in_its_own_precision(use_dora: bool, tmp_path: Path) -> None:
    model = shake(_model(LoRASettings(r=2, use_dora=use_dora), "bfloat16").eval())
    _train(model, 2)
    model.save_pretrained(tmp_path / "tiny-llava-lora-bert")  # a name that says nothing
    again = GymMLLM.from_pretrained(tmp_path / "tiny-llava-lora-bert")
    assert again.llm.dtype == torch.bfloat16 and again.config.lora_settings.use_dora is use_dora
    chat = collate([encode_chat(load_tokenizer(), [Turn(with_video("Which?"))])], N, 0)
    videos = torch.randn(1, N, DIM)
    with torch.no_grad():
        expected = model(chat.ids, chat.mask, videos).logits
        torch.testing.assert_close(again(chat.ids, chat.mask, videos).logits, expected)


def test_dora_begins_as_the_frozen_model_and_differs_from_lora_once_it_has_learned() -> None:
    plain, _ = load_llm()
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        expected = plain(ids).logits
        dora = add_lora(load_llm()[0], LoRASettings(r=2, use_dora=True)).eval()
        torch.testing.assert_close(dora(ids).logits, expected, atol=1e-4, rtol=1e-4)


def test_dora_is_a_direction_times_a_size() -> None:
    llm = add_lora(load_llm()[0], LoRASettings(r=2, alpha=6, use_dora=True, targets=("q_proj",))).eval()
    layer = llm.base_model.model.model.layers[0].self_attn.q_proj
    torch.nn.init.normal_(layer.lora_B["default"].weight, std=0.05)
    size = layer.lora_magnitude_vector["default"].weight
    size.data *= 1.5
    x = torch.randn(3, layer.in_features)
    together = layer.base_layer.weight + 3 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected = x @ (size[:, None] * together / together.norm(dim=1, keepdim=True)).T
    torch.testing.assert_close(layer(x), expected, atol=1e-4, rtol=1e-4)


def test_targets_may_be_paths_and_nothing_else_is_touched() -> None:
    paths = ("model.layers.1.self_attn.q_proj", "model.layers.3.mlp.down_proj")
    adapted = {name for name, _ in _model(LoRASettings(r=2, targets=paths)).named_parameters() if "lora_A" in name}
    assert {name.removeprefix("llm.base_model.model.").partition(".lora_A")[0] for name in adapted} == set(paths)


@pytest.mark.parametrize("target", ["qq_proj", "model.layers.9.self_attn.q_proj", "proj", "lm_head", ""])
def test_a_target_that_matches_nothing_is_named_beside_what_there_is(target: str) -> None:
    with pytest.raises(GymQAError, match=naming(f"'{target}'", "down_proj", "gate_proj")):
        _model(LoRASettings(targets=("q_proj", target)))


def test_a_model_without_linear_layers_is_refused() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    llm = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(GymQAError, match=naming("GPT2LMHeadModel")):
        linear_paths(llm)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"r": 0}, ("r",)),
        ({"dropout": 1.0}, ("dropout",)),
        ({"alpha": 0}, ("alpha",)),
        ({"quantization": "int3"}, ("'int3'", "none", "nf4")),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], named: tuple[str, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        LoRASettings(**wrong)  # type: ignore[arg-type]


def test_a_precision_that_is_none_is_refused() -> None:
    for make in (lambda: FinetuneSettings(llm_dtype="int8"), lambda: GymMLLMConfig(llm_dtype="int8")):
        with pytest.raises(GymQAError, match=naming("'int8'", "float32", "bfloat16", "float16")):
            make()


def test_without_bitsandbytes_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    absent = lambda name, package=None: None if name == "bitsandbytes" else found(name, package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(GymQAError, match=naming("bitsandbytes", "gymqa[qlora]")):
        _model(LoRASettings(quantization="nf4"))


@needs_bitsandbytes
def test_adapters_learn_on_frozen_4_bit_weights(tmp_path: Path) -> None:
    model = _model(LoRASettings(r=2, quantization="nf4"))
    layer = model.llm.base_model.model.model.layers[0].self_attn.q_proj.base_layer
    assert layer.weight.quant_type == "nf4" and layer.weight.numel() * 2 == layer.in_features * layer.out_features
    before = layer.weight.clone()
    losses = _train(model)
    assert losses[-1] < losses[0] - 0.5 and torch.equal(before, layer.weight)


@needs_bitsandbytes
@pytest.mark.parametrize("use_dora", [False, True])
def test_a_4_bit_model_is_saved_small_loaded_and_merged_into_its_own_4_bit_weights(
    use_dora: bool, tmp_path: Path
) -> None:
    model = shake(_model(LoRASettings(r=2, quantization="nf4", use_dora=use_dora)).eval())
    model.save_pretrained(tmp_path / "tuned")
    assert sum(file.stat().st_size for file in (tmp_path / "tuned").iterdir()) < 520_000  # 7.6 MB is the language model
    chat = collate([encode_chat(load_tokenizer(), [Turn(with_video("Which?"))])], N, 0)
    videos = torch.randn(1, N, DIM)
    expected = model(chat.ids, chat.mask, videos).logits.detach()
    with torch.no_grad():  # twice, and as in training: nothing is repacked between
        torch.testing.assert_close(model(chat.ids, chat.mask, videos).logits, expected)
        torch.testing.assert_close(model(chat.ids, chat.mask, videos).logits, expected)
    again = GymMLLM.from_pretrained(tmp_path / "tuned")
    torch.testing.assert_close(again(chat.ids, chat.mask, videos).logits, expected)
    merged = GymMLLM.from_pretrained(merge_lora(tmp_path / "tuned", tmp_path / "merged"))
    torch.testing.assert_close(merged(chat.ids, chat.mask, videos).logits, expected, atol=1e-4, rtol=0)
    assert merged.config.lora_settings.quantization == "none"
