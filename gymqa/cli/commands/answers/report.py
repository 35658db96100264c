"""`gymqa report`: score results and write the leaderboard page and tables; push scores to the Hub."""

from pathlib import Path

from eval.leaderboard.entries import as_runs, incomplete, read_entries, read_question_files
from eval.report.clips import copy_clips
from eval.report.hub_results import push, uploads_of
from eval.report.leaderboard import make_page, print_table, read_recognizers, write_leaderboard
from eval.stats.bootstrap import RESAMPLES
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.runtime.runs import require_writable


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
    """Score results with 95 % intervals; write a leaderboard page and its tables as JSON, CSV, Markdown and LaTeX.

    With --model_repo and --benchmark_repo, also print what would be sent to the Hub, as `gymqa hub push-results` does;
    --push_to_hub sends it.

    Args:
        results: *.result.json of `gymqa evaluate`, its predictions (.jsonl), or folders to search for them.
        out: folder of the page, index.html.
        clips: folder of the videos (<clip id>.mp4), or a release; clips of the questions shown are copied to the page.
        recognizers: predictions of `gymqa predict` without a control, scored as recognition; named by their files.
        finegym: folder of annotation files; adds rows for guessing from the event or the set alone.
        setting: gym99, gym288, …; may be omitted if the release has only one.
        title: heading of the page.
        resamples: random splits (and resamples) of the videos, by which models are compared.
        model_repo: models on the Hub, owner/name; for several models MODEL=owner/name each.
        benchmark_repo: the data set of these questions on the Hub, owner/name.
        leaderboard_repo: a data set of results on the Hub, owner/name, for results and predictions.
        push_to_hub: send the scores to the models, as .eval_results/*.yaml, and the results to the data set of results;
            without it nothing is sent.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
    """
    wanted = push_to_hub or model_repo or benchmark_repo or leaderboard_repo
    if wanted and not (model_repo and benchmark_repo):
        raise GymQAError(
            "scores on the Hub belong to a model and a data set; give both --model_repo and --benchmark_repo"
        )
    if resamples < 1:
        raise GymQAError(f"{resamples} resamples compare nothing; give 1 or more")
    require_writable(out)
    asked = read_question_files(questions)
    entries = read_entries(results, asked)
    taxonomy = open_release(finegym, setting).taxonomy if finegym is not None else None
    of_questions = setting or (taxonomy.setting if taxonomy is not None else "")
    uploads = uploads_of(entries, model_repo or [], benchmark_repo or "", of_questions, leaderboard_repo)
    for result_upload in uploads:
        result_upload.check(push_to_hub)
    recognized = read_recognizers(recognizers or [])
    shown = (question.clip_id for one in asked for question in one.questions)
    found = copy_clips(clips, out, shown) if clips is not None else None
    notes = incomplete(entries, asked)
    page = make_page(asked, as_runs(entries), recognized, taxonomy, found, title, resamples=resamples, notes=notes)
    path = write_leaderboard(out, page, "index.html")
    print_table(page.rows)
    for note in page.notes:
        print(note)
    print(path)
    if uploads:
        push(uploads, asked, push_to_hub, resamples)


COMMAND = report
