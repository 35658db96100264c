"""What conversations share is read once, and their answers are as likely as when each is read alone."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

from encoders.answering.answerer import MLLMAnswerer
from encoders.answering.shared_prefix import SharedPrefixReader, separate_log_likelihoods, supports_token_trees
from encoders.answering.token_trees import TokenTree
from encoders.llm.loading import load_llm
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import VIDEO_ID, EncodedChat, Turn, encode_chat, with_video
from gymqa.errors import GymQAError
from gymqa.questions.distractors import build_questions
from gymqa.questions.schema import Question, format_question
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import DIM, ExampleFeatures, N
from tests.helpers.naming import naming

SIZES = {
    "vocab_size": 1024, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 6,
    "initializer_range": 0.2, "max_position_embeddings": 512,
}  # fmt: skip


def language_model(name: str, attention: str = "eager") -> PreTrainedModel:
    torch.manual_seed(1)
    if name == "tiny-vicuna":
        return load_llm(attention=attention)[0]
    if name == "window":
        return MistralForCausalLM(MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=9))
    heads = {"llama": 6, "grouped": 2}[name]
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=heads, attn_implementation=attention))


def tuned(llm: PreTrainedModel | None = None, blind: bool = False) -> GymMLLM:
    torch.manual_seed(2)
    model = GymMLLM(GymMLLMConfig(visual_dim=DIM, n_visual=N, projector="mlp2", blind=blind), llm).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def questions() -> list[Question]:
    """Three questions about each of 24 clips; a clip's have names in common."""
    benchmarks = ("gym-qa", "gym-qa-hard", "gym-new")
    clips, taxonomy = mllm_examples.clips(), mllm_examples.taxonomy()
    return [one for name in benchmarks for one in build_questions(clips, taxonomy, name, 3)]


def conversations(model: GymMLLM) -> tuple[list[list[EncodedChat]], Tensor]:
    """Rows of different lengths: names, letters, and a question of two turns, each row with its video."""
    tokenizer, asked = model.load_tokenizer(), questions()[:3]
    rows = []
    for index, one in enumerate(asked):
        turns = [[Turn(with_video(one.text), choice)] for choice in one.choices[: 2 + index]]
        turns += [[Turn(with_video(format_question(one)), letter)] for letter in "ABCD"]
        turns += [[Turn(with_video(one.text), one.choices[0]), Turn("Is it a salto?", "Yes")]][:index]
        rows.append([encode_chat(tokenizer, each) for each in turns])
    return rows, torch.randn(len(rows), N, DIM, generator=torch.Generator().manual_seed(3))


def alone(model: GymMLLM, rows: Sequence[Sequence[EncodedChat]], videos: Tensor) -> list[float]:
    """Each conversation read by itself, unpadded."""
    return [
        separate_log_likelihoods(model, 0, [chat], videos[row : row + 1])[0]
        for row, chats in enumerate(rows)
        for chat in chats
    ]


def flat(found: Sequence[Sequence[float]]) -> list[float]:
    return [one for row in found for one in row]


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ["tiny-vicuna", "llama", "grouped"])
def test_conversations_read_together_are_as_likely_as_read_alone(name: str, attention: str) -> None:
    model = tuned(language_model(name, attention))
    rows, videos = conversations(model)
    assert supports_token_trees(model.llm.config)
    found = flat(SharedPrefixReader(model, 0).log_likelihoods(rows, videos))
    assert found == pytest.approx(alone(model, rows, videos), rel=1e-6, abs=1e-5)


def test_a_prefix_that_was_read_before_is_read_again_where_it_does_not_fit() -> None:
    model = tuned(language_model("grouped"), blind=True)
    tokenizer, reader = model.load_tokenizer(), SharedPrefixReader(model, 0)
    for text in ("Is it a salto?", "Is it a salto forward?", "Which?", "Is it a jump?"):
        chats = [encode_chat(tokenizer, [Turn(text, answer)]) for answer in ("Yes", "No")]
        expected = separate_log_likelihoods(model, 0, chats, None)
        assert reader.log_likelihoods([chats], None)[0] == pytest.approx(expected, rel=1e-6, abs=1e-5)


def test_a_model_that_looks_back_through_a_window_reads_every_conversation_in_full() -> None:
    model = tuned(language_model("window"))
    rows, videos = conversations(model)
    assert not supports_token_trees(model.llm.config)
    found = flat(SharedPrefixReader(model, 0).log_likelihoods(rows, videos))
    assert found == pytest.approx(alone(model, rows, videos), rel=1e-6, abs=1e-5)


