"""Guessing scores exactly what it is worth; a recognizer answers through its classes, and never guesses."""

import math

import numpy as np
import pytest

from eval.adapters.baselines import Guesser, chance, oracle_event, oracle_set
from eval.adapters.recognizer import RecognizerAnswerer
from eval.run.protocol import Fingerprinted
from gymqa.questions.scoring import answer_from, best_choice, softmax
from tests.helpers.naming import does_name
from tests.helpers.questions import TAXONOMY, question

# Right: 0 (FX, set 21). Same set: 1; same event: 1 and 2.
EASY = question("easy", (3, 0, 4, 2), 1)
HARD = question("hard", (0, 1, 2, 3), 0)
ALONE = question("alone", (3, 0, 1, 4), 0)


@pytest.mark.parametrize(
    ("guesser", "expected"),
    [
        (chance(), [1 / 4, 1 / 4, 1 / 4]),
        (oracle_event(TAXONOMY), [1 / 2, 1 / 3, 1]),
        (oracle_set(TAXONOMY), [1, 1 / 2, 1]),
    ],
)
def test_a_guesser_is_worth_one_over_the_choices_left(guesser: Guesser, expected: list[float]) -> None:
    assert guesser.expected([EASY, HARD, ALONE]).tolist() == expected


def test_a_guess_is_among_the_choices_left_and_the_same_in_every_batch() -> None:
    many = [question(f"q{index}", (0, 1, 2, 3), 0) for index in range(300)]
    guesser = oracle_event(TAXONOMY)
    together = guesser.answer(many)
    assert [answer for one in many for answer in guesser.answer([one])] == together
    counts = np.bincount([answer.choice or 0 for answer in together], minlength=4)
    assert counts[3] == 0 and counts[:3].min() > 70
    assert together[0].probabilities == (1 / 3, 1 / 3, 1 / 3, 0.0)


def test_a_recognizer_picks_the_most_probable_of_the_choices_not_of_all_classes() -> None:
    model = RecognizerAnswerer("sefar", {"clip": [0.1, 0.6, 0.3, 0.0, 0.0]})
    (answer,) = model.answer([EASY])  # offers 3 0 4 2
    assert answer.choice == 3
    assert answer.probabilities == pytest.approx((0, 0.25, 0, 0.75))


def test_a_recognizer_without_the_clip_or_the_class_leaves_the_question_unanswered() -> None:
    model = RecognizerAnswerer("sefar", {"short": [0.5, 0.5]}, {"clip": "clip.mp4 is empty"})
    failed, unknown, short = model.answer([EASY, question("u", (0, 1), 0, "other"), question("s", (0, 4), 0, "short")])
    assert (failed.choice, failed.error) == (None, "clip.mp4 is empty")
    assert unknown.choice is None and unknown.error is not None and "other" in unknown.error
    assert short.choice is None and does_name(short.error or "", 2, "class 4")


def test_choices_that_tie_are_unanswered_not_the_first() -> None:
    tie, nothing = RecognizerAnswerer("flat", {"clip": [0.2] * 5, "zero": [0.0] * 5}).answer(
        [EASY, question("z", (0, 1), 0, "zero")]
    )
    assert tie.choice is None and does_name(tie.error or "", "tie")
    assert nothing.choice is None and does_name(nothing.error or "", "zero")


def test_a_recognizer_of_other_probabilities_has_another_fingerprint() -> None:
    first, same, other = (RecognizerAnswerer("r", {"clip": [share, 1 - share]}) for share in (0.5, 0.5, 0.6))
    assert isinstance(first, Fingerprinted)
    assert first.fingerprint() == same.fingerprint() != other.fingerprint()


def test_likelihoods_become_probabilities_even_far_from_zero() -> None:
    assert softmax([-1000.0, -1000.0 - math.log(3)]) == pytest.approx((0.75, 0.25))
    assert softmax([-math.inf, -5.0]) == (0.0, 1.0)
    assert best_choice([-3.0, -1.0, -2.0]) == 1
    assert best_choice([-1.0, -2.0, -1.0 - 1e-9]) is None


@pytest.mark.parametrize("values", [[], [math.nan, 0.0], [math.inf, 0.0], [-math.inf, -math.inf]])
def test_likelihoods_that_say_nothing_leave_the_question_unanswered(values: list[float]) -> None:
    answer = answer_from("q", values)
    assert answer.choice is None and answer.probabilities is None and answer.error
