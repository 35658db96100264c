"""The memory plan: parameters counted, tensors of a small model measured, and the table."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from encoders.llm.loading import empty_llm, llm_config
from encoders.llm.lora import LoRASettings, add_lora
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.tuning import memory_plan
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.memory_plan import GIB, ModelSize, PlanSettings, layer_bytes, make_plan, model_size, plan_row
from gymqa.cli import main as cli
from tests.helpers.places import RECIPES

VICUNA = FinetuneSettings(
    llm="lmsys/vicuna-7b-v1.5", llm_dtype="bfloat16", projector="mlp2", batch_size=128, lora=LoRASettings(r=64)
)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "parameters", "adapters"), [("7b", 6_738_415_616, 159_907_840),
                                                              ("13b", 13_015_864_320, 250_347_520)])  # fmt: skip
def test_vicunas_parameters_are_counted_without_its_weights(size: str, parameters: int, adapters: int) -> None:
    found = model_size(replace(VICUNA, llm=f"lmsys/vicuna-{size}-v1.5"), PlanSettings())
    assert (found.frozen, found.adapters) == (parameters, adapters)
    assert found.projector == 7 * 768 + 768 * found.hidden + found.hidden + found.hidden**2 + found.hidden


def test_empty_models_hold_nothing() -> None:
    assert {one.device.type for one in empty_llm(llm_config("lmsys/vicuna-7b-v1.5")).parameters()} == {"meta"}


@pytest.mark.slow
@pytest.mark.parametrize("projector", ["codebook", "mlp2", "resampler", "joint"])
def test_weights_gradients_and_moments_are_those_of_a_real_model(projector: str) -> None:
    settings = FinetuneSettings(projector=projector, precision="no", lora=LoRASettings(r=4), n_queries=5)
    memory = PlanSettings(visual_tokens=6, visual_dim=24, elements=10)
    codes = 10 if projector == "codebook" else 0
    n_visual = 5 if projector == "resampler" else 6
    sizes: dict[str, Any] = {"visual_dim": 24, "n_tokens": 6, "n_visual": n_visual, "n_codes": codes}
    model = GymMLLM(GymMLLMConfig(**sizes, projector=projector, lora={"r": 4}))
    tuned = [one for one in model.parameters() if one.requires_grad]
    held = {frozen: sum(one.nbytes for one in model.parameters() if one.requires_grad != frozen) for frozen in (0, 1)}
    for one in tuned:
        one.grad = torch.zeros_like(one)
    optimizer = torch.optim.AdamW(tuned)
    optimizer.step()
    moments = [one for state in optimizer.state.values() for one in state.values() if one.numel() > 1]
    row = plan_row(settings, memory, model_size(settings, memory), (1, 24), "none", 2)
    assert (row.weights, row.trainable) == (held[1], held[0])
    assert row.gradients == sum(one.grad.nbytes for one in tuned if one.grad is not None)
    assert row.optimizer == pytest.approx(sum(one.nbytes for one in moments), rel=1e-3)


def kept_by_autograd(layers: int, dtype: torch.dtype, autocast: bool, dropout: float, checkpointing: bool) -> int:
    """Bytes of the tensors, parameters and their copies apart, that a forward pass of 2 × 64 tokens leaves behind."""
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 172, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = LlamaConfig(**shape, num_hidden_layers=layers, vocab_size=64)
    llm = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    model = add_lora(llm, LoRASettings(r=8, dropout=dropout)).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    inputs = torch.randn(2, 64, 64, dtype=dtype, requires_grad=True)
    sizes = {tuple(one.shape) for one in model.parameters()} | {tuple(one.shape)[::-1] for one in model.parameters()}
    known = {one.untyped_storage().data_ptr() for one in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tuple(tensor.shape) not in sizes or tensor.ndim > 2:  # autocast's copies of weights have their shapes
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        out = model(inputs_embeds=inputs, logits_to_keep=1, use_cache=False)
    assert out.logits.shape == (2, 1, 64)
    return sum(one.untyped_storage().nbytes() for place, one in kept.items() if place not in known)


@pytest.mark.parametrize(
    ("dtype", "autocast", "dropout"),
    [
        (torch.float32, False, 0.0),
        (torch.float32, True, 0.0),
        (torch.bfloat16, True, 0.0),
        (torch.float32, False, 0.1),
        (torch.bfloat16, True, 0.1),
    ],
)
def test_a_layers_activations_are_those_that_autograd_keeps(dtype: torch.dtype, autocast: bool, dropout: float) -> None:
    measured = [kept_by_autograd(layers, dtype, autocast, dropout, False) for layers in (2, 3)]
    size = ModelSize(0, 0, 0, 0, 0, 1, 64, 172, 4, 64)
    reckoned = layer_bytes(size, 8, dropout > 0, autocast)
    masks = 3 * (6 * 64 + 172) if dropout else 0  # on a CPU a mask takes 4 bytes, on a GPU one
    assert (measured[1] - measured[0]) / 128 == pytest.approx(reckoned + masks, rel=0.01)


def test_checkpointing_keeps_the_layers_inputs() -> None:
    for dtype, autocast in ((torch.float32, False), (torch.bfloat16, True)):
        measured = [kept_by_autograd(layers, dtype, autocast, 0.0, True) for layers in (2, 3)]
        assert (measured[1] - measured[0]) / 128 == 64 * dtype.itemsize


@pytest.mark.slow
def test_the_plan_says_what_fits_where() -> None:
    rows = {(row.machine, row.sharding, row.checkpointing): row for row in make_plan(VICUNA, PlanSettings())}
    assert len(rows) == 10
    assert all(row.fits for row in rows.values())
    saving, single = rows["8 x 80 GB", "FSDP2", True], rows["1 x 80 GB", "none", True]
    assert saving.weights == pytest.approx(single.weights / 8, rel=1e-6)
    assert rows["8 x 80 GB", "DDP", False].gradients == 2 * single.gradients
    assert rows["1 x 24 GB", "none", True].micro_batch > rows["1 x 24 GB", "none", False].micro_batch
    assert all(row.micro_batch * row.accumulation * int(row.machine[0]) == 128 for row in rows.values())
    large = make_plan(replace(VICUNA, llm="lmsys/vicuna-13b-v1.5"), PlanSettings())
    assert [row.fits for row in large[:2]] == [False, False], "13 B in bfloat16 need 24.2 GiB"
    small = replace(VICUNA, llm="lmsys/vicuna-13b-v1.5", lora=LoRASettings(r=64, quantization="nf4"))
    in_four_bits = make_plan(small, PlanSettings())
    assert in_four_bits[1].fits
    assert {row.sharding for row in in_four_bits} == {"none", "DDP"}, "nobody has tried the others in 4 bits"


@pytest.mark.slow
def test_longer_conversations_take_more(monkeypatch: pytest.MonkeyPatch) -> None:
    size = model_size(VICUNA, PlanSettings())
    short, long = (plan_row(VICUNA, PlanSettings(sequence=n), size, (1, 80), "none", 1) for n in (512, 1024))
    assert (long.activations, long.logits) == (2 * short.activations, 2 * short.logits)
    monkeypatch.setattr(memory_plan, "_RESERVE", 0)
    assert long.total - short.total == short.activations + short.logits


@pytest.mark.slow
def test_the_command_prints_table_and_json_without_data(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", "--config", str(RECIPES / "mllm_sefar_b_vicuna7b_gymqa99_5.yaml"), "--plan"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert "machine    sharding  checkpointing  micro-batch" in printed and "8 x 80 GB  ZeRO-3" in printed
    assert cli.main([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 10 and rows[0]["capacity"] == 24 * GIB
    assert all(row["fits"] == (row["total"] <= row["capacity"]) for row in rows)
