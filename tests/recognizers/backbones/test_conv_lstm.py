"""ConvNet+LSTM: the order of frames, what the head sees."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.conv_lstm import FrameLSTM, FrameLSTMConfig
from recognizers.backbones.frame_net import Architecture
from tests.helpers.naming import naming

SMALL = FrameLSTMConfig(image_size=32, width=8, segments=4, hidden=6, n_classes=5)


def built(config: FrameLSTMConfig = SMALL) -> FrameLSTM:
    torch.manual_seed(0)
    model = config.build().eval()
    assert isinstance(model, FrameLSTM)
    return model


def clips() -> Tensor:
    return torch.randn(2, SMALL.frames, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_order_of_frames_matters() -> None:
    model, frames = built(), clips()
    assert not torch.allclose(model(frames), model(frames.flip(1)), atol=1e-6)


@pytest.mark.parametrize("architecture", ["inception_v1", "resnet18", "bn_inception"])
def test_each_frame_is_a_token(architecture: Architecture) -> None:
    features = built(replace(SMALL, architecture=architecture)).forward_features(clips())
    assert features.tokens.shape == (2, 4, 6) and features.fused.shape == (2, 6)


def test_an_output_knows_what_was_before_and_not_what_comes() -> None:
    model, frames = built(), clips()
    later = frames.clone()
    later[:, 2] += 1
    before, after = model.forward_features(frames).tokens, model.forward_features(later).tokens
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:], atol=1e-6)


def test_the_head_sees_all_outputs_or_the_last() -> None:
    tokens = built().forward_features(clips()).tokens
    assert torch.equal(built().forward_features(clips()).fused, tokens.mean(1))
    assert torch.equal(built(replace(SMALL, outputs="last")).forward_features(clips()).fused, tokens[:, -1])


def test_the_lstm_by_hand() -> None:
    model = built(replace(SMALL, outputs="last"))
    seen = model.norm(model.forward_frames(clips()).flatten(0, 1)).unflatten(0, (2, 4))
    cell = torch.nn.LSTMCell(seen.shape[-1], 6)
    cell.load_state_dict({name.removesuffix("_l0"): one for name, one in model.lstm.state_dict().items()})
    state = None
    for time in range(4):
        state = cell(seen[:, time], state)
    assert state is not None
    torch.testing.assert_close(model.forward_features(clips()).fused, state[0], rtol=1e-4, atol=1e-5)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("hidden=0")):
        replace(SMALL, hidden=0)
    with pytest.raises(GymQAError, match=naming("image_size", 16, 32)):
        replace(SMALL, image_size=16)
