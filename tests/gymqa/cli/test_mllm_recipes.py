"""Recipes of language models: each says what its name says; accelerate's files hold what accelerate knows."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from accelerate.utils import DistributedType

from encoders.llm.shapes import llm_config
from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from encoders.tuning.setup import tune_for_epochs
from gymqa.cli.arguments import build_parser
from gymqa.cli.commands.models.finetune import finetune
from recognizers.recipes import read_recipes
from tests.helpers.places import RECIPES

NAMES = sorted(path.stem for path in RECIPES.glob("mllm_*.yaml"))
KINDS = {"sefar_b": "sefar", "clip_l": "clip", "eva_clip_g": "eva_clip", "languagebind": "languagebind"}
PARSER = build_parser(finetune, "gymqa finetune")


@cache
def values(name: str) -> Any:
    """A recipe as `gymqa finetune` gets it."""
    return PARSER.instantiate(PARSER.parse_args(["--config", str(RECIPES / f"{name}.yaml")]))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_what_its_name_says(name: str) -> None:
    encoder, _, rest = name.removeprefix("mllm_").partition("_vicuna")
    size, questions, rate, *switches = rest.split("_")
    setting = f"gym{questions.removeprefix('gymqa')}"
    given = values(name)
    tuning: FinetuneSettings = given.tuning
    assert given.encoder == KINDS[encoder]
    assert tuning.llm == f"lmsys/vicuna-{size}-v1.5"
    assert (given.setting, given.clips) == (setting, Path(f"runs/splits/{setting}_{rate}/labelled.txt"))
    assert given.features.name in (f"{encoder}_{setting}_{rate}", f"{encoder}_{setting}")
    assert given.out == Path("runs/mllm") / name.removeprefix("mllm_")
    assert (given.pseudo is not None) == (given.unlabelled is not None) == ("pseudo" in switches)
    assert tuning.lora.quantization == ("nf4" if "qlora" in switches else "none")
    assert given.memory.elements == int(setting.removeprefix("gym"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_llavas_constants(name: str) -> None:
    given = values(name)
    tuning: FinetuneSettings = given.tuning
    assert (tuning.lora.r, tuning.lora.alpha, tuning.lora.dropout) == (128, 256, 0.05)
    assert (tuning.lora_learning_rate, tuning.projector_learning_rate, tuning.weight_decay) == (2e-4, 2e-5, 0.0)
    assert (tuning.batch_size, tuning.schedule, tuning.lowest_rate, given.warm_up_share) == (128, "cosine", 0.0, 0.03)
    assert tuning.alignment == AlignmentSettings(
        "captions", batch_size=256, learning_rate=1e-3, weight_decay=0.0, noise=0.0
    )
    assert (tuning.projector, tuning.llm_dtype, tuning.precision) == ("mlp2", "bfloat16", "bf16")
    counted = tune_for_epochs(tuning, given.epochs, given.alignment_epochs, given.warm_up_share, 1316)
    assert (counted.steps, counted.caption_steps, counted.warmup) == (103, 52, 4)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("_qlora", "_pseudo"))])
def test_a_variation_is_the_recipe_it_varies_but_for_its_switch(name: str) -> None:
    plain, _, switch = name.rpartition("_")
    varied, whole = vars(values(name)), vars(values(plain))
    tuning: FinetuneSettings = whole["tuning"]
    lora = replace(tuning.lora, quantization="nf4")
    switched = {"qlora": {"tuning": replace(tuning, lora=lora, accumulation=16)},
                "pseudo": {one: varied[one] for one in ("pseudo", "unlabelled")}}[switch]  # fmt: skip
    own = {"config": varied["config"], "out": Path("runs/mllm") / name.removeprefix("mllm_")}
    assert varied == {**whole, **own, **switched}


def test_table_5_has_a_recipe_for_every_column() -> None:
    for encoder in KINDS:
        for setting in ("99", "288"):
            assert f"mllm_{encoder}_vicuna7b_gymqa{setting}_5" in NAMES
    assert {values(name).tuning.llm for name in NAMES if "sefar_b" in name} == {
        "lmsys/vicuna-7b-v1.5", "lmsys/vicuna-13b-v1.5",
    }  # fmt: skip


def test_recipes_of_recognizers_and_of_language_models_do_not_mix() -> None:
    assert NAMES and not any(recipe.name.startswith("mllm_") for recipe in read_recipes(RECIPES))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ddp", DistributedType.MULTI_GPU), ("fsdp2", DistributedType.FSDP), ("zero3", DistributedType.DEEPSPEED)],
)
def test_accelerate_reads_its_files_and_knows_all_their_keys(name: str, kind: DistributedType) -> None:
    path = RECIPES / "accelerate" / f"{name}.yaml"
    config = load_config_from_file(str(path))
    assert isinstance(config, ClusterConfig)
    assert (config.distributed_type, config.num_processes) == (kind, 8)
    options = {action.dest for action in launch_command_parser()._actions}
    parts = {**(config.fsdp_config or {}), **(config.deepspeed_config or {})}
    assert parts.keys() <= options, parts.keys() - options
    if name != "ddp":
        assert parts


def test_fsdp2_wraps_the_layers_that_vicuna_has() -> None:
    parts = yaml.safe_load((RECIPES / "accelerate" / "fsdp2.yaml").read_text())["fsdp_config"]
    assert parts["fsdp_version"] == 2
    assert llm_config("lmsys/vicuna-7b-v1.5").model_type == "llama"
    assert parts["fsdp_transformer_layer_cls_to_wrap"] == "LlamaDecoderLayer"


def test_deepspeed_is_told_the_recipes_precision() -> None:
    config = load_config_from_file(str(RECIPES / "accelerate" / "zero3.yaml"))
    assert config.mixed_precision == values("mllm_sefar_b_vicuna7b_gymqa99_5").tuning.precision == "bf16"
    assert config.deepspeed_config["zero_stage"] == 3
