"""Train tiny-vicuna's SentencePiece BPE tokenizer, with Llama's conventions (own file: it needs sentencepiece)."""

import io
import random
from pathlib import Path

import sentencepiece
from transformers import LlamaTokenizer, PreTrainedTokenizerBase

from encoders.mllm.prompts import Turn, render
from encoders.tiny_vicuna_pretraining.corpus import make_conversation
from encoders.tiny_vicuna_pretraining.grammar import all_moves

VOCABULARY = 1024
_SENTENCES = 20_000


def train_tokenizer(folder: Path, seed: int) -> PreTrainedTokenizerBase:
    """Train BPE pieces on conversations of the grammar; write tokenizer.model and tokenizer.json to `folder`.

    As in Llama: ids 0 1 2 are <unk> <s> </s>, bytes stand in for unseen characters, a space precedes the first word,
    digits are split, nothing is normalised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    moves = all_moves()
    chats = (make_conversation(moves, rng, 4, plainness=0.3) for _ in range(_SENTENCES))
    texts = [render([Turn(chat.user(), chat.answer)]).replace("</s>", "") for chat in chats]
    texts += [move.display_name for move in moves]
    model = io.BytesIO()  # a file would embed its path
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.replace("\n", ".") for text in texts),  # so that no piece spans a line's end
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=1.0,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer: PreTrainedTokenizerBase = LlamaTokenizer.from_pretrained(
        folder, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>", legacy=True, add_bos_token=True
    )
    tokenizer.padding_side = "right"
    tokenizer.save_pretrained(folder)
    return tokenizer
