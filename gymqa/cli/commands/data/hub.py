"""`gymqa hub`: upload question sets, recognizers, tuned language models and results to the Hugging Face Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.frames.modality import Modality
from gymqa.hub.client import check_repo, dataset_configs, names_a_repo, upload
from gymqa.hub.data_card import data_card
from gymqa.hub.question_dataset import CARD, is_dataset, question_files, require_whole, sort_questions, write_dataset
from gymqa.io.console import track
from gymqa.io.typed_json import Typed, read_as
from gymqa.questions.files import load_questions
from gymqa.questions.schema import IMPORTED, Question
from gymqa.questions.validation import mismatches

if TYPE_CHECKING:
    from encoders.mllm.model_card import CardResult


def push(
    source: Path,
    *,
    repo: str,
    finegym: Path | None = None,
    setting: str | None = None,
    split: str | None = None,
    more: list[Path] | None = None,
    out: Path = Path("runs/hub"),
    private: bool = False,
    dry_run: bool = False,
) -> None:
    """Write question files as a data set with its card, without videos, and upload it.

    The token is huggingface_hub's own: HF_TOKEN, or `hf auth login`.

    Args:
        source: a question file (.jsonl), a folder of them, or a folder that --dry_run wrote, uploaded unchanged.
        repo: repository to upload to, owner/name.
        finegym: folder of FineGym's (or GymSim's) annotation files, to check answers and compute shortcut statistics;
            not for questions of another set (`gymqa questions import`).
        setting: gym99, gym288, …; may be omitted if there is only one. Questions of another set take its name.
        split: train, val or test; by default the one that each file's name ends in.
        more: more question files or folders.
        out: folder to write; that of an earlier push is replaced.
        private: make a new repository private.
        dry_run: write the folder and upload nothing.
    """
    check_repo(repo)
    folder = source
    if not (source / CARD).is_file():
        folder = out
        _write(out, [source, *(more or [])], repo, finegym, setting, split)
    elif more or not is_dataset(source):
        raise GymQAError(f"{source} is uploaded unchanged as a data set; remove its other files and leave --more out")
    for config, splits in dataset_configs(folder).items():
        for one in splits:
            require_whole(folder, config, one)
        print(f"{folder}: {config} ({', '.join(splits)})")
    print(f"{repo}: nothing uploaded" if dry_run else f"{repo}: {upload(folder, repo, private)}")


def _write(
    out: Path, sources: list[Path], repo: str, finegym: Path | None, setting: str | None, split: str | None
) -> None:
    """Check the question files and write them as a data set; those for elements against the annotations."""
    files = [file for source in sources for file in question_files(source)]
    if finegym is None:
        _write_imported(out, files, repo, setting, split)
        return
    release = open_release(finegym, setting)
    taxonomy, labels = release.taxonomy, release.read_labels()
    asked: dict[Path, list[Question]] = {}
    for file in track(files, "checking questions", len(files)):
        asked[file] = load_questions(file)
        own = (one for one in asked[file] if not one.released)
        if problem := next(mismatches(own, taxonomy, labels), None):
            raise GymQAError(f"{file}: {problem}; list all problems with `gymqa questions validate`")
    splits = sort_questions(asked, taxonomy.setting, split)
    write_dataset(out, splits, data_card(repo, splits, taxonomy))


def _write_imported(out: Path, files: list[Path], repo: str, setting: str | None, split: str | None) -> None:
    """Write the question files of one other set as a data set, named as the set."""
    asked = {file: load_questions(file) for file in track(files, "reading questions", len(files))}
    found = [question for questions in asked.values() for question in questions]
    if any(question.kind != IMPORTED for question in found):
        raise GymQAError("name the folder of annotation files with --finegym; the questions are checked against them")
    sources = sorted({question.source for question in found})
    if len(sources) > 1 or setting not in (None, *sources):
        raise GymQAError(f"these are questions of {', '.join(sources)}; push one set at a time, without --setting")
    splits = sort_questions(asked, "".join(sources), split)
    write_dataset(out, splits, data_card(repo, splits, None))


def push_recognizer(
    recognizer: Path,
    *,
    repo: str,
    license: str,
    dataset: str,
    dataset_repo: str | None = None,
    base_model: str | None = None,
    predictions: Path | None = None,
    out: Path | None = None,
    private: bool = False,
) -> None:
    """Upload a trained recognizer with its model card; load_recognizer("owner/name") loads it.

    The token is huggingface_hub's own: HF_TOKEN, or `hf auth login`.

    Args:
        recognizer: folder of `gymqa train`.
        repo: repository to upload to, owner/name.
        license: licence of the weights, by its Hub name; FineGym's annotations are cc-by-nc-4.0, GymSim's apache-2.0.
        dataset: description of the training and test data, such as "Gym99, 5 % labelled".
        dataset_repo: that data set on the Hub, if it is there.
        base_model: the pretrained model on the Hub; by default the one (or two) recorded by the training.
        predictions: file of `gymqa predict` on the validation clips; its accuracies go into the card.
        out: write weights, configuration and card into this folder, and upload nothing.
        private: make a new repository private.
    """
    from recognizers.factory import load_recognizer
    from recognizers.model_card import ModelFacts, push_model, write_model

    check_repo(repo, "model")
    model = load_recognizer(recognizer)
    metrics, clips = _figures(predictions) if predictions else ({}, 0)
    algorithm, initial = _training_of(recognizer, model.config.streams)
    bases = (base_model,) if base_model else initial
    facts = ModelFacts(license, dataset, dataset_repo, bases, algorithm, metrics, clips)
    if out is None:
        print(f"{repo}: {push_model(model, repo, facts, private)}")
    else:
        write_model(out, repo, model, facts)
        print(f"{out}: nothing uploaded")


def push_results(
    results: list[Path],
    *,
    questions: list[Path],
    model_repo: str,
    benchmark_repo: str,
    setting: str,
    leaderboard_repo: str | None = None,
    push_to_hub: bool = False,
) -> None:
    """Print the scores of one model in the format of its repository on the Hub; with --push_to_hub, send them.

    Scores are written to .eval_results/<setting>-<tier>.yaml (https://huggingface.co/docs/hub/eval-results); results
    and predictions go to a data set of results, if one is named. The token is huggingface_hub's own.

    Args:
        results: *.result.json of `gymqa evaluate`, or folders of them, of one model.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
        model_repo: the model on the Hub, owner/name.
        benchmark_repo: the data set of these questions on the Hub (`gymqa hub push`), owner/name.
        setting: gym99, gym288, …, of the questions.
        leaderboard_repo: a data set of results on the Hub, owner/name.
        push_to_hub: send the scores; without it they are only printed.
    """
    from eval.leaderboard.entries import read_entries, read_question_files
    from eval.report.hub_results import HubUpload, push

    asked = read_question_files(questions)
    result_upload = HubUpload(read_entries(results, asked), model_repo, benchmark_repo, setting, leaderboard_repo)
    result_upload.check(push_to_hub)
    push([result_upload], asked, push_to_hub)


def push_mllm(
    mllm: Path,
    *,
    repo: str,
    license: str,
    dataset: str,
    dataset_repo: str | None = None,
    base_model: str | None = None,
    results: list[Path] | None = None,
    questions: list[Path] | None = None,
    out: Path | None = None,
    private: bool = False,
) -> None:
    """Upload a tuned language model with its card: adapters and projector, or all weights if it is merged.

    GymMLLM.from_pretrained("owner/name") loads it. The token is huggingface_hub's own: HF_TOKEN, or `hf auth login`.

    Args:
        mllm: folder of `gymqa finetune`, or of scripts/merge_lora.py.
        repo: repository to upload to, owner/name.
        license: licence of the weights, by its Hub name; it depends on those of the language model and the annotations.
        dataset: description of the tuning data, such as "Gym99, 5 % labelled".
        dataset_repo: that data set on the Hub, if it is there.
        base_model: the language model on the Hub, if a local copy was tuned.
        results: results of `gymqa evaluate`, or folders of them; their accuracies go into the card.
        questions: the question files of the results, or folders of them.
        out: write the files into this folder, and upload nothing.
        private: make a new repository private.
    """
    from encoders.mllm.model_card import MLLMFacts, write_mllm
    from encoders.mllm.model_card import push_mllm as upload_mllm

    check_repo(repo, "multimodal model")
    figures = _accuracies(mllm, results, questions or []) if results else []
    facts = MLLMFacts(license, dataset, dataset_repo, base_model, figures)
    if out is None:
        print(f"{repo}: {upload_mllm(mllm, repo, facts, private)}")
    else:
        write_mllm(mllm, out, repo, facts)
        print(f"{out}: nothing uploaded")


def _accuracies(mllm: Path, results: list[Path], questions: list[Path]) -> "list[CardResult]":
    """Accuracies of a tuned model's results, computed with their questions."""
    from encoders.mllm.model_card import CardResult, require_own_results
    from eval.leaderboard.entries import read_entries, read_question_files
    from eval.leaderboard.rows import score
    from eval.metrics.forms import form_of
    from eval.metrics.minimal_pairs import group_scores
    from eval.stats.bootstrap import mean_interval

    asked = read_question_files(questions)
    entries = read_entries(results, asked)
    models = {str(entry.path): entry.result.model for entry in entries}
    require_own_results(mllm, {path: (model.adapter, model.fingerprint) for path, model in models.items()})
    found = []
    plain = {(entry.key, entry.result.benchmark) for entry in entries if entry.form == "plain"}
    for entry in entries:
        benchmark = entry.result.benchmark
        if entry.form == "binaries" or (entry.form == "rotated" and (entry.key, benchmark) in plain):
            continue
        own = next(one.questions for one in asked if one.benchmark == benchmark)
        answers = [one for one in entry.predictions if form_of(one.question_id) == "plain"]
        worth, videos = group_scores(own, score(own, answers, benchmark)[0])
        interval = mean_interval(worth, videos)
        figures = (interval.value, interval.low, interval.high, len(worth))
        found.append(CardResult(benchmark, entry.result.control, entry.result.scoring, *figures))
    return found


def _figures(predictions: Path) -> tuple[dict[str, float], int]:
    """Accuracies for the card, and the number of clips."""
    from eval.metrics.recognition import mean_average_precision, mean_class, read_class_predictions, top1

    read = read_class_predictions(predictions)
    figures = {"top1": top1(read), "mean_class": mean_class(read), "map": mean_average_precision(read)}
    return figures, len(read.clip_ids)


def _training_of(recognizer: Path, streams: Sequence[Modality]) -> tuple[str, tuple[str, ...]]:
    """The training algorithm of a recognizer and its pretrained models on the Hub, if its folder records them."""
    from recognizers.weights_io.tensors import sources_of

    path = recognizer / "training.json"
    settings = read_as(path, _Training, "train again") if path.is_file() else _Training()
    algorithm, initial = settings.algorithm.name, settings.initial
    each = dict.fromkeys(sources_of(initial, streams))
    return algorithm, tuple(one for one in each if names_a_repo(one) and not Path(one).exists())


class _Algorithm(Typed):
    """The training algorithm in training.json."""

    name: str = ""


class _Training(Typed):
    """The part of a recognizer's training.json that its card states."""

    algorithm: _Algorithm = _Algorithm()
    initial: str = ""


COMMAND = {"push": push, "push-recognizer": push_recognizer, "push-mllm": push_mllm, "push-results": push_results}
