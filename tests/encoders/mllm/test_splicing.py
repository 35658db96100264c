"""Videos in prompts: any place, any number, either padding; the logits are those of a splice by hand, run alone."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat, Turn, encode_chat
from gymqa.errors import GymQAError
from tests.helpers.mllm_examples import DIM, N, shake
from tests.helpers.naming import naming

K = 3  # embeddings of a video under the resampler
CHATS = (
    [Turn("<video>\nWhich?", "A"), Turn("<video>\nWhich?", "salto backward"), Turn("<video>\nWhich?", "B")],
    [Turn("Before <video> and after <video> which is higher?", "Yes")],
    [Turn("Nothing to see here.", "No")],
    [Turn("<video><video>")],
    [Turn("<video>\nWhich?", "A"), Turn("And what is this, then? <video>")],
)
VIDEOS = (3, 2, 0, 2, 2)


@pytest.fixture(scope="module", params=["mlp2", "resampler"])
def model(request: pytest.FixtureRequest) -> GymMLLM:
    torch.manual_seed(0)
    n_visual = K if request.param == "resampler" else N
    config = GymMLLMConfig(visual_dim=DIM, n_visual=n_visual, n_tokens=N, projector=request.param)
    return shake(GymMLLM(config).eval())


def _videos(count: int, seed: int) -> Tensor:
    return torch.randn(count, N, DIM, generator=torch.Generator().manual_seed(seed))


def _encoded(model: GymMLLM) -> list[EncodedChat]:
    tokenizer = model.load_tokenizer()
    return [encode_chat(tokenizer, turns) for turns in CHATS]


def _spliced(model: GymMLLM, chat: EncodedChat, videos: Tensor) -> tuple[Tensor, list[int]]:
    """A conversation's embeddings [1, L, D], put together piece by piece, and its labels."""
    projected, parts, labels = iter(model.projector(videos)), [], list[int]()
    for one, label in zip(chat.ids, chat.labels, strict=True):
        part = next(projected) if one == VIDEO_ID else model.embeddings(torch.tensor([one]))
        parts.append(part)
        labels += [label] * len(part)
    return torch.cat(parts)[None], labels


def _alone(model: GymMLLM, chat: EncodedChat, videos: Tensor) -> Tensor:
    """Logits of one conversation, without padding, mask or positions given."""
    logits: Tensor = model.llm(inputs_embeds=_spliced(model, chat, videos)[0]).logits[0]
    return logits


@pytest.mark.slow
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("left", [False, True])
@torch.no_grad()
def test_a_padded_batch_has_the_logits_of_each_conversation_alone(model: GymMLLM, left: bool, share: bool) -> None:
    chats, each = _encoded(model), [_videos(count, seed) for seed, count in enumerate(VIDEOS)]
    batch = collate(chats, model.config.n_visual, 0, pad_left=left, share_prefix=share)
    assert (len(batch.prefix) > 0) is share and not batch.mask.all()
    logits = model(batch.ids, batch.mask, torch.cat(each), prefix=batch.prefix).logits
    for row, (chat, videos) in enumerate(zip(chats, each, strict=True)):
        expected = _alone(model, chat, videos)[len(batch.prefix) :]
        torch.testing.assert_close(logits[row][batch.mask[row] == 1], expected, atol=2e-4, rtol=1e-4)


def test_labels_stand_at_the_answers_tokens_whatever_is_spliced_before_them(model: GymMLLM) -> None:
    chats = _encoded(model)
    for left in (False, True):
        batch = collate(chats, model.config.n_visual, 0, pad_left=left)
        for row, (chat, count) in enumerate(zip(chats, VIDEOS, strict=True)):
            assert batch.labels[row][batch.mask[row] == 1].tolist() == _spliced(model, chat, _videos(count, 0))[1]
            assert (batch.labels[row][batch.mask[row] == 0] == IGNORED).all()
            assert (batch.labels[row][batch.ids[row] == VIDEO_ID] == IGNORED).all()


@pytest.mark.slow
def test_what_is_generated_from_a_padded_batch_is_what_each_prompt_gives_alone(model: GymMLLM) -> None:
    tokenizer = model.load_tokenizer()
    open_ended = [[*turns[:-1], Turn(turns[-1].user)] for turns in CHATS]
    chats, each = [encode_chat(tokenizer, turns) for turns in open_ended], [_videos(n, n) for n in VIDEOS]
    batch = collate(chats, model.config.n_visual, 0, pad_left=True)
    together = _generate(model, batch.ids, batch.mask, torch.cat(each))
    for row, (chat, videos) in enumerate(zip(chats, each, strict=True)):
        one = collate([chat], model.config.n_visual, 0, pad_left=True)
        assert together[row].tolist() == _greedy(model, chat, videos, together.shape[1])
        assert _generate(model, one.ids, one.mask, videos)[0].tolist() == together[row].tolist()


def _generate(model: GymMLLM, ids: Tensor, mask: Tensor, videos: Tensor) -> Tensor:
    return model.generate(ids, mask, videos, max_new_tokens=5, min_new_tokens=5, do_sample=False)


@torch.no_grad()
def _greedy(model: GymMLLM, chat: EncodedChat, videos: Tensor, length: int) -> list[int]:
    """The likeliest tokens but the end's, one after the other, each from the whole conversation anew."""
    found: list[int] = []
    while len(found) < length:
        longer = EncodedChat([*chat.ids, *found], [IGNORED] * (len(chat.ids) + len(found)))
        logits = _alone(model, longer, videos)[-1]
        logits[model.llm.config.eos_token_id] = -torch.inf
        found.append(int(logits.argmax()))
    return found


def test_videos_of_one_conversation_are_read_in_their_order(model: GymMLLM) -> None:
    chats: Sequence[EncodedChat] = _encoded(model)[:1]
    batch, videos = collate(chats, model.config.n_visual, 0), _videos(3, 0)
    with torch.no_grad():
        first, other = (model(batch.ids, batch.mask, one).logits for one in (videos, videos.flip(0)))
    assert not torch.allclose(first, other)


@torch.no_grad()
def test_numbers_that_are_none_stay_in_their_own_conversation(model: GymMLLM) -> None:
    chats, videos = _encoded(model)[:2], _videos(5, 0)
    batch = collate(chats, model.config.n_visual, 0, pad_left=True)
    whole = model(batch.ids, batch.mask, videos).logits
    videos[0, 2, 1] = torch.nan
    broken = model(batch.ids, batch.mask, videos).logits
    assert broken[0, -1].isnan().all()
    torch.testing.assert_close(broken[1], whole[1])


def test_a_prompt_with_numbers_that_are_none_is_not_generated_from(model: GymMLLM) -> None:
    chats, videos = _encoded(model)[:2], _videos(5, 0)
    batch = collate(chats, model.config.n_visual, 0, pad_left=True)
    videos[3, 2, 1] = torch.inf
    with pytest.raises(GymQAError, match=naming("4 of 5")):
        model.generate(batch.ids, batch.mask, videos, max_new_tokens=2)


def test_an_answer_that_would_not_fit_behind_its_prompt_is_refused_before_it_is_begun(model: GymMLLM) -> None:
    ids = torch.full((1, 2040), 5)
    with pytest.raises(GymQAError, match=naming(2056, 2048, "tiny-vicuna")):
        model.generate(ids, torch.ones_like(ids), max_new_tokens=16)


def test_only_a_resampler_changes_the_number_of_tokens() -> None:
    with pytest.raises(GymQAError, match=naming("linear", 3, 7)):
        GymMLLMConfig(n_visual=3, n_tokens=7, projector="linear")
