"""mAP@tIoU by hand, and against a plain implementation of its definition."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.metrics.localization import THRESHOLDS, Segment, average_map, map_at_tiou, read_segments, temporal_iou
from gymqa.errors import GymQAError
from tests.helpers.naming import naming


def test_overlap_by_hand() -> None:
    one = Segment("v", 0, 2, 6)
    others = [Segment("v", 0, *ends) for ends in ((2, 6), (4, 8), (6, 9), (0, 10))]
    assert temporal_iou(one, others).tolist() == pytest.approx([1.0, 2 / 6, 0.0, 0.4])


def test_a_segment_is_found_once() -> None:
    truth = [Segment("v", 0, 0, 10), Segment("v", 0, 20, 30)]
    found = [Segment("v", 0, 0, 10, 0.9), Segment("v", 0, 0, 9, 0.8), Segment("v", 0, 20, 30, 0.7)]
    # Right, doubled, right: precision 1 at recall 1/2, 2/3 at recall 1.
    assert map_at_tiou(truth, found, [0.5])[0.5] == pytest.approx((1 + 2 / 3) / 2)


def test_precision_is_interpolated() -> None:
    truth = [Segment("v", 0, 0, 10), Segment("v", 0, 20, 30), Segment("v", 0, 40, 50)]
    found = [Segment("w", 0, 0, 10, 0.9), Segment("v", 0, 0, 10, 0.8), Segment("v", 0, 20, 30, 0.7)]
    # Wrong, right, right: 1/2 then 2/3, so 2/3 at both recalls; the third segment is never found.
    assert map_at_tiou(truth, found, [0.5])[0.5] == pytest.approx((2 / 3 + 2 / 3) / 3)


def test_the_threshold_is_enough_and_classes_count_alike() -> None:
    truth = [Segment("v", 0, 0, 10), Segment("v", 1, 0, 10), Segment("v", 1, 20, 30)]
    found = [Segment("v", 0, 0, 5, 0.9), Segment("v", 1, 0, 10, 0.9), Segment("v", 7, 0, 10, 1.0)]
    assert map_at_tiou(truth, found, [0.5, 0.55]) == pytest.approx({0.5: (1 + 1 / 2) / 2, 0.55: (0 + 1 / 2) / 2})


def test_all_right_is_one_and_nothing_found_is_zero() -> None:
    truth = [Segment(video, label, 3 * label, 3 * label + 2) for video in "ab" for label in range(3)]
    assert average_map(map_at_tiou(truth, truth)) == 1.0
    assert list(map_at_tiou(truth, [])) == list(THRESHOLDS) and average_map(map_at_tiou(truth, [])) == 0.0
    with pytest.raises(GymQAError, match="segment"):
        map_at_tiou([], truth)


def plain_map(truth: list[Segment], found: list[Segment], threshold: float) -> float:
    """The definition, step by step, without arrays."""

    def overlap(one: Segment, other: Segment) -> float:
        shared = min(one.end, other.end) - max(one.start, other.start)
        whole = max(one.end, other.end) - min(one.start, other.start)
        return shared / whole if shared > 0 else 0.0  # two that touch: their hull is their union

    total = 0.0
    labels = {one.label for one in truth}
    for label in labels:
        free = [one for one in truth if one.label == label]
        n_true, right, points = len(free), 0, []
        ranked = sorted((one for one in found if one.label == label), key=lambda one: one.score, reverse=True)
        for rank, one in enumerate(ranked, start=1):
            near = [other for other in free if other.video_id == one.video_id and overlap(one, other) >= threshold]
            if near:
                free.remove(max(near, key=lambda other: overlap(one, other)))
                right += 1
            points.append((right / n_true, right / rank))
        for step in range(1, n_true + 1):
            reached = [precision for recall, precision in points if recall >= step / n_true - 1e-12]
            total += max(reached, default=0.0) / n_true
    return total / len(labels)


ends = st.tuples(st.integers(0, 20), st.integers(1, 10))
segments = st.lists(
    st.builds(
        lambda video, label, span, score: Segment(video, label, span[0], span[0] + span[1], score),
        st.sampled_from("ab"), st.integers(0, 2), ends, st.integers(0, 5).map(lambda tenth: tenth / 10),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.slow
@given(segments.filter(bool), segments, st.sampled_from(THRESHOLDS))
@settings(max_examples=150)
def test_it_is_what_the_definition_gives(truth: list[Segment], found: list[Segment], threshold: float) -> None:
    assert map_at_tiou(truth, found, [threshold])[threshold] == pytest.approx(plain_map(truth, found, threshold))


def test_segments_are_read_and_wrong_lines_named(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text('{"video_id": "v", "label": 0, "start": 0, "end": 1.5, "score": 0.5}\n\n')
    assert read_segments(file) == [Segment("v", 0, 0, 1.5, 0.5)]
    for line in ('{"video_id": "v", "label": 0, "start": 2, "end": 1}', '{"video_id": "v"}', "[]", '{"start": NaN}'):
        file.write_text(line)
        with pytest.raises(GymQAError, match=naming("s.jsonl:1")):
            read_segments(file)
    with pytest.raises(GymQAError, match=naming("none.jsonl")):
        read_segments(tmp_path / "none.jsonl")
