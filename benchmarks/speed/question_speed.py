"""Time reading FineGym's lists and building every benchmark: `python benchmarks/speed/question_speed.py`."""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, annotations_folder, open_release, read_element_list
from gymqa.finegym.taxonomy import read_taxonomy
from gymqa.io.files import write_json
from gymqa.questions.benchmarks import build_benchmark
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import load_questions, save_questions
from gymqa.questions.schema import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS, Question
from gymqa.questions.shortcuts import stats
from gymqa.runtime.runs import environment

Made = TypeVar("Made")
SETTINGS = ("gym99", "gym288", "gym530")


def seconds(work: Callable[[], Made], repeats: int) -> tuple[float, Made]:
    """The fastest of `repeats` times, in seconds, and what the work made."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        made = work()
        best = min(best, time.perf_counter() - began)
    return round(best, 3), made


def read_lists(folder: Path) -> int:
    """Read the categories and trees of all settings, and every element list; the number of lines with a clip.

    Raises:
        GymQAError: a file is missing or wrong.
    """
    for setting in SETTINGS:
        read_taxonomy(folder, setting)
    return sum(len(read_element_list(path)) for path in sorted(folder.glob("*_element*.txt")))


def build_all(clips: list[Clip], folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Build every benchmark; its questions and seconds. A new taxonomy each time, so that nothing is remembered."""
    found = {}
    for benchmark in (*ELEMENT_BENCHMARKS, *KINDS[1:], MINIMAL_PAIRS):
        taken, questions = seconds(partial(_build_anew, clips, folder, benchmark), repeats)
        found[benchmark] = {"questions": len(questions), "seconds": taken}
    return found


def _build_anew(clips: list[Clip], folder: Path, benchmark: str) -> list[Question]:
    return build_benchmark(clips, open_release(folder, "gym99"), benchmark)


def main(
    finegym: Path = Path("../shared/finegym"),
    json: Path = Path("benchmarks/results/question_speed.json"),
    repeats: int = 3,
) -> None:
    """Time reading, building, counting and files on Gym99's 8,521 val clips, the fastest of some repeats.

    Args:
        finegym: folder of FineGym's official lists.
        json: file of the figures.
        repeats: times that everything is done.
    """
    if repeats < 1:
        raise GymQAError(f"{repeats} repeats time nothing; give 1 or more")
    folder = annotations_folder(finegym)
    reading, lines = seconds(lambda: read_lists(folder), repeats)
    taxonomy = read_taxonomy(folder, "gym99")
    clips = read_element_list(folder / "gym99_val_element.txt", len(taxonomy))
    questions = build_questions(clips, taxonomy, "gym-qa")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "questions.jsonl"
        writing, _ = seconds(lambda: save_questions(file, questions), repeats)
        loading, _ = seconds(lambda: load_questions(file), repeats)
    counting, _ = seconds(lambda: stats(questions, taxonomy), repeats)
    building = build_all(clips, folder, repeats)
    figures = {
        "list_lines": lines,
        "seconds_reading_lists": reading,
        "seconds_writing_questions": writing,
        "seconds_loading_questions": loading,
        "seconds_stats": counting,
        "building": building,
        "environment": environment(0),
    }
    write_json(json, figures)
    print({name: figures[name] for name in list(figures)[:5]})
    for name, found in building.items():
        print(f"{name:<14} {found['questions']:>5} questions  {found['seconds']:.3f} s")


if __name__ == "__main__":
    sys.exit(run_script(main, "question_speed.py"))
