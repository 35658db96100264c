"""A model's results as the Hugging Face Hub takes them.

Scores go to the model's own repository, a YAML file a benchmark under .eval_results/, in the format of
https://huggingface.co/docs/hub/eval-results (by huggingface_hub's `EvalResultEntry`); the Hub shows them on the model's
page and in the benchmark's leaderboard. Results and predictions go to a data set of results, from which anybody can
score and rank them again.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from eval.leaderboard.entries import Entry, as_runs
from eval.leaderboard.ordering import main_rows
from eval.leaderboard.schema import ACCURACY, NO_CONTROL, Row
from gymqa.errors import GymQAError
from gymqa.hub.question_dataset import config_name
from gymqa.questions.schema import MINIMAL_PAIRS

FOLDER = ".eval_results"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def require_one_model(entries: Sequence[Entry]) -> None:
    """Refuse results of several models: a repository has one.

    Raises:
        GymQAError: there are several.
    """
    models = list(dict.fromkeys(run.label for run in as_runs(entries)))
    if len(models) > 1:
        raise GymQAError(f"these are results of {', '.join(models)}; name those of one model")


def score_files(rows: Sequence[Row], benchmark_repo: str, setting: str) -> dict[str, bytes]:
    """Path -> YAML for the model's repository, a file a benchmark; scores under controls are not the benchmark's.

    Args:
        rows: of this one model.
        benchmark_repo: the data set of the questions on the Hub, owner/name.
        setting: gym99, gym288, …; with the tier it names the task.

    Raises:
        GymQAError: a benchmark that the data set cannot have.
    """
    files = {}
    for row in main_rows(rows):
        if row.metric != ACCURACY or row.control != NO_CONTROL:
            continue
        task = config_name(setting, row.benchmark)
        entry = EvalResultEntry(dataset_id=benchmark_repo, task_id=task, value=round(row.value, 4), notes=_notes(row))
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True, width=120)
        files[f"{FOLDER}/{task}.yaml"] = text.encode()
    return files


def _notes(row: Row) -> str:
    """How the score came about, for whoever compares it with another."""
    frames = "" if row.n_frames is None else f", {row.n_frames} frames"
    interval = f"95 % interval {row.ci_low:.4f}–{row.ci_high:.4f} by bootstrap over videos"
    unit = "pairs of questions, right where both are" if row.benchmark == MINIMAL_PAIRS else "questions"
    return f"accuracy of {row.n} {unit}, {interval}, {100 * row.answered_rate:.1f} % answered{frames}; gymqa"


def result_files(entries: Iterable[Entry], model_repo: str) -> dict[str, Path]:
    """Path -> file for a data set of results: each result with its predictions in a folder of its own.

    Raises:
        GymQAError: a benchmark or control whose name cannot be that of a folder.
    """
    files = {}
    for entry in entries:
        result = entry.result
        frames = [] if result.n_frames is None else [f"{result.n_frames}frames"]
        form = {"plain": [], "rotated": ["rotations"], "binaries": ["binaries"]}[entry.form]
        name = ".".join([result.benchmark, result.control, *frames, *form])
        if not _NAME.fullmatch(name):
            raise GymQAError(f"{entry.path}: {name!r} cannot name a folder on the Hub; evaluate under a plain name")
        for path in (entry.path, entry.path.with_name(result.predictions.name)):
            files[f"results/{model_repo}/{name}/{path.name}"] = path
    return files
