"""GymMLLM: where videos go, what is trained, what a padded batch means, and what a checkpoint holds."""

from pathlib import Path

import pytest
import torch

from encoders.llm.lora import LoRASettings
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM, GymMLLMConfig, conversation_losses
from encoders.mllm.projector import Projector
from encoders.mllm.prompts import IGNORED, EncodedChat, Turn, encode_chat, with_video
from gymqa.errors import GymQAError
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import DIM, N
from tests.helpers.naming import naming


@pytest.fixture(scope="module")
def model() -> GymMLLM:
    return mllm_examples.model()


def _chats(model: GymMLLM) -> list[EncodedChat]:
    tokenizer = model.load_tokenizer()
    texts = ("Which? A.salto B.jump", "Name the gymnastics move.", "Is the body tucked?")
    answers = ("B", "salto backward tucked", "Yes")
    return [
        encode_chat(tokenizer, [Turn(with_video(text), answer)]) for text, answer in zip(texts, answers, strict=True)
    ]


@pytest.mark.parametrize("left", [False, True])
def test_a_prefix_read_once_changes_neither_loss_nor_gradient(model: GymMLLM, left: bool) -> None:
    chats, videos = _chats(model), torch.randn(3, N, DIM)
    found = []
    for share in (False, True):
        batch = collate(chats, N, 0, pad_left=left, share_prefix=share)
        assert (len(batch.prefix) > 25) is share
        model.zero_grad()
        loss = model(batch.ids, batch.mask, videos, batch.labels, batch.prefix).loss
        loss.backward()
        found.append([loss, *(one.grad.clone() for one in model.parameters() if one.grad is not None)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_the_token_that_predicts_an_answer_is_never_in_the_prefix(model: GymMLLM) -> None:
    tokenizer = model.load_tokenizer()
    chats = [encode_chat(tokenizer, [Turn("Which?", answer)]) for answer in ("salto", "jump")]
    batch = collate(chats, N, 0, share_prefix=True)
    assert ((batch.labels != IGNORED).sum(1) == (batch.labels[:, 1:] != IGNORED).sum(1)).all()
    assert batch.ids[0, 0] == chats[0].ids[len(batch.prefix)]


def test_the_loss_is_the_mean_over_conversations_of_their_answers_mean() -> None:
    logits = torch.randn(2, 4, 5)
    labels = torch.tensor([[IGNORED, IGNORED, 3, 1], [IGNORED, 2, IGNORED, IGNORED]])
    log = logits.log_softmax(-1)
    expected = torch.stack([-(log[0, 1, 3] + log[0, 2, 1]) / 2, -log[1, 0, 2]])
    torch.testing.assert_close(conversation_losses(logits, labels), expected)


def test_only_projector_and_adapters_are_trained(model: GymMLLM) -> None:
    trainable = {name for name, one in model.named_parameters() if one.requires_grad}
    assert trainable and all(name.startswith("projector.") or ".lora_" in name for name in trainable)
    layers = [name for name in trainable if "lora_A" in name]
    assert len(layers) == 7 * model.llm.config.num_hidden_layers


@pytest.mark.slow
def test_a_saved_model_answers_as_before_and_holds_no_language_model(model: GymMLLM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = GymMLLM.from_pretrained(tmp_path)
    batch, videos = collate(_chats(model), N, 0), torch.randn(3, N, DIM)
    with torch.no_grad():
        torch.testing.assert_close(
            again(batch.ids, batch.mask, videos).logits, model(batch.ids, batch.mask, videos).logits
        )
    assert again.config.encoder == {"name": "example"}
    trainable = sum(one.numel() for one in model.parameters() if one.requires_grad)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 4 * trainable + 100_000


def test_a_missing_video_is_refused(model: GymMLLM) -> None:
    batch = collate(_chats(model), N, 0)
    with pytest.raises(GymQAError, match=naming(3, 2)):
        model(batch.ids, batch.mask, torch.randn(2, N, DIM))


def test_features_of_another_encoder_are_refused(model: GymMLLM) -> None:
    batch = collate(_chats(model), N, 0)
    with pytest.raises(GymQAError, match=naming(N, DIM, DIM + 1)):
        model(batch.ids, batch.mask, torch.randn(3, N, DIM + 1))


def test_a_prompt_longer_than_the_context_is_refused(model: GymMLLM) -> None:
    length = model.llm.config.max_position_embeddings + 1
    ids = torch.full((1, length), 5)
    with pytest.raises(GymQAError, match=naming(length, length - 1)):
        model(ids, torch.ones_like(ids))


def test_adapter_settings_survive_the_config() -> None:
    config = GymMLLMConfig(lora={"r": 4, "alpha": 8, "dropout": 0.0, "targets": ("q_proj",)})
    again = GymMLLMConfig.from_dict(config.to_dict())
    assert again.lora_settings == LoRASettings(4, 8, 0.0, ("q_proj",))


@pytest.mark.parametrize("kind", ["linear", "mlp2", "joint", "codebook"])
def test_a_projector_keeps_the_tokens_and_changes_their_width(kind: str) -> None:
    assert Projector(kind, 16, 24, 5, n_codes=6)(torch.randn(2, 5, 16)).shape == (2, 5, 24)


def test_equal_tokens_at_different_places_are_projected_differently() -> None:
    out = Projector("linear", 16, 24, 2)(torch.randn(1, 1, 16).expand(1, 2, 16))
    assert not torch.allclose(out[0, 0], out[0, 1])
