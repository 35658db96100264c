"""The attention resampler: k embeddings from any number of tokens, each of them able to look at every token."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoders.answering.answerer import MLLMAnswerer
from encoders.llm.lora import LoRASettings
from encoders.mllm.model import GymMLLM
from encoders.mllm.projector import Projector, Resampler
from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from encoders.tuning.finetune import finetune
from gymqa.errors import GymQAError
from gymqa.questions.distractors import build_questions
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures, N


@pytest.mark.parametrize(("n_tokens", "n_queries"), [(7, 3), (3, 7), (256, 32), (1, 1)])
def test_it_makes_as_many_embeddings_as_it_has_queries(n_tokens: int, n_queries: int) -> None:
    projector = Projector("resampler", 16, 24, n_tokens, n_queries=n_queries)
    assert projector(torch.randn(2, n_tokens, 16)).shape == (2, n_queries, 24)


def test_every_embedding_depends_on_every_token_and_on_no_other_video() -> None:
    torch.manual_seed(0)
    resampler, tokens = Resampler(16, 3).eval(), torch.randn(2, 5, 16, requires_grad=True)
    for query in range(3):
        (gradient,) = torch.autograd.grad(resampler(tokens)[0, query].square().sum(), tokens)
        assert (gradient[0].abs().sum(-1) > 0).all() and (gradient[1] == 0).all()


def test_where_a_token_stands_counts() -> None:
    torch.manual_seed(0)
    projector, tokens = Projector("resampler", 16, 24, 5, n_queries=3), torch.randn(1, 5, 16)
    assert not torch.allclose(projector(tokens), projector(tokens.flip(1)), atol=1e-4)


@pytest.mark.parametrize("width", [1, 7, 64, 130, 768])
def test_any_width_is_shared_among_whole_heads(width: int) -> None:
    assert Resampler(width, 2)(torch.randn(1, 3, width)).shape == (1, 2, width)


def test_a_resampler_without_queries_is_refused() -> None:
    with pytest.raises(GymQAError, match="n_queries"):
        Projector("resampler", 16, 24, 5)


@pytest.mark.slow
def test_a_language_model_is_tuned_with_fewer_embeddings_than_tokens(tmp_path: Path) -> None:
    clips, elements = mllm_examples.clips(), mllm_examples.taxonomy()
    settings = FinetuneSettings(
        steps=2, batch_size=6, precision="float32", projector="resampler", n_queries=3, lora=LoRASettings(r=2)
    )
    settings = replace(settings, alignment=AlignmentSettings(steps=5))
    model = GymMLLM.from_pretrained(finetune(ExampleFeatures(clips), clips, elements, settings, tmp_path))
    assert (model.config.n_tokens, model.config.n_visual) == (N, 3)
    unseen = mllm_examples.clips(2, first=9)
    questions = build_questions(unseen, elements, "gym-qa", 0)
    answers = MLLMAnswerer(model, model.load_tokenizer(), ExampleFeatures(unseen), "letters").answer(questions)
    assert all(answer.choice is not None for answer in answers)
