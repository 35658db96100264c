"""`gymqa report`: the leaderboard from saved predictions."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from eval.adapters.baselines import chance, oracle_event, oracle_set
from eval.leaderboard import print_table, write_leaderboard
from eval.metrics import read_class_predictions
from eval.report.samples import pick_samples
from eval.rows import ModelRun, RecognizerRun, build_rows, unanswered_items
from eval.runner import settings_path
from gymqa.annotations import open_release
from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from gymqa.questions import Prediction, Question, load_predictions, load_questions
from gymqa.runs import environment, require_writable


def report(
    out: Path = Path("runs/report"),
    predictions: list[Path] | None = None,
    recognizers: list[Path] | None = None,
    finegym: Path | None = None,
    setting: str | None = None,
    title: str = "Gym-QA leaderboard",
    *,
    questions: list[Path],
) -> None:
    """Score predictions with 95 % intervals and write leaderboard.json and leaderboard.html.

    Args:
        out: folder of the two files.
        predictions: .jsonl files of `gymqa evaluate`; several files of one model are taken together.
        recognizers: class predictions of `gymqa predict`, scored as recognition; named by file.
        finegym: folder of annotation files; with it, rows for guessing from the event or the set alone are added.
        setting: gym99, gym288, …; may be left out where the release has only one.
        title: heading of the page.
        questions: .jsonl files of `gymqa questions build`.
    """
    require_writable(out)
    benchmarks = read_benchmarks(questions)
    guessers = [chance()]
    if finegym is not None:
        taxonomy = open_release(finegym, setting).taxonomy
        guessers += [oracle_event(taxonomy), oracle_set(taxonomy)]
    runs = read_runs(predictions or [])
    recognized = [RecognizerRun(path.stem, "", read_class_predictions(path)) for path in recognizers or []]
    rows = build_rows(benchmarks, runs, guessers, recognized)
    unanswered = unanswered_items(benchmarks, runs, recognized)
    page = write_leaderboard(out, rows, environment(), pick_samples(benchmarks, runs), unanswered, title=title)
    print_table(rows)
    print(page)


def read_benchmarks(paths: Sequence[Path]) -> dict[str, list[Question]]:
    """Read question files into benchmark -> questions.

    Raises:
        GymQAError: two files of one benchmark.
    """
    benchmarks: dict[str, list[Question]] = {}
    for path in paths:
        asked = load_questions(path)
        name = asked[0].benchmark if asked else path.stem
        if name in benchmarks:
            raise GymQAError(f"{path} asks {name} a second time; give one file a benchmark")
        benchmarks[name] = asked
    return benchmarks


def read_runs(paths: Sequence[Path]) -> list[ModelRun]:
    """Read predictions into one run a model; model and encoder stand in the settings file beside each."""
    found: dict[tuple[str, str], dict[str, list[Prediction]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        settings = read_json(settings_path(path))
        for prediction in load_predictions(path):
            encoder = settings["settings"].get("encoder", "")
            found[settings["model"], encoder][prediction.benchmark].append(prediction)
    return [ModelRun(model, encoder, predictions) for (model, encoder), predictions in found.items()]


COMMAND = report
