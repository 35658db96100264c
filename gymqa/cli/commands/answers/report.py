"""`gymqa report`: the leaderboard from results."""

from collections.abc import Sequence
from pathlib import Path

from eval.adapters.baselines import chance, oracle_event, oracle_set
from eval.leaderboard.entries import as_runs, read_entries, read_question_files
from eval.leaderboard.ordering import best_first, main_runs
from eval.leaderboard.rows import build_rows, without_guesses
from eval.leaderboard.schema import NO_CONTROL, RECOGNITION, ModelRun, RecognizerRun
from eval.leaderboard.unanswered import unanswered_items
from eval.metrics.fusion import control_of
from eval.metrics.recognition import confusion, read_class_predictions
from eval.report.clips import Clips, copy_clips
from eval.report.confusion import ConfusionView, matrix_data
from eval.report.evidence import gather
from eval.report.leaderboard import print_table, write_leaderboard
from eval.report.page import Page
from eval.report.pushed_results import parcels_of, push
from eval.report.samples import pack_samples
from eval.run.question_files import QuestionFile
from eval.stats.bootstrap import RESAMPLES
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.runtime.runs import environment, require_writable


def report(
    results: list[Path],
    out: Path = Path("runs/report"),
    clips: Path | None = None,
    recognizers: list[Path] | None = None,
    finegym: Path | None = None,
    setting: str | None = None,
    title: str = "Gym-QA leaderboard",
    resamples: int = RESAMPLES,
    model_repo: list[str] | None = None,
    benchmark_repo: str | None = None,
    leaderboard_repo: str | None = None,
    push_to_hub: bool = False,
    *,
    questions: list[Path],
) -> None:
    """Score results with 95 % intervals and write a site: index.html, and the tables as JSON, CSV, Markdown and LaTeX.

    With --model_repo and --benchmark_repo, also print what the Hub would get, as `gymqa hub push-results` does;
    --push_to_hub sends it.

    Args:
        results: *.result.json of `gymqa evaluate`, its predictions (.jsonl), or folders, which are searched.
        out: folder of the site.
        clips: folder of the videos (<clip id>.mp4), or a release; those of the questions shown are copied to the site.
        recognizers: class predictions of `gymqa predict`, of untouched clips, scored as recognition; named by file.
        finegym: folder of annotation files; with it, rows for guessing from the event or the set alone are added.
        setting: gym99, gym288, …; may be left out where the release has only one.
        title: heading of the page.
        resamples: draws of the bootstrap over videos.
        model_repo: models on the Hub, owner/name; of several models here, MODEL=owner/name each.
        benchmark_repo: the data set of these questions on the Hub, owner/name.
        leaderboard_repo: a data set of results on the Hub, owner/name, for results and predictions.
        push_to_hub: send the scores to the models, as .eval_results/*.yaml, and the results to that data set; without
            it nothing is sent.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
    """
    wanted = push_to_hub or model_repo or benchmark_repo or leaderboard_repo
    if wanted and not (model_repo and benchmark_repo):
        raise GymQAError("the Hub takes a model's scores on a data set; name both by --model_repo and --benchmark_repo")
    if resamples < 1:
        raise GymQAError(f"{resamples} resamples make no interval; give 1 or more")
    require_writable(out)
    asked = read_question_files(questions)
    entries = read_entries(results, asked)
    taxonomy = open_release(finegym, setting).taxonomy if finegym is not None else None
    of_questions = setting or (taxonomy.setting if taxonomy is not None else "")
    parcels = parcels_of(entries, model_repo or [], benchmark_repo or "", of_questions, leaderboard_repo)
    for parcel in parcels:
        parcel.check(push_to_hub)
    recognized = read_recognizers(recognizers or [])
    shown = (question.clip_id for one in asked for question in one.questions)
    found = copy_clips(clips, out, shown) if clips is not None else None
    page = make_page(asked, as_runs(entries), recognized, taxonomy, found, title, resamples=resamples)
    path = write_leaderboard(out, page, "index.html")
    print_table(page.rows)
    print(path)
    if parcels:
        push(parcels, asked, push_to_hub, resamples)


def read_recognizers(files: Sequence[Path]) -> list[RecognizerRun]:
    """Read class predictions of `gymqa predict` on untouched clips; each recognizer is named by its file.

    Raises:
        GymQAError: as `read_class_predictions`, predictions under a control, or two files of one name.
    """
    found: dict[str, Path] = {}
    for file in files:
        if (control := control_of([file])) != NO_CONTROL:
            raise GymQAError(
                f"{file} was predicted under control {control}, and recognition is of untouched clips; leave it out"
            )
        if first := found.get(file.stem):
            raise GymQAError(f"{file} and {first} would both be named {file.stem}; rename one of them")
        found[file.stem] = file
    return [RecognizerRun(name, "", read_class_predictions(file)) for name, file in found.items()]


def make_page(
    asked: Sequence[QuestionFile],
    runs: Sequence[ModelRun],
    recognizers: Sequence[RecognizerRun] = (),
    taxonomy: Taxonomy | None = None,
    clips: Clips | None = None,
    title: str = "Gym-QA leaderboard",
    seed: int = 0,
    device: str = "cpu",
    resamples: int = RESAMPLES,
) -> Page:
    """Score everything and gather what stands behind it.

    Args:
        asked: the question files.
        runs: what answered them.
        recognizers: class predictions; with a taxonomy their confusions are shown by its names.
        taxonomy: of the questions; with it, what an event or a set alone is worth is added.
        clips: where the page finds its videos.
        title: heading of the page.
        seed: of the bootstrap.
        device: where the answers were made, for the record.
        resamples: draws of the bootstrap over videos.
    """
    benchmarks = {one.benchmark: one.questions for one in asked}
    guessers = [chance()] if taxonomy is None else [chance(), oracle_event(taxonomy), oracle_set(taxonomy)]
    runs, left_out = without_guesses(runs, guessers)
    if left_out:
        print(left_out)
    rows = build_rows(benchmarks, runs, guessers, recognizers, resamples, seed)
    evidence = gather(benchmarks, best_first(runs, rows), rows, taxonomy, resamples, seed)
    if taxonomy is not None:
        names = tuple(element.display_name for element in taxonomy.elements)
        events = tuple(element.event for element in taxonomy.elements)
        views = [ConfusionView(one.label, names, confusion(one.predictions), events) for one in recognizers]
        evidence.confusions += [matrix for view in views if (matrix := matrix_data(view, RECOGNITION))]
    plain = [run for run in best_first(main_runs(runs), rows) if run.control == NO_CONTROL and run.predictions]
    return Page(
        title,
        tuple(rows),
        environment(seed, device),
        pack_samples(benchmarks, plain, clips),
        tuple(unanswered_items(benchmarks, plain, recognizers)),
        evidence,
        {name: questions[0].tier for name, questions in benchmarks.items()},
    )


COMMAND = report
