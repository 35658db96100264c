"""Time and memory of scoring: three models on Gym-QA's 8,521 questions, and a file of a million predictions.

`python benchmarks/speed/scoring_speed.py`; `--quick` does the same at a size of seconds.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.leaderboard.rows import build_rows, score
from eval.leaderboard.schema import ModelRun
from eval.metrics.breakdown import breakdown
from eval.metrics.calibration import confidences, position_bias, reliability
from eval.stats.bootstrap import FloatArray
from eval.stats.comparison import compare_all, minimum_detectable_difference, ranges_of
from gymqa.cli.main import run_script
from gymqa.io.files import write_json
from gymqa.questions.files import load_predictions, load_questions, save_questions, to_line
from gymqa.questions.schema import Prediction, Question
from gymqa.runtime.runs import environment

MODELS, VIDEOS, CLASSES = 3, 65, 99
SHAPES, DIRECTIONS = ("tucked", "piked", "stretched"), ("forward", "backward")
NOUNS = """
import sys
from pathlib import Path
from gymqa.questions.files import load_predictions
load_predictions(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Workload:
    """Questions, each model's predictions and scores [n], and the number of bootstrap resamples."""

    questions: list[Question]
    predictions: dict[str, list[Prediction]]
    scores: dict[str, FloatArray]
    resamples: int

    @property
    def videos(self) -> list[str]:
        """The video of each question."""
        return [question.video_id for question in self.questions]


def rows(work: Workload) -> object:
    """The leaderboard's rows, with chance among them."""
    runs = [ModelRun(name, "", {"gym-qa-hard": found}) for name, found in work.predictions.items()]
    return build_rows({"gym-qa-hard": work.questions}, runs, resamples=work.resamples)


def comparisons(work: Workload) -> object:
    """Pairwise comparisons, ranks, and the detectable difference."""
    found = compare_all(work.scores, work.videos, work.resamples)
    return ranges_of(work.scores, found), minimum_detectable_difference(work.scores, work.videos)


def breakdowns(work: Workload) -> object:
    """Every model by every facet."""
    lengths = {question.clip_id: float(number % 97) for number, question in enumerate(work.questions)}
    return [breakdown(work.questions, points, lengths) for points in work.scores.values()]


def bias_and_calibration(work: Workload) -> object:
    """Letters and confidences of every model."""
    return [
        (position_bias(work.questions, [one.choice for one in found]), reliability(*confidences(found)))
        for found in work.predictions.values()
    ]


PARTS: dict[str, Callable[[Workload], object]] = {
    "rows": rows, "comparisons": comparisons, "breakdowns": breakdowns, "bias_and_calibration": bias_and_calibration,
}  # fmt: skip
"""What is timed on the workload, by name; a page's rendering is another entry."""


def make_questions(n: int, rng: np.random.Generator) -> list[Question]:
    """Questions of 65 videos and 99 elements, named so that turns, direction and shape can be read off."""
    names = [f"salto {DIRECTIONS[k % 2]} {SHAPES[k % 3]} with {1 + k // 6} turns" for k in range(CLASSES)]
    return [_question(number, names, rng) for number in range(n)]


def _question(number: int, names: Sequence[str], rng: np.random.Generator) -> Question:
    labels = tuple(int(label) for label in rng.choice(CLASSES, 4, replace=False))
    video, answer = f"video{rng.integers(VIDEOS):06}", int(rng.integers(4))
    choices, truth = tuple(names[label] for label in labels), labels[answer]
    return Question(
        f"gym-qa-hard:0:{number}", f"{video}_E_{number:06}_000009_A_0000_0001", video, "What move is this?", choices,
        answer, "set", "set", labels, ("VT", "FX", "BB", "UB")[truth % 4], 1 + truth % 15, truth,
    )  # fmt: skip


def make_predictions(questions: Iterable[Question], accuracy: float, rng: np.random.Generator) -> Iterator[Prediction]:
    """Answers that are right as often as asked, with probabilities."""
    for question in questions:
        shares = rng.dirichlet(np.ones(4))
        wanted = question.answer if rng.random() < accuracy else int(rng.integers(4))
        top = int(shares.argmax())
        shares[[wanted, top]] = shares[[top, wanted]]
        yield Prediction(question.id, question.clip_id, question.video_id, question.benchmark, wanted, question.answer,
                         tuple(shares.tolist()))  # fmt: skip


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write lines as the runner does."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_line(one) + "\n" for one in predictions)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._clock, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> dict[str, float]:
        """On the clock, which other programs slow down, and of the processor, all threads together."""
        clock, cpu = time.perf_counter() - self._clock, time.process_time() - self._cpu
        return {"clock": round(clock, 2), "cpu": round(cpu, 2)}


def time_scoring(folder: Path, n: int, resamples: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Seconds of each part, from the files to the last figure, on the clock and of the processor."""
    questions = make_questions(n, rng)
    save_questions(folder / "questions.jsonl", questions)
    for index in range(MODELS):
        write_predictions(folder / f"m{index}.jsonl", make_predictions(questions, 0.4 + 0.05 * index, rng))
    clock = Stopwatch()
    asked = load_questions(folder / "questions.jsonl")
    predictions = {f"m{index}": load_predictions(folder / f"m{index}.jsonl") for index in range(MODELS)}
    scores = {name: score(asked, found)[0] for name, found in predictions.items()}
    seconds = {"reading": clock.seconds()}
    work = Workload(asked, predictions, scores, resamples)
    for name, part in PARTS.items():
        clock = Stopwatch()
        part(work)
        seconds[name] = clock.seconds()
    total = {kind: round(sum(one[kind] for one in seconds.values()), 2) for kind in ("clock", "cpu")}
    return {**seconds, "total": total}


def measure(words: Sequence[str]) -> dict[str, float]:
    """Seconds and peak memory of a Python process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    seconds = time.perf_counter() - began
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "peak_gb": round(usage.ru_maxrss / 1e6, 2)}


def measure_reading(folder: Path, n: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """A file of n predictions: scored as columns by `gymqa metrics`, and read into nouns."""
    file, questions = folder / "million.jsonl", make_questions(min(n, 10_000), rng)
    some = list(make_predictions(questions, 0.5, rng))
    lines = (to_line(some[number % len(some)]).replace(":0:", f":{number}:", 1) for number in range(n))
    with file.open("w", encoding="utf-8") as out:
        out.writelines(line + "\n" for line in lines)
    return {
        "gymqa metrics": measure(["-m", "gymqa.cli.main", "metrics", str(file)]),
        "load_predictions": measure(["-c", NOUNS, str(file)]),
    }


def main(json: Path = Path("benchmarks/results/scoring_speed.json"), quick: bool = False, seed: int = 0) -> None:
    """Time the scoring of 8,521 questions × 3 models with 10,000 resamples; time and memory of 1 M predictions.

    Args:
        json: file of the figures.
        quick: 200 questions, 200 resamples, 2,000 predictions.
        seed: of the made-up answers.
    """
    n, resamples, lines = (200, 200, 2_000) if quick else (8_521, 10_000, 1_000_000)
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as scratch:
        seconds = time_scoring(Path(scratch), n, resamples, rng)
        reading = measure_reading(Path(scratch), lines, rng)
    figures = {"questions": n, "models": MODELS, "resamples": resamples, "seconds": seconds,
               "predictions": lines, "reading": reading, "environment": environment(seed)}  # fmt: skip
    write_json(json, figures)
    print(seconds)
    print(reading)


if __name__ == "__main__":
    sys.exit(run_script(main, "scoring_speed.py"))
