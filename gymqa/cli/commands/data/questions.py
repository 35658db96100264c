"""`gymqa questions`: build, validate and analyse multiple-choice questions; import other sets and Gym-QA's files."""

import json as json_module
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gymqa.download.annotation_files import annotation_file
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.finegym.temporal import read_annotations
from gymqa.io.files import write_text
from gymqa.questions.benchmarks import build_benchmark
from gymqa.questions.class_questions import ATTRIBUTES, ClassSet, build_class_questions
from gymqa.questions.files import load_questions, save_questions
from gymqa.questions.released_json import format_published, import_published
from gymqa.questions.routines import build_routine_questions, read_routines, usual_place_accuracy
from gymqa.questions.schema import Question
from gymqa.questions.shortcuts import file_stats
from gymqa.questions.validation import file_problems
from gymqa.runtime.runs import require_writable
from gymqa.video_datasets.imported import read_import

if TYPE_CHECKING:
    from gymqa.questions.importing.convert import ImportedSet
    from gymqa.questions.importing.presets import Preset
    from gymqa.questions.importing.rows import Row

HUB = "hub:"
SHOWN = 5  # problems printed of an import that leaves them out


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
    finegym: Path | None = None,
    dataset: Path | None = None,
    attributes: list[str] | None = None,
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
        dataset: folder of `gymqa dataset import` instead; its benchmarks are random and similar (which class, beside
            any others or those with similar names), attributes (of the words of class names) and pairs (two clips, one
            attribute, two answers).
        attributes: what each word of the class names says, in their order; by default known of diving48.
        out: file to write, one JSON object per line.
        benchmark: source of the distractors: gym-qa (any), event (same apparatus), gym-qa-hard (same set), gym-new
            (include the direction twin), attribute (one decision apart); or what is asked: decision (yes or no),
            counting, direction, shape; or minimal-pairs (two clips, one question, two answers); or
            package.module:function of your own (docs/extending.md).
        seed: seed of distractors and letters; a question does not depend on the other clips of the list.
        n_choices: number of choices; yes/no questions and minimal pairs have two.
        setting: gym99, gym288, …; may be omitted if there is only one.
    """
    if (finegym is None) == (dataset is None):
        raise GymQAError("name FineGym's annotation files by --finegym, or an imported data set by --dataset")
    if finegym is not None:
        release = open_release(finegym, setting)
        listed = read_element_list(clips, len(release.taxonomy))
        questions = build_benchmark(listed, release, benchmark, seed, n_choices)
    else:
        assert dataset is not None  # as checked above
        data = _class_set(clips, dataset, attributes)
        questions = build_class_questions(data, benchmark, seed, n_choices)
    if not questions:
        raise GymQAError(f"the clips of {clips} have no question of {benchmark}; choose another benchmark")
    save_questions(out, questions)
    print(f"{out}: {len(questions)} questions of {benchmark}")


def _class_set(clips: Path, folder: Path, attributes: list[str] | None) -> ClassSet:
    """The clips of a list with the classes of the data set that they belong to."""
    data = read_import(folder)
    listed = read_element_list(clips, len(data.classes))
    named = tuple(attributes) if attributes else ATTRIBUTES.get(data.name, ())
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", data.name)  # of a plug-in, package.module:function
    return ClassSet(name, data.classes, listed, data.paths, named)


def routines(
    finegym: Path,
    *,
    benchmark: Literal["order", "first", "last", "next", "count"] = "order",
    out: Path = Path("routines.jsonl"),
    lists: list[Path] | None = None,
    setting: str | None = None,
    seed: int = 0,
    n_choices: int = 4,
) -> None:
    """Build questions over time about whole routines: order of elements, first and last, what follows, how many.

    The routines' videos are those of `gymqa finegym trim --actions`; they are described for `gymqa cache` in the folder
    <out>-videos. What the usual place of the elements gives away is printed.

    Args:
        finegym: folder of a release, with its temporal annotation (finegym_annotation_info….json).
        benchmark: order (of two elements, each pair equally often in both orders), first, last (of several elements),
            next (what follows an element), count (elements of a set).
        out: file to write, one JSON object per line.
        lists: element lists whose videos are asked about, such as the val list; by default all.
        setting: gym99, gym288, …; may be omitted if there is only one.
        seed: of what is drawn.
        n_choices: number of choices; order has two.
    """
    from gymqa.questions.importing.convert import ImportedSet

    release = open_release(finegym, setting)
    videos = {clip.video_id for path in lists or [] for clip in read_element_list(path)}
    actions = read_annotations(annotation_file(finegym))
    chosen = [action for action in actions if lists is None or action.video_id in videos]
    found = read_routines(chosen, release.read_labels())
    questions = build_routine_questions(found, release.taxonomy, benchmark, seed, n_choices)
    if not questions:
        raise GymQAError(f"{len(found)} routines have no question of {benchmark}; choose fewer choices or another one")
    save_questions(out, questions)
    print(f"{out}: {len(questions)} questions of {benchmark} about {len(found)} routines")
    guessed = usual_place_accuracy(questions, found, release.taxonomy)
    if guessed is not None:
        print(f"guessing by the usual place of the elements: {guessed:.3f}")
    _describe_clips(out, ImportedSet(questions, {}, []), finegym)


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


def import_questions(
    file: str,
    *,
    out: Path,
    columns: list[str] | None = None,
    preset: str | None = None,
    source: str | None = None,
    answer: Literal["auto", "letter", "index", "index-from-1", "text"] | None = None,
    videos: Path | None = None,
    config_name: str | None = None,
    split: str | None = None,
    leave_out: bool = False,
    seed: int = 0,
    finegym: Path | None = None,
    setting: str = "gym99",
) -> None:
    """Import a multiple-choice video question set: JSON, JSON Lines, CSV, TSV, parquet, or a data set on the Hub.

    A set of a known form is named by --preset, any other is described by --columns. Every wrong row is listed with its
    file, line and column, and nothing is written. With --finegym alone, Gym-QA's released .json is imported losslessly,
    so that `export` reproduces it byte for byte.

    Args:
        file: the file, a folder of files, or hub:OWNER/NAME (hub:OWNER/NAME@REVISION).
        out: .jsonl file to write.
        columns: what the columns hold: video=… question=… answer=… and options=…, a column with the list or several
            (options=a,b,c), or wrong=…, the list of the wrong choices; perhaps cluster=…, group=…, task=…, id=…,
            start=… and end=…. A value may be a template, "video=videos/{name}.mp4"; @file is the file's name, @key the
            key of a JSON object.
        preset: a known form, of `gymqa list presets`, or package.module:Name of your own.
        source: name of the set, its questions' benchmark; by default that of the preset or the file.
        answer: how the right choice is given; by default letter, index from 0 or text, where no two disagree.
        videos: folder of the videos; their clips are then described for `gymqa cache` in the folder <out>-videos.
        config_name: configuration of a data set on the Hub, if it has several.
        split: its split, if it has several.
        leave_out: leave out wrong rows, which are counted and listed in <out>.left-out.txt.
        seed: of the order of the choices, where the right one stands apart from the wrong ones.
        finegym: folder of FineGym's annotation files, for Gym-QA's released .json.
        setting: gym99, gym288, …, of Gym-QA's released .json.
    """
    if finegym is not None:
        release = open_release(finegym, setting)
        questions = import_published(Path(file), release.taxonomy, release.read_labels())
        save_questions(out, questions)
        print(f"{out}: {len(questions)} questions, as released")
        return
    found, name = _imported(file, columns, preset, source, answer, config_name, split, seed)
    _require_sound(file, out, found, leave_out)
    save_questions(out, found.questions)
    print(f"{out}: {len(found.questions)} questions of {name}, {_described(found.questions)}")
    if found.unanswered:
        print(f"{found.unanswered} rows have no answer, which the set's authors keep; they are left out")
    if videos is not None:
        _describe_clips(out, found, videos)
    elif found.segments:
        print(f"{len(found.segments)} clips are segments of their video; give --videos, and they are cut")


def _imported(
    file: str,
    columns: list[str] | None,
    preset: str | None,
    source: str | None,
    answer: Literal["auto", "letter", "index", "index-from-1", "text"] | None,
    config_name: str | None,
    split: str | None,
    seed: int,
) -> "tuple[ImportedSet, str]":
    """Read the rows and make questions of them; return them with the set's name."""
    from dataclasses import replace

    from gymqa.questions.importing.columns import parse_columns
    from gymqa.questions.importing.convert import import_rows
    from gymqa.questions.importing.presets import PRESETS, Preset

    if (columns is None) == (preset is None):
        raise GymQAError("name the set's form by --preset, or its columns by --columns; for Gym-QA's .json --finegym")
    form = PRESETS.load(preset) if preset else Preset("", parse_columns(columns or []))
    assert isinstance(form, Preset)  # as the registry checks
    form = replace(form, answer=answer) if answer else form
    name = source or (preset if preset in PRESETS else None) or Path(file.removeprefix(HUB).partition("@")[0]).stem
    return import_rows(_rows(file, form, config_name, split), form, name, seed), name


