"""llama2.c's models as transformers': the same tokens, sensible text, something to tune; broken files are named."""

import struct
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch

from encoders.llm.llama2c import Llama2cHeader, import_llama2c, read_pieces, read_weights
from encoders.llm.loading import llm_fingerprint, load_llm, load_tokenizer
from encoders.llm.lora import LoRASettings
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import Turn, encode_chat, with_video
from gymqa.errors import GymQAError
from tests.helpers.mllm_examples import losses_of
from tests.helpers.naming import naming

STORY = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park."


@pytest.fixture(scope="module")
def real(shared: Path) -> Path:
    return shared / "real" / "stories260K"


@pytest.fixture(scope="module")
def stories(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real pre-trained model, as a folder of transformers."""
    return import_llama2c(real / "stories260K.bin", real / "tok512.bin", tmp_path_factory.mktemp("llm") / "stories")


def test_a_converted_model_tells_a_story(stories: Path) -> None:
    llm, tokenizer = load_llm(str(stories))
    ids = tokenizer("Once upon a time", return_tensors="pt").input_ids
    told = tokenizer.decode(llm.generate(ids, max_new_tokens=60, do_sample=False)[0], skip_special_tokens=True)
    assert told.startswith("Once upon a time, there was a little") and told.count(".") >= 3


def test_it_finds_a_story_likely_and_its_words_in_another_order_not(stories: Path) -> None:
    llm, tokenizer = load_llm(str(stories))

    def perplexity(text: str) -> float:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            return float(llm(ids, labels=ids).loss.exp())

    assert perplexity(STORY) < 2.5
    assert perplexity(" ".join(reversed(STORY.split()))) > 40


def test_the_rotary_embedding_is_that_of_llama2c(real: Path) -> None:
    path = real / "stories260K.bin"
    header = Llama2cHeader.read(path)
    rows = read_weights(path, header)["model.layers.0.self_attn.k_proj.weight"]
    start = 28 + 4 * (512 * 64 + 5 * 64 + 5 * 64 * 64)  # behind embeddings, norms and queries
    written = np.fromfile(path, "<f4", 32 * 64, offset=start).reshape(4, 8, 64)
    for head in range(4):
        ours = rows[8 * head : 8 * head + 8].numpy()
        assert (ours == written[head][[0, 2, 4, 6, 1, 3, 5, 7]]).all()


def test_its_tokenizer_is_the_one_that_sentencepiece_reads_from_the_same_pieces(stories: Path) -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(stories / "tokenizer.model"))
    tokenizer = load_tokenizer(str(stories))
    for text in (STORY, "USER: What?\n A.salto B.jump", "Zażółć 体操 é", "two  spaces "):
        assert tokenizer(text).input_ids == [1, *pieces.encode(text)]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 0)


def test_llamas_own_tokenizer_comes_out_piece_by_piece(shared: Path) -> None:
    folder = shared / "real" / "llama_tokenizer"
    known = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    pieces = read_pieces(folder / "tokenizer.bin", 32_000)
    assert [text for text, _ in pieces] == [known.id_to_piece(number) for number in range(32_000)]


@pytest.mark.slow
def test_it_is_tuned_as_any_other_language_model(stories: Path) -> None:
    torch.manual_seed(0)
    n, dim = 4, 8
    lora = LoRASettings(r=4).__dict__
    model = GymMLLM(GymMLLMConfig(llm=str(stories), visual_dim=dim, n_visual=n, projector="mlp2", lora=lora))
    tokenizer, videos = model.load_tokenizer(), torch.randn(3, n, dim)
    answers = ("salto backward", "split jump", "giant circle")
    batch = collate([encode_chat(tokenizer, [Turn(with_video("Which move?"), one)]) for one in answers], n, 0)
    losses = losses_of(model, batch, videos, 25)
    assert losses[-1] < 0.35 * losses[0]
    assert llm_fingerprint(str(stories))["name"] == str(stories)


def _write(path: Path, shared: bool = True, **changes: int) -> Path:
    """A random model of llama2.c."""
    sizes = {"dim": 8, "hidden": 12, "layers": 2, "heads": 2, "kv": 1, "vocabulary": 300, "context": 16} | changes
    dim, hidden, layers, heads, kv, vocabulary, context = sizes.values()
    numbers = (vocabulary * dim + layers * (2 * dim + 2 * dim * dim + 2 * kv * (dim // heads) * dim + 3 * dim * hidden)
               + dim + context * (dim // heads) + (0 if shared else vocabulary * dim))  # fmt: skip
    header = struct.pack("<7i", dim, hidden, layers, heads, kv, vocabulary if shared else -vocabulary, context)
    path.write_bytes(header + np.random.default_rng(0).standard_normal(numbers).astype("<f4").tobytes())
    return path


def _write_tokenizer(path: Path, pieces: int = 300) -> Path:
    words = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    words += [f" w{number}".encode() for number in range(pieces - len(words))]
    path.write_bytes(struct.pack("<i", 8) + b"".join(struct.pack("<fi", 0.0, len(word)) + word for word in words))
    return path


@pytest.mark.parametrize("shared", [True, False])
def test_an_output_layer_of_its_own_is_taken_over(tmp_path: Path, shared: bool) -> None:
    model, tokenizer = _write(tmp_path / "m.bin", shared), _write_tokenizer(tmp_path / "t.bin")
    llm, _ = load_llm(str(import_llama2c(model, tokenizer, tmp_path / "llm")))
    last = np.fromfile(model, "<f4")[-300 * 8 :].reshape(300, 8)
    head = llm.get_output_embeddings().weight
    assert torch.equal(head, llm.model.embed_tokens.weight) is shared
    assert bool((head.detach().numpy() == last).all()) is not shared


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ({"dim": 2**30}, "llama2.c"),
        ({"layers": 0}, "llama2.c"),
        ({"layers": -5}, "llama2.c"),
        ({"heads": 3}, "llama2.c"),
        ({"kv": 3}, "llama2.c"),
        ({"layers": 3}, "bytes"),
        ({"layers": 2**20}, "bytes"),
    ],
)
def test_a_header_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, header: dict[str, int], named: str
) -> None:
    model = _write(tmp_path / "m.bin")
    names = ("dim", "hidden", "layers", "heads", "kv", "vocabulary", "context")
    known = dict(zip(names, struct.unpack("<7i", model.read_bytes()[:28]), strict=True))
    model.write_bytes(struct.pack("<7i", *{**known, **header}.values()) + model.read_bytes()[28:])
    with pytest.raises(GymQAError, match=naming("m.bin", named)):
        import_llama2c(model, _write_tokenizer(tmp_path / "t.bin"), tmp_path / "llm")
    assert not (tmp_path / "llm").exists()


def test_files_that_are_cut_off_or_hold_something_else_are_named(tmp_path: Path) -> None:
    model, tokenizer = _write(tmp_path / "m.bin"), _write_tokenizer(tmp_path / "t.bin")
    out = tmp_path / "llm"
    whole, pieces = model.read_bytes(), tokenizer.read_bytes()
    for content, named in (
        (whole[:-4], f"{len(whole) - 4} bytes"),
        (whole[:20], "llama2.c"),
        (whole[:28] + b"\xff" * 64 + whole[92:], "model.embed_tokens.weight"),
    ):
        model.write_bytes(content)
        with pytest.raises(GymQAError, match=naming("m.bin", named)):
            import_llama2c(model, tokenizer, out)
    model.write_bytes(whole)
    for content, named in (
        (pieces[:-3], "llama2.c"),
        (pieces[:4] + struct.pack("<fi", 0.0, 2**31 - 1), "llama2.c"),
        (pieces[:4] + struct.pack("<fi", 0.0, -1), "llama2.c"),
        (b"", "llama2.c"),
        (_write_tokenizer(tmp_path / "u.bin", 290).read_bytes(), "290"),
    ):
        tokenizer.write_bytes(content)
        with pytest.raises(GymQAError, match=naming("t.bin", named)):
            import_llama2c(model, tokenizer, out)
    with pytest.raises(GymQAError, match=naming("gone.bin")):
        import_llama2c(tmp_path / "gone.bin", tokenizer, out)
    assert not (out / "config.json").exists()
