"""Time the evaluation runner's overhead per question, with an instant model: `benchmarks/speed/runner_overhead.py`.

That is `gymqa evaluate` without model time: reading and sharding the questions, appending each batch to disk, merging,
hashing, and writing predictions and result.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from eval.run.results import file_info
from eval.run.run_state import RunInfo
from eval.run.runner import run
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import write_json
from gymqa.questions.files import load_questions, save_questions
from gymqa.questions.schema import Answer, Question
from gymqa.runtime.runs import environment

BATCHES = (1, 64)


class Free:
    """Answers at once, with probabilities as long as a real model's."""

    name = "free"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """The first choice, always."""
        return [Answer(question.id, 0, (0.4, 0.3, 0.2, 0.1)) for question in questions]


def made(n: int) -> list[Question]:
    """Questions of Gym-QA's shape, four about each clip."""
    texts = tuple(f"switch leap with {turns} turn to ring position" for turns in ("0.5", "1", "1.5", "2"))
    text, labels = "What gymnastics move is this athlete performing?", (0, 1, 2, 3)
    clips = [f"0LtLS9wROrk_E_{i // 4:06d}_002435_A_0003_0005" for i in range(n)]
    return [
        Question(f"{clip}-{i}", clip, clip[:11], text, texts, 0, "set", "set", labels, "BB", 31, 0)
        for i, clip in enumerate(clips)
    ]


def milliseconds(questions: Path, batch_size: int) -> float:
    """A whole run's time for each question."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        asked = load_questions(questions)
        run(Free(), asked, Path(folder) / "p.jsonl", batch_size, RunInfo(questions=file_info(questions)))
        return 1000 * (time.perf_counter() - began) / len(asked)


def main(
    json: Path = Path("benchmarks/results/runner_overhead.json"),
    questions: int = 8521,
    rounds: int = 5,
    quick: bool = False,
) -> None:
    """Time the runner, the median and the slowest of some rounds.

    Args:
        json: file of the figures.
        questions: asked in a round; as many as Gym99's val clips.
        rounds: times that everything is done.
        quick: 400 questions, 2 rounds.
    """
    n, times = (400, 2) if quick else (questions, rounds)
    if min(n, times) < 1:
        raise GymQAError(f"{times} rounds of {n} questions time nothing; give 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "q.jsonl"
        save_questions(file, made(n))
        taken = {size: sorted(milliseconds(file, size) for _ in range(times)) for size in BATCHES}
    figures = {
        f"batch_{size}": {"median_ms": round(found[times // 2], 4), "slowest_ms": round(found[-1], 4)}
        for size, found in taken.items()
    }
    write_json(json, {"questions": n, "rounds": times, "per_question": figures, "environment": environment()})
    for name, found in figures.items():
        print(f"{name}: {found['median_ms']:.3f} ms a question, the slowest round {found['slowest_ms']:.3f}")


if __name__ == "__main__":
    sys.exit(run_script(main, "runner_overhead"))
