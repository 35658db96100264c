"""A language model with a chat template is asked in its own form, and learns its answers alone."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from encoders.llm.loading import load_tokenizer
from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import IGNORED, VIDEO_ID, Turn, encode_chat, letter_ids, render, with_video
from gymqa.errors import GymQAError
from tests.helpers.mllm_examples import DIM, N, save_tiny_llama
from tests.helpers.naming import naming

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is not false %}<think>{% endif %}"
    "{% endif %}"
)
MARKS = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerBase:
    """A byte-level tokenizer with marks of turns and a template that opens a thought unless told not to."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(special_tokens=MARKS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator([], trainer)
    loaded: PreTrainedTokenizerBase = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|im_end|>", chat_template=CHATML, name_or_path="own"
    )
    return loaded


def test_a_conversation_is_what_the_template_writes_with_the_answers_and_their_ends_as_labels(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    turns = [Turn("Which?", "B"), Turn("Sure?", "Yes"), Turn("And now?")]
    text = (
        "<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n"
        "<|im_start|>assistant\nYes<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert render(turns, tokenizer) == text
    encoded = encode_chat(tokenizer, turns)
    assert encoded.ids == tokenizer(text, add_special_tokens=False).input_ids
    learned = [label for label in encoded.labels if label != IGNORED]
    assert tokenizer.decode(learned) == "B<|im_end|>Yes<|im_end|>"
    assert all(label in (IGNORED, one) for one, label in zip(encoded.ids, encoded.labels, strict=True))


def test_a_video_stands_where_the_message_has_it(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = encode_chat(tokenizer, [Turn(with_video("Which?"), "B")]).ids
    at = ids.index(VIDEO_ID)
    assert tokenizer.decode(ids[:at]) == "<|im_start|>user\n"
    assert tokenizer.decode(ids[at + 1 :]) == "\nWhich?<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"


def test_letters_are_the_tokens_that_begin_an_answer_of_the_template(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.convert_ids_to_tokens(letter_ids(tokenizer, "ABCD")) == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[0]['content'] }}{% if messages|length > 1 %}!{{ messages[1]['content'] }}{% endif %}<|im_end|>",
        "{{ messages[0]['content'] }}: {% if messages|length > 1 %}{{ messages[1]['content'] }}{% endif %}",
        "{{ raise_exception('no such roles') }}",
    ],
    ids=["rewrites", "no end", "raises"],
)
def test_a_template_whose_answers_cannot_be_told_apart_is_refused(
    tokenizer: PreTrainedTokenizerBase, template: str
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(GymQAError, match=naming("own")):
        encode_chat(tokenizer, [Turn("Which?", "B")])


def test_a_model_tuned_on_vicunas_prompts_keeps_them(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    save_tiny_llama(tmp_path / "llm")
    with_template = load_tokenizer(str(tmp_path / "llm"))
    with_template.chat_template = "{{ messages[0]['content'] }}</s>"
    with_template.save_pretrained(tmp_path / "llm")
    prompts = {}
    for chat in ("vicuna", "own"):
        model = GymMLLM(GymMLLMConfig(str(tmp_path / "llm"), chat=chat, visual_dim=DIM, n_visual=N))
        model.save_pretrained(tmp_path / chat)
        again = GymMLLM.from_pretrained(tmp_path / chat)
        prompts[chat] = render([Turn("Which?")], again.load_tokenizer())
        assert ("chat" in again.fingerprint()["llm"]) == (chat == "own")
    assert prompts["vicuna"].endswith("USER: Which? ASSISTANT:") and prompts["own"] == "Which?</s>"
    with pytest.raises(GymQAError, match=naming("'llama'")):
        GymMLLMConfig(chat="llama")
