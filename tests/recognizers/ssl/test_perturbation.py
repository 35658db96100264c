"""Perturbations of time: frames come from the right places, in time and not in colour, and draws repeat."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from gymqa.errors import GymQAError
from gymqa.frames.sampling import spans_of_elements
from recognizers.ssl.augment import AugmentConfig, strong_view
from recognizers.ssl.perturbation import PERTURBATIONS, perturbed_order
from tests.helpers.naming import naming

ELEMENTS = (2, 2, 4)
STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)
SPEED = ("warp", "half", "drop", "varied", "uneven")  # these repeat frames; the others only change their order


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def in_time(name: str, batch: int, elements: tuple[int, ...] = ELEMENTS, seed: int = 0) -> Tensor:
    """For each span in time, the span whose frame is shown there [B, N], worked out place by place."""
    spans = [int(span) for part in spans_of_elements(elements) for span in part]  # of each place
    order = perturbed_order(name, batch, elements, rng(seed))
    shown = torch.empty_like(order)
    for place, span in enumerate(spans):
        shown[:, span] = torch.tensor([spans[source] for source in order[:, place].tolist()])
    return shown


def test_moderate_perturbation_reverses_time_inside_fine_elements_and_touches_no_channel() -> None:
    frame = torch.arange(8, dtype=torch.uint8).view(1, 8, 1, 1, 1) + torch.tensor([0, 100, 200], dtype=torch.uint8)
    view = strong_view(frame.expand(1, 8, 24, 24, 3).contiguous(), 24, STILL, ELEMENTS, "moderate", rng())
    pixels = ((view + 1) * 127.5).round()[0, :, :, 12, 12]
    expected = torch.tensor([1.0, 0, 3, 2, 4, 5, 6, 7])  # fine elements reversed, the context in order
    torch.testing.assert_close(pixels, torch.stack([expected, expected + 100, expected + 200], 1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("moderate", [1, 0, 3, 2, 4, 5, 6, 7]),
        # spans are 1 5 | 3 7 | 0 2 4 6; backwards 1 shows 6, 5 shows 2, 3 shows 4, 7 shows 0, 0 shows 7, …
        ("reverse", [7, 5, 6, 4, 3, 1, 2, 0]),
        # twice 0 1 2 3: 1 shows 1, 5 shows 1, 3 shows 3, 7 shows 3, 0 2 4 6 show 0 2 0 2
        ("half", [0, 0, 2, 2, 4, 5, 4, 5]),
    ],
)
def test_fixed_perturbations_take_their_frames_from_the_right_places(name: str, expected: list[int]) -> None:
    order = perturbed_order(name, 2, ELEMENTS, rng())
    assert order.tolist() == [expected, expected]


@given(st.sampled_from(sorted(PERTURBATIONS.keys() - set(SPEED))), st.integers(0, 10**6))
def test_perturbations_of_order_keep_each_frame_once(name: str, seed: int) -> None:
    order = perturbed_order(name, 4, ELEMENTS, rng(seed))
    assert order.sort(1).values.tolist() == [list(range(8))] * 4


@pytest.mark.slow
@given(st.sampled_from(SPEED), st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple), st.integers(0, 10**6))
def test_perturbations_of_speed_show_frames_of_the_clip(name: str, elements: tuple[int, ...], seed: int) -> None:
    order = perturbed_order(name, 3, elements, rng(seed))
    assert order.shape == (3, sum(elements))
    assert order.min() >= 0
    assert order.max() < sum(elements)


def test_local_shuffles_stay_inside_their_element_and_differ_between_clips() -> None:
    order = perturbed_order("shuffle_local", 50, ELEMENTS, rng())
    assert order[:, :2].sort(1).values.tolist() == [[0, 1]] * 50
    assert order[:, 4:].sort(1).values.tolist() == [[4, 5, 6, 7]] * 50
    assert len(order.unique(dim=0)) > 10


@pytest.mark.parametrize("elements", [(2, 2, 4), (8,), (1, 1, 6), (3, 4, 5)])
def test_dropped_frames_are_replaced_by_the_last_one_kept(elements: tuple[int, ...]) -> None:
    shown = in_time("drop", 400, elements)
    n = sum(elements)
    own = shown == torch.arange(n)
    assert own[:, 0].all()
    repeated = torch.cat([own[:, :1], shown[:, 1:] == shown[:, :-1]], 1)  # [B, N]
    assert (own | repeated).all()
    assert own[:, 1:].float().mean().item() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("elements", [(2, 2, 4), (8,), (3, 4, 5)])
def test_warping_stretches_a_quarter_half_or_all_of_the_frames_over_the_clip(elements: tuple[int, ...]) -> None:
    shown = in_time("warp", 900, elements)
    n = sum(elements)
    assert (shown.diff(dim=1) >= 0).all()  # time never runs back
    kept = torch.tensor([len(set(row)) for row in shown.tolist()])
    shares = {count: (kept == count).float().mean().item() for count in sorted(set(kept.tolist()))}
    assert shares == pytest.approx({n // 4: 1 / 3, n // 2: 1 / 3, n: 1 / 3}, abs=0.06)
    for row in shown.tolist():
        assert all(row[frame] == frame for frame in set(row))  # a frame that is shown is also where it belongs
    borders = [row.index(row[-1]) for row in shown[kept == n // 4].tolist()]
    assert len(set(borders)) > 2


@pytest.mark.parametrize("elements", [(2, 2, 4), (8,)])
def test_an_uneven_speed_never_runs_back_and_differs_from_clip_to_clip(elements: tuple[int, ...]) -> None:
    shown = in_time("uneven", 50, elements)
    assert (shown.diff(dim=1) >= 0).all()
    assert len(shown.unique(dim=0)) > 40


def test_varied_clips_are_left_halved_reversed_or_dropped_a_quarter_each() -> None:
    shown = in_time("varied", 800, (8,))
    fixed = {"none": list(range(8)), "half": [0, 1, 2, 3] * 2, "reverse": list(range(7, -1, -1))}
    shares = {name: sum(row == rows for row in shown.tolist()) / 800 for name, rows in fixed.items()}
    assert shares == pytest.approx(dict.fromkeys(fixed, 0.25), abs=0.05)
    assert {tuple(row[:1]) for row in shown.tolist()} == {(0,), (7,)}


@pytest.mark.parametrize("name", sorted(PERTURBATIONS))
def test_draws_repeat_with_their_seed(name: str) -> None:
    assert torch.equal(perturbed_order(name, 20, ELEMENTS, rng(1)), perturbed_order(name, 20, ELEMENTS, rng(1)))


def test_an_unknown_perturbation_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("moderate")):
        perturbed_order("modrate", 1, ELEMENTS, rng())
