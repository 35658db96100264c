"""Upload of evaluation results to the Hugging Face Hub: scores to the model's repository, results to a data set.

Scores are written as a YAML file per benchmark under .eval_results/, in the format of
https://huggingface.co/docs/hub/eval-results (by huggingface_hub's `EvalResultEntry`); the Hub shows them on the model's
page and in the benchmark's leaderboard. Results and predictions go to a data set of results, from which anybody can
score and rank them again.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from eval.leaderboard.entries import Entry, as_runs
from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ACCURACY, NO_CONTROL, Row, label_of, main_rows
from eval.run.question_files import QuestionFile
from eval.stats.bootstrap import RESAMPLES
from gymqa.errors import GymQAError
from gymqa.hub.client import check_repo, require_writable_repo, upload_files
from gymqa.hub.question_dataset import QUESTION_TIERS, config_name
from gymqa.questions.schema import IMPORTED, MINIMAL_PAIRS, PUBLISHED_BENCHMARKS
from gymqa.runtime.registry import is_plug_in

FOLDER = ".eval_results"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


def require_one_model(entries: Sequence[Entry]) -> None:
    """Raise an error for results of several models, since a repository holds one.

    Raises:
        GymQAError: there are several.
    """
    models = list(dict.fromkeys(run.label for run in as_runs(entries)))
    if len(models) > 1:
        raise GymQAError(f"these are results of {', '.join(models)}; name those of one model")


def score_files(rows: Sequence[Row], benchmark_repo: str, setting: str) -> dict[str, bytes]:
    """Path -> YAML for the model's repository, a file per benchmark; scores under controls are left out.

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
        task = _task(setting, row.benchmark)
        entry = EvalResultEntry(dataset_id=benchmark_repo, task_id=task, value=round(row.value, 4), notes=_notes(row))
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True, width=120)
        files[f"{FOLDER}/{task}.yaml"] = text.encode()
    return files


def _task(setting: str, benchmark: str) -> str:
    """The task of a benchmark: its configuration; questions of another set are named by the set alone."""
    known = benchmark in QUESTION_TIERS or benchmark in PUBLISHED_BENCHMARKS
    return config_name(setting, benchmark) if known or is_plug_in(benchmark) else config_name(benchmark, IMPORTED)


def _notes(row: Row) -> str:
    """Notes on a score: number of questions, interval, answered rate, frames."""
    frames = "" if row.n_frames is None else f", {row.n_frames} frames"
    interval = f"95 % interval {row.ci_low:.4f}–{row.ci_high:.4f} by jackknife over videos"
    known = row.benchmark in QUESTION_TIERS or row.benchmark in PUBLISHED_BENCHMARKS
    unit = "questions" if known else "questions, groups counted once,"
    unit = "pairs of questions, right where both are" if row.benchmark == MINIMAL_PAIRS else unit
    return f"accuracy of {row.n} {unit}, {interval}, {100 * row.answered_rate:.1f} % answered{frames}; gymqa"