def test_only_a_conversation_has_to_fit_the_context_not_what_is_read_together() -> None:
    llm = language_model("llama")
    model = tuned(llm)
    rows, videos = conversations(model)
    longest = max(len(chat.ids) for row in rows for chat in row) - 1 + N - 1
    llm.config.max_position_embeddings = longest
    SharedPrefixReader(model, 0).log_likelihoods(rows, videos)
    llm.config.max_position_embeddings = longest - 1
    with pytest.raises(GymQAError, match=naming(longest, longest - 1)):
        SharedPrefixReader(model, 0).log_likelihoods(rows, videos)


def test_a_tree_holds_what_conversations_share_once() -> None:
    first = EncodedChat([1, 5, 6, 7, 8], [-100, -100, -100, 7, 8])
    other = EncodedChat([1, 5, 6, 7, 9], [-100, -100, -100, 7, 9])
    third = EncodedChat([1, 5, 4, 7], [-100, -100, -100, 7])
    tree = TokenTree.grow([first, other, third])
    assert tree.ids == [1, 5, 6, 7, 4]
    assert tree.parents == [-1, 0, 1, 2, 1]
    assert tree.answers == [[(2, 7), (3, 8)], [(2, 7), (3, 9)], [(4, 7)]]
    assert tree.shared_prefix() == [1, 5]
    assert tree.depths() == [0, 1, 2, 3, 2]


def test_a_trunk_ends_before_a_video_and_before_what_predicts_an_answer() -> None:
    assert TokenTree.grow([EncodedChat([1, 5, VIDEO_ID, 6, 7], [-100, -100, -100, -100, 7])]).shared_prefix() == [1, 5]
    assert TokenTree.grow([EncodedChat([1, 5, 6, 7], [-100, -100, -100, 7])]).shared_prefix() == [1, 5]


@pytest.mark.slow
@pytest.mark.parametrize("scoring", ["letters", "texts"])
def test_a_clip_is_looked_at_once_for_all_its_questions(scoring: str) -> None:
    model, asked = tuned(), questions()
    looked_at: list[int] = []
    model.projector.register_forward_hook(lambda module, inputs, output: looked_at.append(len(output)))
    features = ExampleFeatures(mllm_examples.clips())
    MLLMAnswerer(model, model.load_tokenizer(), features, scoring, batch_size=256).answer(asked)
    assert sum(looked_at) == len({one.clip_id for one in asked}) < len(asked)


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("scoring", ["letters", "texts"])
def test_what_was_asked_before_changes_no_digit(scoring: str, blind: bool) -> None:
    model, asked = tuned(language_model("grouped"), blind), questions()
    features = ExampleFeatures(mllm_examples.clips())
    first, second = asked[:5], asked[24:31]  # some about the same clips
    first.append(replace(asked[5], text="Which move is it?"))  # it begins otherwise
    answerer, fresh = (MLLMAnswerer(model, model.load_tokenizer(), features, scoring) for _ in range(2))
    answerer.choice_logprobs(first)
    assert answerer.choice_logprobs(second) == fresh.choice_logprobs(second)


@pytest.mark.slow
@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("scoring", ["letters", "texts"])
def test_neither_order_nor_batch_size_nor_company_changes_an_answer(scoring: str, blind: bool) -> None:
    model, asked = tuned(language_model("grouped"), blind), questions()[::4]
    tokenizer, features = model.load_tokenizer(), ExampleFeatures(mllm_examples.clips())

    def answered(those: Sequence[Question], batch_size: int) -> dict[str, tuple[float, ...] | None]:
        found = MLLMAnswerer(model, tokenizer, features, scoring, batch_size).choice_logprobs(those)
        return {one.id: scores for one, scores in zip(those, found, strict=True)}

    expected = {id: scores for one in asked for id, scores in answered([one], 1).items()}
    shuffled = random.Random(0).sample(asked, len(asked))
    for found in (answered(shuffled, 3), answered(shuffled, 7), answered(asked, 64)):
        assert found.keys() == expected.keys()
        for id, scores in found.items():
            assert scores == pytest.approx(expected[id], rel=1e-6, abs=1e-5)


@pytest.mark.slow
def test_a_broken_clip_leaves_the_others_as_they_are() -> None:
    model, asked = tuned(), questions()[:6]
    broken = ExampleFeatures(mllm_examples.clips())
    broken.tokens[asked[0].clip_id][:] = torch.nan
    answers = MLLMAnswerer(model, model.load_tokenizer(), broken).answer(asked)
    whole = MLLMAnswerer(model, model.load_tokenizer(), ExampleFeatures(mllm_examples.clips())).answer(asked)
    assert answers[0].choice is None and answers[0].error
    for one, other in zip(answers[1:], whole[1:], strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
