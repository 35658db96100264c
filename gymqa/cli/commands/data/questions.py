"""`gymqa questions`: build, validate and analyse multiple-choice questions; import and export Gym-QA's files."""

import json as json_module
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.io.files import write_text
from gymqa.questions.benchmarks import build_benchmark
from gymqa.questions.files import load_questions, save_questions
from gymqa.questions.released_json import format_published, import_published
from gymqa.questions.shortcuts import file_stats
from gymqa.questions.validation import file_problems


def stats(
    file: Path,
    *,
    finegym: Path | None = None,
    setting: str | None = None,
    others: list[Path] | None = None,
    json: bool = False,
) -> None:
    """Compute shortcut statistics of a question file: repeats, letter balance, accuracies without the video.

    Args:
        file: Gym-QA's released .json, or a .jsonl written by `gymqa questions build` or `import`.
        finegym: folder of FineGym's (or GymSim's) annotation files; without it, what the apparatus, the set or a
            decision gives away is left out, as for questions of another set.
        setting: gym99, gym288, …; may be omitted if there is only one, and for released files (gym99).
        others: question files or element lists of other splits, to count shared videos.
        json: print JSON.
    """
    counts = file_stats(file, finegym, setting, others or [])
    if json:
        print(json_module.dumps(counts, indent=2))
        return
    width = max(map(len, counts))
    for name, value in counts.items():
        print(f"{name:<{width}}  {_shown(value)}".rstrip())


def build(
    clips: Path,
    *,
    finegym: Path,
    out: Path = Path("questions.jsonl"),
    benchmark: str = "gym-qa",
    seed: int = 0,
    n_choices: int = 4,
    setting: str | None = None,
) -> None:
    """Build questions about the labelled clips of a list, at most one per clip (minimal pairs: two per pair).

    Args:
        clips: element list, `<clip id> <label>` per line.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        out: file to write, one JSON object per line.
        benchmark: source of the distractors: gym-qa (any), event (same apparatus), gym-qa-hard (same set), gym-new
            (include the direction twin), attribute (one decision apart); or what is asked: decision (yes or no),
            counting, direction, shape; or minimal-pairs (two clips, one question, two answers); or
            package.module:function of your own (docs/extending.md).
        seed: seed of distractors and letters; a question does not depend on the other clips of the list.
        n_choices: number of choices; yes/no questions and minimal pairs have two.
        setting: gym99, gym288, …; may be omitted if there is only one.
    """
    release = open_release(finegym, setting)
    listed = read_element_list(clips, len(release.taxonomy))
    questions = build_benchmark(listed, release, benchmark, seed, n_choices)
    save_questions(out, questions)
    print(f"{out}: {len(questions)} questions of {benchmark}")


def validate(file: Path, *, as_released: bool = False, finegym: Path | None = None, setting: str | None = None) -> None:
    """Check a question file (fields, equal choices, answers, repeated ids) and list every problem.

    Args:
        file: .jsonl written by `gymqa questions build` or `import`, or Gym-QA's released .json.
        as_released: accept repeated choices and wrong answers of released questions.
        finegym: folder of annotation files; every answer is then compared with FineGym's labels and trees.
        setting: gym99, gym288, …; may be omitted if there is only one, and for released files (gym99).
    """
    problems = file_problems(file, as_released, finegym, setting)
    for problem in problems:
        print(problem)
    if problems:
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise GymQAError(f"{file} has {found}, listed above; correct them or build the file again")
    print(f"{file}: every question is {'as released' if as_released else 'sound'}")


def import_questions(file: Path, *, finegym: Path, out: Path, setting: str = "gym99") -> None:
    """Import Gym-QA's released .json losslessly; `export` reproduces it byte for byte.

    Args:
        file: the released .json.
        finegym: folder of FineGym's annotation files, for the labels of the clips.
        out: .jsonl file to write.
        setting: gym99, gym288, ….
    """
    release = open_release(finegym, setting)
    questions = import_published(file, release.taxonomy, release.read_labels())
    save_questions(out, questions)
    print(f"{out}: {len(questions)} questions, as released")


def export_questions(file: Path, *, out: Path) -> None:
    """Export questions to Gym-QA's .json format; imported ones are reproduced byte for byte.

    Args:
        file: .jsonl written by `gymqa questions import` or `build`.
        out: .json file to write.
    """
    questions = load_questions(file)
    write_text(out, format_published(questions))
    print(f"{out}: {len(questions)} questions in Gym-QA's format")


def _shown(value: Any) -> Any:
    """Format a statistic in one line; nested dictionaries in brackets."""
    if isinstance(value, dict):
        inner = ((key, f"({_shown(one)})" if isinstance(one, dict) else one) for key, one in value.items())
        return ", ".join(f"{key}: {one}" for key, one in inner)
    return ", ".join(map(str, value)) if isinstance(value, list) else value


COMMAND = {"build": build, "validate": validate, "stats": stats, "import": import_questions, "export": export_questions}