def result_files(entries: Iterable[Entry], model_repo: str) -> dict[str, Path]:
    """Path -> file for the data set of results: each result with its predictions in a folder of its own.

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


@dataclass(frozen=True, slots=True)
class HubUpload:
    """One model's results and their destinations; repositories are owner/name.

    `benchmark_repo` is the data set of the questions, `setting` (gym99, gym288, …) theirs; `leaderboard_repo` is the
    data set for results and predictions, if any.
    """

    entries: Sequence[Entry]
    model_repo: str
    benchmark_repo: str
    setting: str
    leaderboard_repo: str | None = None

    def check(self, send: bool) -> None:
        """Validate the upload before anything is scored.

        Raises:
            GymQAError: several models, no setting, no score, names the Hub cannot have; with `send`, no token, or a
                repository that does not exist or is not writable.
        """
        if not self.setting:
            raise GymQAError("the Hub's tasks are named by the questions' setting; give --setting, or --finegym")
        require_one_model(self.entries)
        check_repo(self.model_repo, "model")
        check_repo(self.benchmark_repo)
        scored = [one.result for one in self.entries if one.result.control == NO_CONTROL and one.form != "binaries"]
        if not scored:
            raise GymQAError(
                f"{_labels(self.entries)} has no score on untouched clips to send; evaluate without controls"
            )
        for result in scored:
            _task(self.setting, result.benchmark)
        if self.leaderboard_repo is not None:
            check_repo(self.leaderboard_repo)
            self.results()
        if send:
            require_writable_repo(self.model_repo, "model")
            if self.leaderboard_repo is not None:
                require_writable_repo(self.leaderboard_repo, "data set")

    def scores(self, asked: Sequence[QuestionFile], resamples: int) -> dict[str, bytes]:
        """Path -> content for the model's repository."""
        benchmarks = {one.benchmark: one.questions for one in asked}
        rows = build_rows(benchmarks, as_runs(self.entries), resamples=resamples)
        return score_files(rows, self.benchmark_repo, self.setting)

    def results(self) -> dict[str, Path]:
        """Path -> file for the data set of results."""
        return result_files(self.entries, self.model_repo) if self.leaderboard_repo else {}


def uploads_of(
    entries: Sequence[Entry], named: Sequence[str], benchmark_repo: str, setting: str, leaderboard_repo: str | None
) -> list[HubUpload]:
    """Assign results to the repositories of their models; models that are not named are not uploaded.

    Args:
        entries: results of any models.
        named: the models' repositories, `owner/name`, or `MODEL=owner/name` where there are results of several;
            MODEL is the model's name, with its encoder (`MODEL · ENCODER`) where that tells two apart.
        benchmark_repo: the data set of the questions, owner/name.
        setting: gym99, gym288, …, of the questions.
        leaderboard_repo: the data set for results and predictions, if any.

    Raises:
        GymQAError: a model without results, or a repository for several models.
    """
    uploads: list[HubUpload] = []
    for word in named:
        model, equals, repo = word.rpartition("=")
        own = [one for one in entries if not equals or model in (one.result.model.name, _label(one))]
        if not own:
            raise GymQAError(f"there are no results of {model!r}; there are those of {_labels(entries)}")
        if len({_label(one) for one in own}) > 1:
            raise GymQAError(f"{repo} takes one model, and these are results of {_labels(own)}; write MODEL={repo}")
        if other := next((one for one in uploads if one.model_repo == repo), None):
            raise GymQAError(f"{repo} takes one model, not {_labels([*other.entries, *own])}; name one of them")
        uploads.append(HubUpload(own, repo, benchmark_repo, setting, leaderboard_repo))
    return uploads


def push(uploads: Sequence[HubUpload], asked: Sequence[QuestionFile], send: bool, resamples: int = RESAMPLES) -> None:
    """Print every file of the uploads with its destination, and upload them if `send`.

    Args:
        uploads: validated by `HubUpload.check`.
        asked: the question files.
        send: upload; otherwise nothing leaves this machine.
        resamples: random splits (and resamples) of the videos, by which models are compared.

    Raises:
        GymQAError: the Hub refuses, or cannot be reached.
    """
    contents = [(upload, upload.scores(asked, resamples), upload.results()) for upload in uploads]
    for upload, scores, results in contents:
        for path, content in scores.items():
            print(f"{upload.model_repo}: {path}\n{content.decode()}")
        for path in results:
            print(f"{upload.leaderboard_repo}: {path}")
    if not send:
        print("nothing sent; --push_to_hub sends this")
        return
    for upload, scores, results in contents:
        print(f"{upload.model_repo}: {upload_files(scores, upload.model_repo, 'model')}")
        if upload.leaderboard_repo:
            print(f"{upload.leaderboard_repo}: {upload_files(results, upload.leaderboard_repo, 'data set')}")


def _label(entry: Entry) -> str:
    return label_of(entry.result.model.name, entry.result.model.encoder)


def _labels(entries: Sequence[Entry]) -> str:
    return ", ".join(dict.fromkeys(map(_label, entries)))