def _rows(file: str, form: "Preset", config_name: str | None, split: str | None) -> "Iterator[Row]":
    """The rows of a file, a folder or a data set on the Hub."""
    from gymqa.questions.importing.rows import read_rows, table_files

    needed = form.columns.names() if form.flat else set()
    if file.startswith(HUB):
        from gymqa.hub.load import load_rows

        return load_rows(file.removeprefix(HUB), config_name, split, needed)
    if config_name or split:
        raise GymQAError(f"{file} is no data set on the Hub, and has no configurations and splits; leave them out")
    return chain.from_iterable(read_rows(path, needed) for path in table_files(Path(file)))


def _require_sound(file: str, out: Path, found: "ImportedSet", leave_out: bool) -> None:
    """List the wrong rows: refuse them, or write them beside the questions.

    Raises:
        GymQAError: a row is wrong and not to be left out, or no question is left.
    """
    listed = out.with_suffix(".left-out.txt")
    if found.problems and not leave_out:
        for problem in found.problems:
            print(problem)
        rows = "1 wrong row" if len(found.problems) == 1 else f"{len(found.problems)} wrong rows"
        raise GymQAError(f"{file} has {rows}, listed above; correct them, or leave them out with --leave_out")
    if not found.questions:
        raise GymQAError(f"{file} has no question with an answer; check the file and --columns")
    listed.unlink(missing_ok=True)
    if found.problems:
        write_text(listed, "".join(f"{problem}\n" for problem in found.problems))
        for problem in found.problems[:SHOWN]:
            print(problem)
        print(f"{len(found.problems)} wrong rows are left out, all of them listed in {listed}")


