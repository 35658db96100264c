"""What the page shows beside the numbers: sample questions with every model's answer, and a confusion matrix."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from eval.rows import ModelRun
from eval.statistics import IntArray
from gymqa.questions import Prediction, Question

_JPEG = "data:image/jpeg;base64,"


@dataclass(frozen=True, slots=True)
class Sample:
    """A question, the answers by model label, and its film strip: JPEG frames as data URIs, none if not at hand.

    Raises:
        ValueError: a frame is not a JPEG data URI (the page must ask nothing of any server).
    """

    question: Question
    benchmark: str
    answers: Mapping[str, Prediction]
    film: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(frame.startswith(_JPEG) for frame in self.film):
            raise ValueError(f"sample {self.question.id}: frames must be JPEG data URIs")


@dataclass(frozen=True, slots=True)
class ConfusionView:
    """Counts [C, C] of one model, true class down; `names` of the classes, and their `groups` (say, events) if any."""

    model: str
    names: tuple[str, ...]
    counts: IntArray
    groups: tuple[str, ...] = ()


def film_strip(frames: npt.NDArray[np.uint8], n: int = 8, height: int = 96) -> tuple[str, ...]:
    """Encode `n` evenly spaced frames as JPEG data URIs, about 2 KB each.

    Args:
        frames: uint8 RGB [T, H, W, 3].
        n: frames to keep; a shorter clip repeats frames.
        height: pixels; larger frames are shrunk, smaller ones left.
    """
    spots = np.linspace(0, len(frames) - 1, n).round().astype(int)
    return tuple(_data_uri(frames[spot], height) for spot in spots)


def _data_uri(frame: npt.NDArray[np.uint8], height: int) -> str:
    if frame.shape[0] > height:
        width = max(1, round(frame.shape[1] * height / frame.shape[0]))
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return _JPEG + base64.b64encode(data.tobytes()).decode("ascii")


def pick_samples(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun],
    count: int = 30,
    film_of: Callable[[str], Sequence[str]] | None = None,
) -> list[Sample]:
    """Draw about `count` questions, the same number from each benchmark, by a hash of their ids: never hand-picked.

    Args:
        benchmarks: name -> questions.
        runs: the models whose answers are shown.
        count: questions in all.
        film_of: clip id -> JPEG data URIs (see `film_strip`); empty where the clip could not be decoded.
    """
    found = {
        (run.label, name): {prediction.question_id: prediction for prediction in predictions}
        for run in runs
        for name, predictions in run.predictions.items()
    }
    samples = []
    for name, questions in benchmarks.items():
        drawn = sorted(questions, key=lambda question: hashlib.blake2b(question.id.encode()).digest())
        for question in drawn[: -(-count // len(benchmarks))]:
            answers = {
                run.label: found[run.label, name][question.id]
                for run in runs
                if question.id in found.get((run.label, name), {})
            }
            film = tuple(film_of(question.clip_id)) if film_of else ()
            samples.append(Sample(question, name, answers, film))
    return samples
