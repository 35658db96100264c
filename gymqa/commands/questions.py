"""`gymqa questions`: count, build, check multiple-choice questions."""

import json as json_module
from pathlib import Path

from gymqa.annotations import open_release, read_element_list
from gymqa.errors import GymQAError
from gymqa.question_building import build_questions
from gymqa.question_stats import file_problems, file_stats
from gymqa.questions import save_questions


def stats(file: Path, *, finegym: Path, setting: str | None = None, json: bool = False) -> None:
    """Count what a question file gives away: repeated choices, letters, what event or set alone would score.

    Args:
        file: Gym-QA's released .json, or a .jsonl written by `gymqa questions build`.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        setting: gym99, gym288, …; may be left out where there is only one, and for released files (gym99).
        json: print JSON.
    """
    counts = file_stats(file, finegym, setting)
    if json:
        print(json_module.dumps(counts, indent=2))
        return
    width = max(map(len, counts))
    for name, value in counts.items():
        shown = ", ".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else value
        print(f"{name:<{width}}  {shown}")


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
    """Write one question for each labelled clip of a list.

    Args:
        clips: element list, `<clip id> <label>` a line.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        out: file to write, one JSON object a line.
        benchmark: gym-qa (random distractors), gym-qa-hard (of the same set), gym-new (the direction twin among them).
        seed: draws distractors and places; other clips in the list change no question.
        n_choices: choices of a question.
        setting: gym99, gym288, …; may be left out where there is only one.
    """
    taxonomy = open_release(finegym, setting).taxonomy
    questions = build_questions(read_element_list(clips, len(taxonomy)), taxonomy, benchmark, seed, n_choices)
    save_questions(out, questions)
    print(f"{out}: {len(questions)} questions of {benchmark}")


def validate(file: Path) -> None:
    """Check a question file: fields, equal choices, answers, ids that stand twice. Lists every problem.

    Args:
        file: .jsonl written by `gymqa questions build`.
    """
    problems = file_problems(file)
    for problem in problems:
        print(problem)
    if problems:
        found = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise GymQAError(f"{file} has {found}, listed above; correct them or build the file again")
    print(f"{file}: every question is sound")


COMMAND = {"stats": stats, "build": build, "validate": validate}
