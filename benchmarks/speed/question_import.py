"""Time importing 100,000 questions from each format: `python benchmarks/speed/question_import.py`."""

import csv
import json as json_module
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import write_json
from gymqa.questions.files import save_questions
from gymqa.questions.importing.columns import parse_columns
from gymqa.questions.importing.convert import import_rows
from gymqa.questions.importing.presets import Preset
from gymqa.questions.importing.rows import SUFFIXES, read_rows
from gymqa.runtime.runs import environment
from gymqa.runtime.seeding import SeededRandom

COLUMNS = ["video=video", "question=question", "options=options", "answer=answer", "cluster=source", "task=task"]


def made_rows(n: int) -> list[dict[str, Any]]:
    """Rows of 2 to 26 choices, about a third as many videos, answered by a letter."""
    rng, rows = SeededRandom("question import"), []
    for number in range(n):
        choices = [f"the athlete makes movement {index} of {number % 97}" for index in range(2 + rng.below(25))]
        row = {"video": f"part_{number % 50}/video_{number // 3}.mp4", "source": f"film {number // 30}"}
        asked = {"question": f"Which movement is shown in part {number % 11} of the video?", "options": choices}
        rows.append({**row, **asked, "answer": chr(65 + rng.below(len(choices))), "task": f"task {number % 20}"})
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows in the format of the suffix."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json_module.dumps(rows, indent=2), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json_module.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows({**row, "options": json_module.dumps(row["options"])} for row in rows)


def main(
    json: Path = Path("benchmarks/results/question_import.json"), n_questions: int = 100_000, repeats: int = 3
) -> None:
    """Time reading, checking and writing, from file to file, the fastest of some repeats.

    Args:
        json: file of the figures.
        n_questions: rows of each file.
        repeats: times that each file is imported.
    """
    if n_questions < 1 or repeats < 1:
        raise GymQAError(f"{n_questions} questions and {repeats} repeats time nothing; give 1 or more of both")
    rows, form = made_rows(n_questions), Preset("", parse_columns(COLUMNS))
    seconds: dict[str, float] = {}
    processor: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for suffix in SUFFIXES:
            file = Path(scratch) / f"set{suffix}"
            write_rows(file, rows)
            best, least = float("inf"), float("inf")
            for _ in range(repeats):
                began, used = time.perf_counter(), time.process_time()
                found = import_rows(read_rows(file, form.columns.names()), form, "large")
                save_questions(Path(scratch) / "out.jsonl", found.questions)
                best, least = min(best, time.perf_counter() - began), min(least, time.process_time() - used)
                if len(found.questions) != n_questions or found.problems:
                    raise GymQAError(f"{file} gave {len(found.questions)} questions of {n_questions}; report this bug")
            seconds[suffix[1:]], processor[suffix[1:]] = round(best, 2), round(least, 2)
            print(f"{suffix[1:]:<8} {n_questions} questions in {best:.2f} s, {least:.2f} s of the processor")
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"{peak} MiB at most, with the rows to write")
    figures = {"questions": n_questions, "seconds": seconds, "processor_seconds": processor, "peak_mib": peak}
    write_json(json, {**figures, "environment": environment(0)})


if __name__ == "__main__":
    sys.exit(run_script(main, "question_import.py"))
