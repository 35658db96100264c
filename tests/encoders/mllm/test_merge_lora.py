"""Adapters merged into their language model: the same logits, no peft, and plain transformers reads the result."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from encoders.llm.loading import load_tokenizer
from encoders.llm.lora import LoRASettings
from encoders.mllm.collate import ChatBatch, collate
from encoders.mllm.merge_lora import merge_lora
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import Turn, encode_chat, with_video
from gymqa.errors import GymQAError
from tests.helpers.mllm_examples import DIM, N, save_tiny_llama, shake
from tests.helpers.naming import naming
from tests.helpers.places import ROOT

SCRIPT = ROOT / "scripts" / "merge_lora.py"


def tuned(lora: LoRASettings, **config: object) -> GymMLLM:
    torch.manual_seed(0)
    values = {**lora.__dict__, "targets": list(lora.targets)}
    return shake(GymMLLM(GymMLLMConfig(visual_dim=DIM, n_visual=N, lora=values, **config)).eval())  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=[False, True], ids=["LoRA", "DoRA"])
def unmerged(request: pytest.FixtureRequest) -> GymMLLM:
    return tuned(LoRASettings(r=4, alpha=8, use_dora=request.param))


@pytest.fixture(scope="module")
def folders(unmerged: GymMLLM, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The tuned model and the merged one."""
    root = tmp_path_factory.mktemp("models")
    unmerged.save_pretrained(root / "tuned")
    return root / "tuned", merge_lora(root / "tuned", root / "merged")


def asked() -> tuple[ChatBatch, Tensor]:
    chats = [encode_chat(load_tokenizer(), [Turn(with_video(text))]) for text in ("Which? A.salto B.jump", "Name it.")]
    return collate(chats, N, 0, pad_left=True), torch.randn(2, N, DIM, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def logits(model: GymMLLM) -> Tensor:
    batch, videos = asked()
    found: Tensor = model(batch.ids, batch.mask, videos).logits[batch.mask == 1]
    return found


@pytest.mark.slow
def test_a_merged_model_has_the_logits_of_the_unmerged_one_and_no_adapters(
    unmerged: GymMLLM, folders: tuple[Path, Path]
) -> None:
    merged = GymMLLM.from_pretrained(folders[1])
    torch.testing.assert_close(logits(merged), logits(unmerged), atol=1e-4, rtol=0)
    with unmerged.llm.disable_adapter():
        assert (logits(unmerged) - logits(merged)).abs().max() > 0.1  # the adapters do something
    assert isinstance(merged.llm, LlamaForCausalLM) and not any("lora" in name for name in merged.state_dict())
    assert [name for name, one in merged.named_parameters() if one.requires_grad] == [
        f"projector.{name}" for name, _ in merged.projector.named_parameters()
    ]


def test_transformers_alone_reads_the_merged_language_model(unmerged: GymMLLM, folders: tuple[Path, Path]) -> None:
    llm = LlamaForCausalLM.from_pretrained(folders[1] / "llm")
    ids = AutoTokenizer.from_pretrained(folders[1] / "llm")("salto backward tucked", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(llm(ids).logits, unmerged.llm(input_ids=ids).logits, atol=1e-4, rtol=0)
    assert not list(folders[1].rglob("adapter*")) and not list(folders[1].rglob("*.bin"))
    assert len({file.stat().st_mode for file in folders[1].rglob("*") if file.is_file()}) == 1


@pytest.mark.slow
def test_a_merged_model_may_be_moved_saved_again_and_generates(folders: tuple[Path, Path], tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folders[1], tmp_path / "moved"))
    merged = GymMLLM.from_pretrained(moved)
    assert merged.load_tokenizer()("salto").input_ids == load_tokenizer()("salto").input_ids
    merged.save_pretrained(tmp_path / "again")
    torch.testing.assert_close(logits(GymMLLM.from_pretrained(tmp_path / "again")), logits(merged))
    batch, videos = asked()
    assert merged.generate(batch.ids, batch.mask, videos, max_new_tokens=2).shape[0] == 2
    assert merged.config.base_llm == "tiny-vicuna" and merged.fingerprint()["llm"]["name"] == "tiny-vicuna"
    assert GymMLLM.from_pretrained(folders[1]).fingerprint() == merged.fingerprint()


@pytest.mark.slow
def test_the_script_merges_in_the_precision_asked_for(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["merge_lora.py", str(folders[0]), "--out", str(out), "--dtype", "bfloat16"])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert (left.value.code, capsys.readouterr().out) == (0, f"{out}: merged\n")
    merged = GymMLLM.from_pretrained(out)
    assert merged.llm.dtype == torch.bfloat16
    assert {one.dtype for one in merged.projector.parameters()} == {torch.float32}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.slow
def test_a_merged_model_is_replaced_and_nothing_else(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for _ in range(2):
        merge_lora(folders[0], tmp_path / "out")
    with pytest.raises(GymQAError, match=naming(tmp_path / "out")):
        merge_lora(tmp_path / "out", tmp_path / "twice")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    for place in ("notes", "notes/a.txt"):
        with pytest.raises(GymQAError, match=naming(tmp_path / place)):
            merge_lora(folders[0], tmp_path / place)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.parent.name != "llm") == [
        *("a.txt", "config.json", "llm", "notes", "out", "projector.safetensors")
    ]


@pytest.mark.slow
def test_a_merged_model_that_cannot_be_replaced_stays(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_lora(folders[0], tmp_path / "out")
    rename = Path.rename

    def broken(path: Path, target: Path) -> Path:
        if path.parent.name == "new":
            raise OSError("the second rename fails")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="the second rename fails"):
        merge_lora(folders[0], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and GymMLLM.from_pretrained(tmp_path / "out")


@pytest.mark.slow
def test_adapters_of_half_precision_language_models_are_merged_in_full_precision(tmp_path: Path) -> None:
    model = tuned(LoRASettings(r=4), llm_dtype="bfloat16")
    model.save_pretrained(tmp_path / "tuned")
    merged = GymMLLM.from_pretrained(merge_lora(tmp_path / "tuned", tmp_path / "merged"))
    model.llm.base_model.model.float()
    torch.testing.assert_close(logits(merged), logits(model), atol=1e-4, rtol=0)


def test_adapters_that_are_not_numbers_are_not_merged(tmp_path: Path) -> None:
    model = tuned(LoRASettings(r=4, targets=("q_proj",)))
    next(one for name, one in model.named_parameters() if "lora_A" in name).data.fill_(torch.nan)
    model.save_pretrained(tmp_path / "tuned")
    with pytest.raises(GymQAError, match=naming(tmp_path / "tuned")):
        merge_lora(tmp_path / "tuned", tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_vicunas_generation_settings_do_not_keep_a_model_from_being_merged(tmp_path: Path) -> None:
    save_tiny_llama(tmp_path / "llm")
    settings = {"max_length": 4096, "pad_token_id": 0, "temperature": 0.9, "top_p": 0.6, "eos_token_id": 2}
    (tmp_path / "llm" / "generation_config.json").write_text(json.dumps(settings))
    tuned(LoRASettings(r=2), llm=str(tmp_path / "llm")).save_pretrained(tmp_path / "tuned")
    merged = merge_lora(tmp_path / "tuned", tmp_path / "merged")
    assert LlamaForCausalLM.from_pretrained(merged / "llm").generation_config.top_p == 0.6
