"""Language models of others: what loads, what is refused, and that nothing of theirs is run."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from encoders.llm.loading import llm_fingerprint, load_llm, load_tokenizer
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import IGNORED, SYSTEM, Turn, encode_chat, with_video
from gymqa.errors import GymQAError
from tests.helpers.loopback_hub import COMMIT, HubSite, serve_hub
from tests.helpers.mllm_examples import DIM, N, save_tiny_llama
from tests.helpers.naming import naming
from tests.helpers.warm import run_apart

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}


def byte_level_tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer as Qwen's: bytes, no beginning of a text, words with the space before them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    made.train_from_iterator([SYSTEM, "USER: Which? ASSISTANT: A B C D salto backward tucked\n\n"] * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


@pytest.mark.parametrize("family", ["Qwen2", "Mistral"])
def test_other_families_are_tuned_and_asked_like_llama(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = byte_level_tokenizer() if family == "Qwen2" else load_tokenizer()
    sizes: dict[str, Any] = {**TINY, "vocab_size": len(tokenizer), "num_key_value_heads": 1}
    sizes |= {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    llm = Qwen2ForCausalLM(Qwen2Config(**sizes)) if family == "Qwen2" else MistralForCausalLM(MistralConfig(**sizes))
    llm.save_pretrained(tmp_path / "llm")
    tokenizer.save_pretrained(tmp_path / "llm")
    model = GymMLLM(GymMLLMConfig(str(tmp_path / "llm"), visual_dim=DIM, n_visual=N))
    tokenizer = model.load_tokenizer()
    turns = [[Turn(with_video("Which? A.x B.y"), answer)] for answer in ("B", "salto backward")]
    chats, videos = [encode_chat(tokenizer, one) for one in turns], torch.randn(2, N, DIM)
    for chat, answer in zip(chats, ("B", "salto backward"), strict=True):
        learned = [label for label in chat.labels if label != IGNORED]
        assert learned[-1] == tokenizer.eos_token_id and tokenizer.decode(learned[:-1]).strip() == answer
    whole, shared = (collate(chats, N, tokenizer.pad_token_id, share_prefix=share) for share in (False, True))
    losses = [model.eval()(one.ids, one.mask, videos, one.labels, one.prefix).loss for one in (whole, shared)]
    torch.testing.assert_close(*losses)
    losses[0].backward()
    assert all(one.grad is not None for name, one in model.named_parameters() if "lora_B" in name)
    batch = collate([encode_chat(tokenizer, [Turn(with_video("Which?"))])], N, tokenizer.pad_token_id, pad_left=True)
    assert model.generate(batch.ids, batch.mask, videos[:1], max_new_tokens=2).shape[0] == 1


def _as_pickle(folder: Path) -> Path:
    """Put a model's weights into PyTorch's own file, as Vicuna-7B ships them."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_weights_in_pytorchs_own_files_are_read_as_tensors(tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "llm")
    expected = load_file(folder / "model.safetensors")
    found = load_llm(str(_as_pickle(folder)))[0].state_dict()
    assert all(torch.equal(one, found[name]) for name, one in expected.items())
    assert llm_fingerprint(str(folder))["files"]


class _Opens:
    """What a pickle holds that opens a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_a_pickle_that_would_run_something_is_refused_and_does_not(tmp_path: Path) -> None:
    folder = _as_pickle(save_tiny_llama(tmp_path / "llm"))
    torch.save({"lm_head.weight": _Opens(tmp_path / "opened")}, folder / "pytorch_model.bin")
    with pytest.raises(GymQAError, match=naming(folder)):
        load_llm(str(folder))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"x": _Opens(tmp_path / "opened")}))
    with pytest.raises(GymQAError, match=naming(folder)):
        load_llm(str(folder))
    assert not (tmp_path / "opened").exists()


def test_code_in_a_models_folder_is_neither_run_nor_asked_about(tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "llm")
    config = json.loads((folder / "config.json").read_text())
    (folder / "modeling_own.py").write_text(f"open({str(tmp_path / 'opened')!r}, 'w')\n")
    named = {"AutoConfig": "modeling_own.Config", "AutoModelForCausalLM": "modeling_own.Model"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": named}))
    for load in (load_llm, llm_fingerprint):
        with pytest.raises(GymQAError, match=naming(folder)):
            load(str(folder))  # type: ignore[operator]
    assert not (tmp_path / "opened").exists()


def test_a_file_that_lacks_tensors_is_not_filled_up_with_random_numbers(tmp_path: Path) -> None:
    folder = save_tiny_llama(tmp_path / "llm")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(GymQAError, match=naming(folder, "model.layers.0.mlp.up_proj.weight")):
        load_llm(str(folder))


@pytest.mark.parametrize("damage", ["cut", "other sizes", "no tokenizer", "empty"])
def test_a_damaged_folder_is_named(tmp_path: Path, damage: str) -> None:
    folder = save_tiny_llama(tmp_path / "llm")
    if damage == "cut":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    if damage == "other sizes":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 48}))
    for file in folder.glob("tokenizer*" if damage == "no tokenizer" else "*" if damage == "empty" else "-"):
        file.unlink()
    with pytest.raises(GymQAError, match=naming(folder)):
        load_llm(str(folder))


LOAD = """
import json, sys
from encoders.llm.loading import load_llm
from encoders.llm.loading import llm_fingerprint
from encoders.mllm.model import GymMLLM, GymMLLMConfig
name = sys.argv[1]
print(json.dumps(llm_fingerprint(name)))
model = GymMLLM(GymMLLMConfig(name, visual_dim=8, n_visual=2))
model.save_pretrained(sys.argv[2])
print(json.dumps([model.config.llm, model.config.llm_revision]))
assert GymMLLM.from_pretrained(sys.argv[2]).fingerprint() == model.fingerprint()
"""


@pytest.mark.slow
@pytest.mark.parametrize("pickled", [False, True])
def test_of_a_name_on_the_hub_only_what_is_needed_is_downloaded_and_its_commit_kept(
    tmp_path: Path, pickled: bool
) -> None:
    folder = save_tiny_llama(tmp_path / "llm")
    if pickled:
        _as_pickle(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    others = {"modeling_own.py": b"raise SystemExit", "consolidated.safetensors": b"", "training_args.bin": b""}
    if not pickled:
        others["pytorch_model.bin"] = b"never asked for"
    words = ["-c", LOAD, "me/llama@v1.5", str(tmp_path / "tuned")]
    with serve_hub(HubSite(files={**files, **others})) as hub:
        done = run_apart(tmp_path, *words, HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert any("v1.5" in path for path in hub.requests)
        assert not any(name in path for path in hub.requests for name in others)
    assert json.loads(done.stdout.splitlines()[0]) == {"name": "me/llama", "commit": COMMIT}
    assert json.loads(done.stdout.splitlines()[1]) == ["me/llama", COMMIT]
    saved = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert (saved["llm"], saved["llm_revision"]) == ("me/llama", COMMIT)
    assert not list((tmp_path / "tuned").glob("*.bin"))
