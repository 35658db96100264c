"""Time building a leaderboard of Gym99's size, and its page size: `python benchmarks/speed/leaderboard_speed.py`.

8,521 questions of 65 videos (Gym99's val clips), three models, 10,000 resamples of the videos; each model also with its
frames shuffled. Times include reading and checking the files.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from eval.leaderboard.entries import as_runs, read_entries, read_question_files
from eval.report.leaderboard import make_page, write_leaderboard
from eval.report.samples import packed_size
from eval.run.results import ModelInfo, Result, file_info, result_path, save_result
from gymqa.cli.main import run_script
from gymqa.io.files import write_json, write_text
from gymqa.questions.files import save_questions, to_line
from gymqa.questions.schema import Prediction, Question
from gymqa.runtime.runs import environment

RESULT = Path("benchmarks/results/leaderboard_speed.json")
SKILL = {"strong": 0.9, "middling": 0.7, "weak": 0.4}
ELEMENTS, VIDEOS, EVENTS = 99, 65, ("VT", "FX", "BB", "UB")


def make_questions(n: int, seed: int = 0) -> list[Question]:
    """Questions as Gym99's are: FineGym's clip ids, four of 99 elements with names of 40 letters."""
    rng = np.random.default_rng(seed)
    names = [f"salto backward stretched with {i / 2:g} twist, {'abcdefgh'[i % 8]}" for i in range(ELEMENTS)]
    asked = []
    for number in range(n):
        video = f"vid{number * VIDEOS // n:08d}"
        start = number * 7 % 5000
        clip = f"{video}_E_{start:06d}_{start + 20:06d}_A_{number % 90:04d}_{number % 90 + 2:04d}"
        labels = tuple(int(label) for label in rng.choice(ELEMENTS, 4, replace=False))
        answer = int(rng.integers(4))
        asked.append(
            Question(
                f"gym-qa:1:{clip}", clip, video, "What gymnastics move is this athlete performing?",
                tuple(names[label] for label in labels), answer, "random", "random", labels,
                EVENTS[labels[answer] % 4], labels[answer] % 12, labels[answer],
            )
        )  # fmt: skip
    return asked


def make_predictions(asked: list[Question], skill: float, seed: int) -> list[Prediction]:
    """Answers whose accuracy differs by video, with higher confidence where right."""
    rng = np.random.default_rng(seed)
    of_video = {video: float(np.clip(rng.normal(skill, 0.05), 0, 1)) for video in {one.video_id for one in asked}}
    found = []
    for one in asked:
        right = rng.random() < of_video[one.video_id]
        choice = one.answer if right else (one.answer + int(rng.integers(1, 4))) % 4
        logits = rng.normal(0, 1, 4)
        logits[choice] = logits.max() + rng.random() * 4 * skill
        shares = np.exp(logits) / np.exp(logits).sum()
        found.append(
            Prediction(one.id, one.clip_id, one.video_id, "gym-qa", choice, one.answer, tuple(shares.tolist()))
        )
    return found


def write_inputs(folder: Path, n: int) -> None:
    """Question file and results, as `gymqa questions build` and `gymqa evaluate` leave them."""
    asked = make_questions(n)
    questions = folder / "questions.jsonl"
    save_questions(questions, asked)
    for seed, (name, skill) in enumerate(SKILL.items()):
        for control, left in (("none", skill), ("shuffled", skill / 2)):
            out = folder / "results" / f"{name}-{control}.jsonl"
            write_text(out, "".join(to_line(one) + "\n" for one in make_predictions(asked, left, seed)))
            result = Result(model=ModelInfo(name=name), benchmark="gym-qa", control=control,
                            questions=file_info(questions), predictions=file_info(out))  # fmt: skip
            save_result(result_path(out), result)


def clocks() -> tuple[float, float]:
    """Wall-clock and CPU time in seconds; the second is more reliable on a busy machine."""
    return time.perf_counter(), time.process_time()


def measure(folder: Path, resamples: int) -> dict[str, Any]:
    """Seconds of each step by the clock and of the processor, and bytes of the page."""
    marks = [clocks()]
    asked = read_question_files([folder / "questions.jsonl"])
    runs = as_runs(read_entries([folder / "results"], asked))
    marks.append(clocks())
    page = make_page(asked, runs, resamples=resamples)
    marks.append(clocks())
    path = write_leaderboard(folder / "site", page, "index.html")
    marks.append(clocks())
    steps = dict(zip(("read", "score", "write"), pairwise(marks), strict=True))
    steps["total"] = (marks[0], marks[-1])
    wall, cpu = ({name: round(after[of] - before[of], 2) for name, (before, after) in steps.items()} for of in (0, 1))
    samples = page.samples or {}
    return {
        "questions": len(asked[0].questions),
        "models": len(SKILL),
        "resamples": resamples,
        "seconds": wall,
        "processor_seconds": cpu,
        "page_bytes": path.stat().st_size,
        "samples": {"shown": samples["shown"], "total": samples["total"], "bytes": packed_size(samples)},
    }


def main(json: Path = RESULT, quick: bool = False) -> None:
    """Measure, print and write the figures.

    Args:
        json: file of the figures.
        quick: 600 questions and 200 resamples, to see that it runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), 600 if quick else 8521)
        found = measure(Path(folder), 200 if quick else 10_000)
    print(found)
    write_json(json, {**found, "environment": environment()})


if __name__ == "__main__":
    sys.exit(run_script(main, "leaderboard_speed.py"))
