"""A small set of results with all that a leaderboard can show, for the tests of rows and page."""

import numpy as np

from eval.adapters.baselines import chance, oracle_event
from eval.leaderboard.schema import ModelRun, RecognizerRun
from eval.metrics.recognition import ClassPredictions
from gymqa.finegym.taxonomy import Element, Set, Taxonomy
from gymqa.questions.schema import Prediction, Question

TAXONOMY = Taxonomy(
    "tiny",
    tuple(Element(i, i, 21 + 20 * (i > 1), "FX" if i < 2 else "UB", f"m{i}", f"m{i}", ()) for i in range(4)),
    (Set(21, "FX_a", "FX"), Set(41, "UB_a", "UB")),
)
GUESSERS = (chance(), oracle_event(TAXONOMY))


def questions(benchmark: str, n: int = 12, tail: str = "") -> list[Question]:
    """`n` questions of 8 videos; two of the four choices are of the right event. `tail` is put into every text."""
    tier = {"gym-qa": "random", "gym-qa-hard": "set", "gym-new": "twin"}[benchmark]
    return [
        Question(
            id=f"{benchmark}-{i}",
            clip_id=f"clip{i}",
            video_id=f"v{i % 8}",
            text=f"Which?{tail}",
            choices=tuple(f"move {label}{tail}" for label in range(4)),
            answer=i % 4,
            tier=tier,
            drawn_tier="random",
            choice_labels=(0, 1, 2, 3),
            event="FX",
            set_id=21,
            element=i % 4,
        )
        for i in range(n)
    ]


def answered(asked: list[Question], right: int, error: str = "clip11.mp4 is empty") -> list[Prediction]:
    """The first `right` questions right, the last one unanswered, the others wrong."""
    shares = (0.7, 0.1, 0.1, 0.1)
    found = [
        Prediction(q.id, q.clip_id, q.video_id, q.benchmark, (q.answer + (i >= right)) % 4, q.answer, shares)
        for i, q in enumerate(asked[:-1])
    ]
    last = asked[-1]
    return [*found, Prediction(last.id, last.clip_id, last.video_id, last.benchmark, None, last.answer, None, error)]


def recognizer(name: str = "SeFAR") -> RecognizerRun:
    """12 clips of 4 classes and 4 videos: 9 right, 2 wrong, 1 failed."""
    labels = np.arange(12) % 4
    said = np.where(np.arange(12) < 9, labels, (labels + 1) % 4)
    rows = np.where(np.arange(4) == said[:, None], 0.7, 0.1)
    rows[11] = -1
    clips = tuple(f"clip{i}" for i in range(12))
    videos = tuple(f"v{i % 4}" for i in range(12))
    return RecognizerRun(name, "", ClassPredictions(clips, videos, labels, rows, {"clip11": "clip11.mp4 is empty"}))


def run(model: str, encoder: str, right: int, benchmarks: dict[str, list[Question]]) -> ModelRun:
    return ModelRun(model, encoder, {name: answered(asked, right) for name, asked in benchmarks.items()})
