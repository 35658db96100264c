"""Each control shows what it says, the same frames for the same clip and seed, and says so in its fingerprint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.frames.controls import CONTROLS, ControlledFrames, partners, permutation, shuffled, without_control
from gymqa.frames.source import FrameSource
from tests.helpers.naming import naming
from tests.helpers.numbered_frames import ELEMENTS, LENGTHS, NumberedFrames


def seen(control: str, clip: str, seed: int = 0) -> list[tuple[str, int]]:
    """The frames of a clip under a control: whose, and which."""
    frames: FrameSource = ControlledFrames(NumberedFrames(), control, seed, ELEMENTS)
    indices = np.arange(frames.lengths([clip])[0])
    (pixels,) = frames.gather([clip], indices[None])[:, :, 0, 0]
    return [(list(LENGTHS)[pixel[0]], int(pixel[1])) for pixel in pixels]


def test_every_control_shows_what_its_name_says() -> None:
    assert seen("none", "a") == [("a", i) for i in range(5)]
    assert seen("one-frame", "a") == [("a", 2)]
    assert seen("frozen", "a") == [("a", 2)] * 5
    assert seen("reversed", "a") == [("a", i) for i in (4, 3, 2, 1, 0)]
    assert seen("shuffled", "a") != seen("none", "a") == sorted(seen("shuffled", "a"))
    assert {clip for clip, _ in seen("mismatched", "a")} <= {"c", "d"}
    assert seen("shuffled", "c") == [("c", 1), ("c", 0)]
    assert seen("shuffled", "d") == seen("reversed", "d") == [("d", 0)]


def test_shuffled_frames_are_the_frames_that_were_asked_for_in_another_order() -> None:
    frames = ControlledFrames(NumberedFrames(), "shuffled", 3)
    asked = np.array([[1, 3, 6, 3, 7, 1]])  # element after element, as SeFAR wants them, and a frame twice
    (found,) = frames.gather(["b"], asked)[:, :, 0, 0, 1].tolist()
    assert sorted(set(found)) == [1, 3, 6, 7]
    assert found[1] == found[3] and found[0] == found[5]
    assert found != asked[0].tolist()


@pytest.mark.slow
@given(st.integers(2, 40), st.text(max_size=5), st.integers(0, 9))
def test_a_permutation_is_never_the_identity_and_is_the_same_each_time(n: int, clip: str, seed: int) -> None:
    drawn = permutation(n, clip, seed)
    assert sorted(drawn.tolist()) == list(range(n))
    assert drawn.tolist() != list(range(n))
    assert drawn.tolist() == permutation(n, clip, seed).tolist()


def test_permutations_differ_by_clip_and_seed() -> None:
    drawn = {tuple(permutation(12, clip, seed).tolist()) for clip in "abc" for seed in range(3)}
    assert len(drawn) == 9
    assert shuffled(np.array([4, 4]), "a", 0).tolist() == [4, 4]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.integers(0, 5))
def test_a_mismatched_clip_is_of_another_element(labels: list[int], seed: int) -> None:
    elements = {f"clip{i}": label for i, label in enumerate(labels)}
    if len(set(labels)) < 2:
        with pytest.raises(GymQAError, match=naming("mismatched")):
            partners(elements, seed)
        return
    found = partners(elements, seed)
    assert found.keys() == elements.keys()
    assert all(elements[clip] != elements[other] for clip, other in found.items())
    assert found == partners(dict(reversed(elements.items())), seed)


def test_mismatched_clips_are_drawn_from_those_that_have_frames() -> None:
    frames = ControlledFrames(NumberedFrames(), "mismatched", 0, {"a": 0, "c": 1, "lost": 2})
    assert "a" in frames and "lost" not in frames
    assert frames.lengths(["a", "c"]).tolist() == [2, 5]
    with pytest.raises(GymQAError, match=naming("b")):
        frames.lengths(["b"])


def test_the_fingerprint_names_the_control_and_nothing_without_one() -> None:
    plain = NumberedFrames().fingerprint()
    made = {
        control: ControlledFrames(NumberedFrames(), control, 1, ELEMENTS).fingerprint()
        for control in CONTROLS
        if control != "no-video"
    }
    assert made["none"] == plain
    assert made["frozen"] == {**plain, "control": "frozen", "control_seed": 1}
    other = ControlledFrames(NumberedFrames(), "mismatched", 1, {**ELEMENTS, "b": 4}).fingerprint()
    assert other != made["mismatched"]  # other clips to draw from give other frames
    assert all(without_control(one) == plain for one in (*made.values(), other))


def test_failures_stay_and_wrong_input_is_refused() -> None:
    assert ControlledFrames(NumberedFrames(), "frozen").failures == {"lost": "it is empty"}
    with pytest.raises(GymQAError, match=naming("'upside-down'", "none", "no-video")):
        ControlledFrames(NumberedFrames(), "upside-down")
    with pytest.raises(GymQAError, match=naming("no-video")):
        ControlledFrames(NumberedFrames(), "no-video")
    with pytest.raises(GymQAError, match=naming("mismatched")):
        ControlledFrames(NumberedFrames(), "mismatched")
    for control in ("one-frame", "frozen", "none"):
        with pytest.raises(IndexError):
            ControlledFrames(NumberedFrames(), control).gather(["d"], np.array([[1]]))
