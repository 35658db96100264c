"""Choices whose logits are equal in bf16 are told apart in float32, by every adapter that scores by likelihood."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from encoders.answering.answerer import MLLMAnswerer
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import letter_ids
from eval.adapters.float32_logits import IDENTITY, float32_logits
from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.loading import LoadedVlm, load_vlm
from gymqa.questions.schema import LETTERS
from tests.helpers.mllm_examples import DIM, GymMLLMConfig, N, save_tiny_llama
from tests.helpers.questions import question
from tests.helpers.tiny_vlms import save_tiny

ASKED = [question(f"q{i}", (0, 1, 2, 3), 0) for i in range(6)]
ASKED = [replace(one, text=f"Which{'?' * (i + 1)}") for i, one in enumerate(ASKED)]


def make_close(head: nn.Linear, ids: list[int]) -> None:
    """Rows of the output layer that differ by the last bit of one weight: their logits round to the same bf16."""
    with torch.no_grad():
        for step, row in enumerate(ids):
            head.weight[row] = head.weight[ids[0]] * 4 if step == 0 else head.weight[ids[0]]
            head.weight[row, 0] = head.weight[ids[0], 0] + step * 2**-9


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> LoadedVlm:
    loaded = load_vlm(str(save_tiny("llava", tmp_path_factory.mktemp("llava"))), dtype="bfloat16")
    probe = HfVlm("m", loaded, None)
    head = loaded.model.get_output_embeddings()
    for spelled in range(max(map(len, probe._letters[:4]))):
        make_close(head, [ids[spelled] for ids in probe._letters[:4] if spelled < len(ids)])
    return loaded


def test_letters_of_a_vlm_do_not_tie_in_bf16(llava: LoadedVlm) -> None:
    model = HfVlm("m", llava, None)
    assert all(answer.choice is not None for answer in model.answer(ASKED))
    assert model.fingerprint()["choice_logits"] == IDENTITY["choice_logits"]
    assert "choice_logits" not in HfVlm("m", llava, None, "generate").fingerprint()


def test_texts_of_one_token_do_not_tie_either(llava: LoadedVlm) -> None:
    model = HfVlm("m", llava, None, "texts")
    answers = model.answer([replace(one, choices=("A", "B", "C", "D")) for one in ASKED])
    assert all(answer.choice is not None for answer in answers)


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("scoring", ["letters", "texts"])
def test_choices_of_a_tuned_model_do_not_tie_in_bf16(scoring: str, windowed: bool, tmp_path: Path) -> None:
    llm = save_tiny_llama(tmp_path / "llm")
    config = GymMLLMConfig(str(llm), llm_dtype="bfloat16", visual_dim=DIM, n_visual=N, blind=True)
    model = GymMLLM(config).eval()
    tokenizer = model.load_tokenizer()
    make_close(model.get_output_embeddings(), letter_ids(tokenizer, LETTERS[:4]))  # type: ignore[arg-type]
    if windowed:  # every conversation is then encoded in full
        model.llm.config.sliding_window = 4096
    answerer = MLLMAnswerer(model, tokenizer, scoring=scoring, length_normalised=True)
    asked = [replace(one, choices=("A", "B", "C", "D")) for one in ASKED]
    assert all(answer.choice is not None for answer in answerer.answer(asked))
    assert answerer.fingerprint()["choice_logits"] == IDENTITY["choice_logits"]


class _Head(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(64, 10, dtype=dtype)

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(hidden)
        return logits


def test_only_the_logits_asked_for_are_computed_anew_and_a_model_in_float32_is_left_as_it_is() -> None:
    rows, positions, tokens = torch.tensor([[0, -1, 3], [1, -2, 4], [1, -2, 5]]).T
    for dtype in (torch.bfloat16, torch.float32):
        model, hidden = _Head(dtype), torch.randn(2, 5, 64).to(dtype)
        with torch.inference_mode():
            plain = model(hidden)
            with float32_logits(model, rows, positions, tokens):
                found = model(hidden)
            exact = nn.functional.linear(hidden.float(), model.head.weight.float(), model.head.bias.float())
        expected = plain.float().clone()
        expected[rows, positions, tokens] = exact[rows, positions, tokens]
        torch.testing.assert_close(found, expected)
        assert (found == plain.float()).sum() == found.numel() - (0 if dtype == torch.float32 else 3)
        assert torch.equal(model(hidden).detach(), plain)