def _described(questions: list[Question]) -> str:
    """Numbers of choices, clips, clusters and groups."""
    sizes = sorted({len(one.choices) for one in questions})
    choices = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    clips, clusters = len({one.clip_id for one in questions}), len({one.video_id for one in questions})
    groups = len({one.group for one in questions} - {""})
    return f"{choices} choices, {clips} clips, {clusters} clusters" + (f", {groups} groups" if groups else "")


def _describe_clips(out: Path, found: "ImportedSet", videos: Path) -> None:
    """Write the folder that `gymqa cache` reads the clips by, and cut those that are segments."""
    from gymqa.download.question_clips import CLIPS, write_clips

    if not videos.is_dir():
        raise GymQAError(f"{videos} is not a folder; name the folder of the videos")
    folder = require_writable(out.with_name(f"{out.stem}-videos"))
    problems = write_clips(folder, found.questions, found.segments, videos)
    for problem in problems[:SHOWN]:
        print(problem)
    if len(problems) > SHOWN:
        print(f"… and {len(problems) - SHOWN} more")
    print(f"{folder}: now `gymqa cache {folder} --lists {folder / CLIPS}`")


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


COMMAND = {
    "build": build,
    "routines": routines,
    "validate": validate,
    "stats": stats,
    "import": import_questions,
    "export": export_questions,
}
