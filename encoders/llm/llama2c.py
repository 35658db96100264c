"""Import of llama2.c models: flat files of float32 weights and their tokenizer, written as transformers folders.

Source: llama2.c's `run.c` and `export.py` (version 0): seven int32, then the weights in the order of `_layout`. Its
rotary embedding rotates neighbouring channels of a head, transformers' rotates channel i with channel i + half.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from torch import Tensor
from transformers import LlamaConfig, LlamaTokenizer

from gymqa.errors import GymQAError
from gymqa.io.files import atomic_path, write_text

sentencepiece: Any = sentencepiece_model_pb2  # its classes are created at import
_HEADER = struct.Struct("<7i")
_LARGEST = 1 << 20  # upper limit of any size in a header
_LONGEST_PIECE = 1 << 10  # bytes
_UNKNOWN, _BEGIN, _END, _BYTES = 0, 1, 2, range(3, 259)  # ids by Llama's convention


@dataclass(frozen=True, slots=True)
class Llama2cHeader:
    """Configuration of a model; `shared` where the output layer is tied to the embedding."""

    dim: int
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int
    context: int
    shared: bool

    @classmethod
    def read(cls, path: Path) -> "Llama2cHeader":
        """Read the header of a model file and check the file's size against it.

        Raises:
            GymQAError: it is not a llama2.c model, or is truncated.
        """
        try:
            with path.open("rb") as file:
                dim, hidden, layers, heads, shared_heads, vocabulary, context = _HEADER.unpack(file.read(_HEADER.size))
            size = path.stat().st_size
        except (OSError, struct.error) as error:
            raise GymQAError(f"{path} cannot be read as a model of llama2.c ({error}); name a .bin file") from error
        header = cls(dim, hidden, layers, heads, shared_heads, abs(vocabulary), context, vocabulary > 0)
        if not header._is_valid():
            raise GymQAError(f"{path} is no model of llama2.c: its first numbers are no sizes; name another file")
        expected = _HEADER.size + 4 * sum(math.prod(shape) for _, shape in _layout(header))
        if size != expected:
            raise GymQAError(f"{path} has {size} bytes where its header asks for {expected}; get it anew")
        return header

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.dim // self.heads

    def _is_valid(self) -> bool:
        sizes = (self.dim, self.hidden, self.layers, self.heads, self.key_value_heads, self.vocabulary, self.context)
        if not all(1 <= size <= _LARGEST for size in sizes):
            return False
        divides = self.dim % (2 * self.heads) == 0 and self.heads % self.key_value_heads == 0
        return divides and self.vocabulary > _BYTES.stop


def import_llama2c(model: Path, tokenizer: Path, out: Path) -> Path:
    """Write a llama2.c model and its tokenizer as a transformers folder; returns the folder.

    The folder gets model.safetensors, config.json and the tokenizer's files: it can be named as `llm`.

    Args:
        model: its .bin file (version 0 of the export, float32).
        tokenizer: the .bin file of its tokenizer.
        out: folder to write; existing files are replaced.

    Raises:
        GymQAError: a file is not llama2.c's or is truncated, or the two have different vocabularies.
    """
    header = Llama2cHeader.read(model)
    pieces = read_pieces(tokenizer, header.vocabulary)
    write_tokenizer(out, pieces)
    with atomic_path(out / "model.safetensors") as temporary:
        save_file(read_weights(model, header), temporary, metadata={"format": "pt"})
    write_text(out / "config.json", _config(header).to_json_string())  # last: a folder with it is complete
    return out


def read_weights(path: Path, header: Llama2cHeader) -> dict[str, Tensor]:
    """Tensors by transformers' names.

    Raises:
        GymQAError: a weight is not finite.
    """
    numbers = np.memmap(path, dtype="<f4", mode="r", offset=_HEADER.size)
    weights, start = {}, 0
    for name, shape in _layout(header):
        stacked = torch.from_numpy(numbers[start : start + math.prod(shape)].astype(np.float32)).reshape(shape)
        start += math.prod(shape)
        if name.startswith("unused"):
            continue
        if not stacked.isfinite().all():
            raise GymQAError(f"{path} holds weights that are not numbers, as {name}; get it anew")
        if "{" not in name:
            weights[name] = stacked
            continue
        for layer, one in enumerate(stacked):
            permuted = _half_split(one, header.head_dim) if "q_proj" in name or "k_proj" in name else one
            weights[name.format(layer)] = permuted.contiguous()
    return weights


def read_pieces(path: Path, vocabulary: int) -> list[tuple[str, float]]:
    """The pieces of a tokenizer file with their scores, by id.

    Raises:
        GymQAError: the file is damaged, or has another number of pieces.
    """
    try:
        data = path.read_bytes()
        pieces = list(_pieces(data))
        for control in (_BEGIN, _END):  # llama2.c writes them as lines of their own
            pieces[control] = (pieces[control][0].strip("\n"), pieces[control][1])
    except (OSError, struct.error, ValueError, IndexError) as error:
        raise GymQAError(f"{path} cannot be read as a tokenizer of llama2.c ({error}); name another file") from error
    if len(pieces) != vocabulary:
        raise GymQAError(f"{path} has {len(pieces)} pieces and the model a vocabulary of {vocabulary}; give its own")
    return pieces


def write_tokenizer(folder: Path, pieces: list[tuple[str, float]]) -> None:
    """Write tokenizer.model for SentencePiece and the tokenizer files of transformers."""
    proto = sentencepiece.ModelProto()
    spec = proto.trainer_spec
    spec.model_type, spec.byte_fallback, spec.vocab_size = spec.BPE, True, len(pieces)
    spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id = _UNKNOWN, _BEGIN, _END, -1
    normalizer = proto.normalizer_spec
    normalizer.name, normalizer.add_dummy_prefix, normalizer.remove_extra_whitespaces = "identity", True, False
    for number, (text, score) in enumerate(pieces):
        piece = proto.pieces.add()
        piece.piece, piece.score, piece.type = text, score, _type_of(number)
    with atomic_path(folder / "tokenizer.model") as temporary:
        temporary.write_bytes(proto.SerializeToString())
    named = {"bos_token": pieces[_BEGIN][0], "eos_token": pieces[_END][0], "unk_token": pieces[_UNKNOWN][0]}
    LlamaTokenizer.from_pretrained(folder, **named, legacy=True, add_bos_token=True).save_pretrained(folder)


def _layout(header: Llama2cHeader) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every weight block, in the file's order; {} is the layer, the block's first dimension."""
    n, dim, hidden = header.layers, header.dim, header.hidden
    key_value = header.key_value_heads * header.head_dim
    layer = "model.layers.{}."
    yield "model.embed_tokens.weight", (header.vocabulary, dim)
    yield layer + "input_layernorm.weight", (n, dim)
    yield layer + "self_attn.q_proj.weight", (n, dim, dim)
    yield layer + "self_attn.k_proj.weight", (n, key_value, dim)
    yield layer + "self_attn.v_proj.weight", (n, key_value, dim)
    yield layer + "self_attn.o_proj.weight", (n, dim, dim)
    yield layer + "post_attention_layernorm.weight", (n, dim)
    yield layer + "mlp.gate_proj.weight", (n, hidden, dim)
    yield layer + "mlp.down_proj.weight", (n, dim, hidden)
    yield layer + "mlp.up_proj.weight", (n, hidden, dim)
    yield "model.norm.weight", (dim,)
    yield "unused: cosines and sines of the rotary embedding", (2, header.context, header.head_dim // 2)
    if not header.shared:
        yield "lm_head.weight", (header.vocabulary, dim)


def _half_split(weight: Tensor, head_dim: int) -> Tensor:
    """Permute the rows of each head from (0 1) (2 3) … to (0 2 …) (1 3 …): [heads · head_dim, D] -> same shape."""
    return weight.reshape(-1, head_dim // 2, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _config(header: Llama2cHeader) -> LlamaConfig:
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=header.vocabulary,
        hidden_size=header.dim,
        intermediate_size=header.hidden,
        num_hidden_layers=header.layers,
        num_attention_heads=header.heads,
        num_key_value_heads=header.key_value_heads,
        max_position_embeddings=header.context,
        rms_norm_eps=1e-5,
        tie_word_embeddings=header.shared,
        bos_token_id=_BEGIN,
        eos_token_id=_END,
        dtype="float32",
    )


def _pieces(data: bytes) -> Iterator[tuple[str, float]]:
    """Parse pieces and scores: int32 maximum length, then per piece a float32 score, its byte length, its bytes."""
    offset = struct.calcsize("<i")
    while offset < len(data):
        score, length = struct.unpack_from("<fi", data, offset)
        offset += struct.calcsize("<fi")
        if not math.isfinite(score) or not 1 <= length <= _LONGEST_PIECE or offset + length > len(data):
            raise ValueError(f"a piece of {length} bytes at byte {offset}")
        yield data[offset : offset + length].decode("utf-8").replace(" ", "▁"), score
        offset += length


def _type_of(number: int) -> int:
    kinds = sentencepiece.ModelProto.SentencePiece
    if number in _BYTES:
        return int(kinds.BYTE)
    named = {_UNKNOWN: kinds.UNKNOWN, _BEGIN: kinds.CONTROL, _END: kinds.CONTROL}
    return int(named.get(number, kinds.NORMAL))
