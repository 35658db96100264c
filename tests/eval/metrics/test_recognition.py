"""Top-1, mean-class, mAP and confusion equal scikit-learn and hand counts; a clip that failed stays in the count."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from eval.metrics.recognition import (
    ClassPredictions,
    _weighted_map,
    confusion,
    mean_average_precision,
    mean_class,
    read_class_predictions,
    recognition_intervals,
    top1,
)
from eval.stats.bootstrap import cluster_index
from gymqa.errors import GymQAError
from tests.helpers.naming import naming


def predictions(labels: list[int], rows: list[list[float]], videos: list[str] | None = None) -> ClassPredictions:
    clips = tuple(f"c{index}" for index in range(len(labels)))
    return ClassPredictions(clips, tuple(videos or clips), np.array(labels), np.array(rows), {})


def drawn(seed: int, n: int = 120, classes: int = 5, videos: int = 15, levels: int = 20) -> ClassPredictions:
    """Random predictions with ties (few levels) and classes of unequal size."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n) * rng.integers(0, 2, n)
    rows = rng.integers(0, levels, (n, classes)) / levels
    rows[np.arange(n), labels] += 0.3 * rng.random(n)
    return predictions(labels.tolist(), rows.tolist(), [f"v{i}" for i in rng.integers(0, videos, n)])


def test_top1_and_mean_class_by_hand() -> None:
    found = predictions([0, 0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
    assert top1(found) == 0.5
    assert mean_class(found) == pytest.approx((2 / 3 + 0) / 2)
    assert confusion(found).tolist() == [[2, 1], [1, 0]]


def test_a_failed_clip_is_wrong_everywhere_and_last_in_the_ranking() -> None:
    found = predictions([0, 0, 1], [[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
    assert top1(found) == pytest.approx(2 / 3)
    assert mean_class(found) == pytest.approx(0.75)
    assert mean_average_precision(found) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert confusion(found).sum() == 2
    assert set(found.by_clip()) == {"c0", "c2"}


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_metrics_equal_scikit_learn(seed: int) -> None:
    found = drawn(seed)
    present = np.unique(found.labels)
    expected = np.mean([average_precision_score(found.labels == c, found.probabilities[:, c]) for c in present])
    assert mean_average_precision(found) == pytest.approx(expected)
    assert mean_class(found) == pytest.approx(recall_of_present_classes(found))


def recall_of_present_classes(found: ClassPredictions) -> float:
    """scikit-learn's balanced accuracy, which is mean-class accuracy over the classes that occur."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are predicted but never true
        return float(balanced_accuracy_score(found.labels, found.predicted))


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_weighted_map_is_scikit_learns_with_the_videos_weights(seed: int) -> None:
    found = drawn(seed)
    cluster, n_clusters = cluster_index(found.video_ids)
    weights = np.random.default_rng(seed).multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=3)
    expected = [
        np.mean(
            [
                average_precision_score(found.labels == c, found.probabilities[:, c], sample_weight=row[cluster])
                for c in np.unique(found.labels)
                if row[cluster][found.labels == c].sum() > 0
            ]
        )
        for row in weights
    ]
    assert _weighted_map(found)(weights.astype(float)) == pytest.approx(expected, abs=1e-5)


def test_all_three_metrics_come_with_an_interval_around_the_value() -> None:
    found = drawn(3, n=600, videos=40)
    intervals = recognition_intervals(found)
    assert list(intervals) == ["top1", "mean_class", "mAP"]
    for interval in intervals.values():
        assert 0 <= interval.low < interval.value < interval.high <= 1
    assert intervals["top1"].value == top1(found)
    assert intervals["mAP"].value == mean_average_precision(found)


def write(path: Path, *lines: dict[str, object] | str) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_saved_predictions_are_read_with_the_reason_of_each_failed_clip(tmp_path: Path) -> None:
    path = write(
        tmp_path / "p.jsonl",
        {"clip_id": "a_E_000001_000002_A_0001_0002", "label": 1, "probabilities": [0.25, 0.75]},
        {"clip_id": "x", "video_id": "v", "label": 0, "probabilities": None, "error": "x.mp4 is empty"},
    )
    found = read_class_predictions(path)
    assert found.video_ids == ("a", "v")
    assert found.answered.tolist() == [1, 0] and found.predicted.tolist() == [1, -1]
    assert found.errors == {"x": "x.mp4 is empty"}


GOOD = {"clip_id": "x", "video_id": "v", "label": 0, "probabilities": [0.5, 0.5]}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((GOOD, "{half"), ("p.jsonl:2",)),
        ((GOOD, GOOD), ("twice",)),
        ((GOOD, GOOD | {"clip_id": "y", "probabilities": [1.0]}), ([1, 2],)),
        ((GOOD | {"label": 2},), (2,)),
        ((GOOD | {"label": None},), ("p.jsonl:1",)),
        ((GOOD | {"probabilities": [float("nan"), 1.0]},), ("p.jsonl:1", [0, 1])),
        ((GOOD, GOOD | {"clip_id": "y", "probabilities": [1.0, 1.0]}), ("p.jsonl:2", "2")),
        ((GOOD | {"probabilities": None},), ("probabilities",)),
        ((), ("probabilities",)),
    ],
)
def test_a_wrong_file_is_named(
    tmp_path: Path, lines: tuple[dict[str, object] | str, ...], said: tuple[object, ...]
) -> None:
    with pytest.raises(GymQAError, match=naming("p.jsonl", *said)):
        read_class_predictions(write(tmp_path / "p.jsonl", *lines))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("none.jsonl")):
        read_class_predictions(tmp_path / "none.jsonl")
