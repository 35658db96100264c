"""Classic metrics equal scikit-learn on random predictions, with ties, absent classes and failed clips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    classification_report,
    confusion_matrix,
    top_k_accuracy_score,
)

from eval.metrics.recognition import (
    ClassPredictions,
    confusion,
    micro_average_precision,
    per_class,
    summary,
    top1,
    top_k,
)


def drawn(seed: int, n: int = 80, classes: int = 7, failed: bool = False, ties: bool = True) -> ClassPredictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, n) * rng.integers(0, 2, n)  # the last class has no clip
    rows = rng.integers(0, 6, (n, classes)) / 6 if ties else rng.random((n, classes))
    rows[np.arange(n), labels] += 0.2 * rng.random(n)
    if failed:
        rows[rng.random(n) < 0.2] = -1.0
    clips = tuple(f"c{index}" for index in range(n))
    return ClassPredictions(clips, clips, labels, rows, {})


@pytest.mark.slow
@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40)
def test_precision_recall_and_f1_are_scikit_learns_report(seed: int, failed: bool) -> None:
    found = drawn(seed, failed=failed)
    report = classification_report(found.labels, found.predicted, output_dict=True, zero_division=0.0)
    scores = per_class(found)
    assert {str(one.label) for one in scores} == {name for name in report if name.isdigit()}
    for one in scores:
        expected = report[str(one.label)]
        assert (one.precision, one.recall, one.f1) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"])
        )
        assert one.n == expected["support"]
        if one.n:
            truth = found.labels == one.label
            assert one.average_precision == pytest.approx(
                average_precision_score(truth, found.probabilities[:, one.label])
            )
        else:
            assert one.average_precision is None


@pytest.mark.slow
@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40)
def test_micro_map_is_scikit_learns(seed: int, failed: bool) -> None:
    found = drawn(seed, failed=failed)
    truth = np.eye(found.probabilities.shape[1])[found.labels]
    assert micro_average_precision(found) == pytest.approx(
        average_precision_score(truth, found.probabilities, average="micro")
    )
    assert summary(found)["mAP_micro"] == micro_average_precision(found)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 7))
@settings(max_examples=40)
def test_top_k_and_confusion_are_scikit_learns(seed: int, k: int) -> None:
    found = drawn(seed, ties=False)
    classes = np.arange(found.probabilities.shape[1])
    if k < len(classes):
        expected = top_k_accuracy_score(found.labels, found.probabilities, k=k, labels=classes)
        assert top_k(found, k) == pytest.approx(expected)
    assert top1(found) == pytest.approx(accuracy_score(found.labels, found.predicted))
    assert (confusion(found) == confusion_matrix(found.labels, found.predicted, labels=classes)).all()


def test_a_failed_clip_lowers_the_recall_of_its_class_and_no_precision() -> None:
    rows = np.array([[0.9, 0.1], [-1.0, -1.0], [0.2, 0.8]])
    found = per_class(ClassPredictions(("a", "b", "c"), ("a", "b", "c"), np.array([0, 0, 1]), rows, {}))
    assert [(one.precision, one.recall, one.n) for one in found] == [(1.0, 0.5, 2), (1.0, 1.0, 1)]
