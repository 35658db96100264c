"""A tuned model's folder: what is refused when it is loaded, and what a full disk leaves of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders.mllm.model import GymMLLM
from gymqa.errors import GymQAError
from tests.helpers import mllm_examples
from tests.helpers.full_disk import full_disk
from tests.helpers.mllm_examples import save_tiny_llama
from tests.helpers.naming import naming


@pytest.fixture(scope="module")
def model() -> GymMLLM:
    return mllm_examples.model()


@pytest.fixture
def saved(model: GymMLLM, tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "tuned")
    return tmp_path / "tuned"


def changed(**changes: Any) -> Callable[[Path], None]:
    """Change config.json."""

    def change(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**values, **changes}))

    return change


def of_another_llm(folder: Path) -> None:
    changed(llm=str(save_tiny_llama(folder.parent / "llm", hidden_size=256, intermediate_size=512)))(folder)


def in_a_pickle_only(folder: Path) -> None:
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def without_a_projectors_tensor(folder: Path) -> None:
    tensors = load_file(folder / "projector.safetensors")
    del tensors["token"]
    save_file(tensors, folder / "projector.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (changed(model_type="llama"), ("FOLDER", "gymqa finetune")),
        (changed(llm="nowhere/to/be/found"), ("'nowhere/to/be/found'",)),
        (changed(lora={"r": 8}), ("FOLDER", "tiny-vicuna", "LoRA")),
        (changed(lora={"rank": 8}), ("LoRA", "'rank'")),
        (changed(lora={"r": 16, "targets": ["wq"]}), ("'wq'",)),
        (changed(projector="magic"), ("'magic'",)),
        (changed(projector="linear"), ("FOLDER", "layers.2.bias")),
        (changed(n_visual=3), ("resampler",)),
        (changed(visual_dim=24), ("layers.0.weight", "[256, 16]", "[256, 24]", "config.json")),
        (of_another_llm, ("FOLDER", "LoRA")),
        (in_a_pickle_only, ("FOLDER", "adapter_model.safetensors")),
        (without_a_projectors_tensor, ("FOLDER", "token")),
        (lambda folder: (folder / "config.json").unlink(), ("FOLDER/config.json",)),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"half"), ("FOLDER", "deserializing")),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused_and_why_is_said(
    saved: Path, damage: Callable[[Path], None], named: tuple[str, ...]
) -> None:
    damage(saved)
    with pytest.raises(GymQAError, match=naming(*(one.replace("FOLDER", str(saved)) for one in named))):
        GymMLLM.from_pretrained(saved)


def test_loading_draws_nothing_and_saving_again_changes_no_byte(saved: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    GymMLLM.from_pretrained(saved).save_pretrained(tmp_path / "again")
    assert torch.equal(before, torch.get_rng_state())
    for file in saved.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_a_full_disk_is_named_and_leaves_what_was_there(model: GymMLLM, saved: Path) -> None:
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    with pytest.raises(GymQAError, match=naming("projector.safetensors")), full_disk(20_000):
        model.save_pretrained(saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
