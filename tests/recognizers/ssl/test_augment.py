"""Views: the same change for every frame of a clip, time reversed without touching colours, draws that repeat."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from recognizers.ssl.augment import (
    OPERATIONS,
    PHOTOMETRIC,
    AugmentConfig,
    apply_photometric,
    draw_operations,
    drop_channels,
    strong_view,
    to_model,
    weak_view,
)

ELEMENTS = (2, 2, 4)
STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def clips(batch: int = 3, size: int = 24) -> Tensor:
    """Random clips in which every frame shows the same picture."""
    picture = torch.randint(0, 256, (batch, 1, size, size, 3), generator=rng(5), dtype=torch.uint8)
    return picture.expand(-1, 8, -1, -1, -1).contiguous()


@pytest.mark.parametrize("view", ["weak", "strong"])
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_all_frames_of_a_clip_are_changed_alike(view: str, seed: int) -> None:
    frames, config = clips(), AugmentConfig()
    if view == "weak":
        out = weak_view(frames, 16, config, rng(seed))
    else:
        out = strong_view(frames, 16, config, ELEMENTS, "moderate", rng(seed))
    assert out.shape == (3, 8, 3, 16, 16)
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert out.isfinite().all()


def test_draws_repeat_with_their_seed_and_differ_without() -> None:
    def view(seed: int) -> Tensor:
        return strong_view(clips(), 16, AugmentConfig(), ELEMENTS, "moderate", rng(seed))

    assert torch.equal(view(1), view(1))
    assert not torch.equal(view(1), view(2))


def test_the_whole_unflipped_crop_is_the_picture_itself() -> None:
    frames = clips()
    picture = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    torch.testing.assert_close(weak_view(frames, 24, STILL, rng()), picture, atol=1e-4, rtol=0)
    torch.testing.assert_close(to_model(frames, 24), picture, atol=1e-5, rtol=0)
    assert to_model(frames, 12).shape == (3, 8, 3, 12, 12)


def test_a_flip_mirrors_the_picture_left_to_right() -> None:
    config = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=1)
    torch.testing.assert_close(weak_view(clips(), 24, config, rng()), to_model(clips(), 24).flip(-1), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_crops_have_the_area_asked_for_and_lie_inside_the_picture() -> None:
    # a horizontal ramp from -1 to 1: a crop's range is its width, and nothing outside (grey, 0 at the rim) is seen
    ramp = torch.linspace(0, 255, 64).to(torch.uint8).view(1, 1, 1, 64, 1).expand(200, 8, 64, 64, 3)
    config = AugmentConfig(crop_area=(0.25, 0.25), crop_ratio=(1, 1), flip=0)
    out = weak_view(ramp.contiguous(), 32, config, rng())[:, 0, 0, 16]
    widths = out[:, -1] - out[:, 0]
    torch.testing.assert_close(widths, torch.full((200,), 2 * 0.5 * 31 / 32), atol=0.05, rtol=0)
    assert out[:, 0].min() < -0.9
    assert out[:, -1].max() > 0.9


def test_randaugment_applies_half_of_its_draws_at_the_magnitude_given() -> None:
    drawn = draw_operations(4000, AugmentConfig(operations=1), rng())
    strength = torch.stack([drawn[name] for name in OPERATIONS], 1)
    applied = strength != 0
    assert applied.sum(1).max() == 1
    assert applied.any(1).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert strength[applied].abs().mean().item() == pytest.approx(0.9, abs=0.01)
    assert strength[applied].abs().std().item() == pytest.approx(0.05, abs=0.01)


def change(name: str, x: Tensor, strength: float = 0.5) -> Tensor:
    """Apply one operation to all of x."""
    drawn = {op: torch.zeros(len(x)) for op in PHOTOMETRIC}
    drawn[name] = torch.full((len(x),), strength)
    return apply_photometric(x, drawn)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("invert", lambda x: -x),
        ("solarize", lambda x: torch.where(x > 0, -x, x)),  # threshold at half
        ("brightness", lambda x: ((x + 1) * 1.45 - 1).clamp(-1, 1)),
        ("solarize_add", lambda x: torch.where(x < 0, x + 0.43, x)),
        ("posterize", lambda x: ((x + 1) * 4).floor().clamp(max=7) / 7 * 2 - 1),  # 3 bits at half strength
    ],
)
def test_colour_operations_do_what_their_name_says(name: str, expected: Callable[[Tensor], Tensor]) -> None:
    x = torch.rand(2, 8, 3, 6, 6, generator=rng()) * 2 - 1
    torch.testing.assert_close(change(name, x), expected(x), atol=1e-5, rtol=1e-5)


def test_operations_touch_only_the_clips_that_drew_them() -> None:
    x = torch.rand(3, 8, 3, 6, 6, generator=rng()) * 2 - 1
    drawn = {op: torch.zeros(3) for op in PHOTOMETRIC}
    drawn["invert"][1] = 0.9
    out = apply_photometric(x, drawn)
    torch.testing.assert_close(out, torch.stack([x[0], -x[1], x[2]]))


def test_grey_and_flat_pictures_survive_contrast_colour_and_sharpness() -> None:
    flat = torch.full((1, 8, 3, 6, 6), 0.25)
    for name in ("contrast", "colour", "sharpness"):
        torch.testing.assert_close(change(name, flat), flat)


def test_auto_contrast_uses_the_whole_range() -> None:
    out = change("auto_contrast", torch.rand(1, 8, 3, 6, 6, generator=rng()) * 0.2)
    assert out.min().item() == pytest.approx(-1)
    assert out.max().item() == pytest.approx(1)


def test_channel_dropout_drops_one_colour_of_all_frames_of_a_clip() -> None:
    x = torch.ones(6000, 2, 3, 1, 1)
    out = drop_channels(x, 0.2, rng())
    torch.testing.assert_close(out[:, 0], out[:, 1])
    assert (out == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert out.max().item() == pytest.approx(1.25)
    assert not torch.equal(out[:, 0, 0], out[:, 0, 1])


def test_a_rotation_turns_the_picture_about_its_middle() -> None:
    from recognizers.ssl.augment import _geometry, _sample

    frames = torch.zeros(1, 8, 33, 33, 3, dtype=torch.uint8)
    frames[:, :, 16, 28] = 255  # right of the middle
    drawn = {name: torch.zeros(1) for name in OPERATIONS}
    drawn["rotate"] = torch.ones(1)  # 30 degrees
    out = _sample(frames, _geometry(drawn), 33)[0, 0, 0]
    y, x = divmod(int(out.argmax()), 33)
    assert math.hypot(x - 16, y - 16) == pytest.approx(12, abs=1)
    assert abs(math.degrees(math.atan2(y - 16, x - 16))) == pytest.approx(30, abs=4)
