"""Presets: the columns of known video question sets, in the form in which their authors publish them.

Sources of the forms, read on 2026-11-30: MVBench and TVBench: json/<task>.json of OpenGVLab/MVBench and
FunAILab/TVBench on the Hub. TempCompass: questions/*.json of llyx97/TempCompass. MotionBench: video_info.meta.jsonl of
THUDM/MotionBench. TOMATO: data/*.json of yale-nlp/TOMATO. FAVOR-Bench: video_perspective.json. Video-MME and
Video-MME-v2: test.parquet. MVP: facebook/minimal_video_pairs. ExAct: data/metadata.jsonl of Alexhimself/ExAct.
VideoNet: benchmarks/mcq_*.jsonl and binary_0shot.jsonl of RAIVNLab/VideoNet.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from gymqa.errors import GymQAError
from gymqa.questions.importing.answers import AnswerForm
from gymqa.questions.importing.columns import Columns
from gymqa.questions.importing.rows import FILE, KEY, Row
from gymqa.runtime.registry import Registry

_YES_NO = ["Yes", "No"]
_OPTION = re.compile(r"(?:Option|Caption|Sentence|Statement)?\s*([A-Z]|\d)\s*[.:]\s+(?=\S)")


def _as_they_are(row: Row) -> Iterable[Row]:
    return (row,)


@dataclass(frozen=True, slots=True)
class Preset:
    """The form of a question set.

    Attributes:
        what: description, for the listing.
        columns: what each column holds.
        answer: how the right choice is given.
        rows: the rows of a row, where one holds several questions, or none in columns.
        unanswered: the answer of rows whose answer the authors keep.
    """

    what: str
    columns: Columns
    answer: AnswerForm = "auto"
    rows: Callable[[Row], Iterable[Row]] = _as_they_are
    unanswered: str = ""

    @property
    def flat(self) -> bool:
        """Whether each row is a question, so that no other columns than those named need be read."""
        return self.rows is _as_they_are


def _entries(row: Row, column: str, kind: type = list) -> Any:
    """A nested value of a row.

    Raises:
        GymQAError: there is none of the kind.
    """
    value = row.values.get(column)
    if not isinstance(value, kind):
        raise GymQAError(f"{row.place(column)}: {value!r} is no {kind.__name__}, as this preset has there; correct it")
    return value


def _with(row: Row, values: Any, column: str, **more: Any) -> Row:
    """A row with a nested object's values besides its own."""
    if not isinstance(values, dict):
        raise GymQAError(f"{row.place(column)}: {values!r} is no JSON object; correct it")
    return replace(row, values={**row.values, **values, **more})


def _timed(row: Row) -> Iterator[Row]:
    """MVBench and TVBench: only some tasks have start and end, and some of those are the whole video."""
    yield replace(row, values={"start": None, "end": None, **row.values})


def _tempcompass(row: Row) -> Iterator[Row]:
    """TempCompass: {video: {aspect: [{question, answer}]}}; the choices are lines of the question, or yes and no."""
    for aspect in row.values:
        if aspect in (FILE, KEY):
            continue
        for entry in _entries(row, aspect):
            made = _with(row, entry, aspect, aspect=aspect)
            yield replace(made, values={**made.values, **_unlabelled(made)})


def _unlabelled(row: Row) -> dict[str, Any]:
    """Question, options and answer without labels such as "A." and "Caption B:"."""
    question, answer = str(row.values.get("question", "")), str(row.values.get("answer", ""))
    text, *options = [line.strip() for line in question.strip().split("\n") if line.strip()] or [""]
    if not options:
        return {"options": _YES_NO, "answer": answer.strip().capitalize()}
    labels = [_OPTION.match(one) for one in options]
    if not all(labels):
        raise GymQAError(f"{row.place('question')}: a line behind the first is no labelled choice; correct it")
    right = _OPTION.match(answer.strip())
    plain = [one[label.end() :] for one, label in zip(options, labels, strict=True) if label]
    return {"question": text, "options": plain, "answer": answer.strip()[right.end() if right else 0 :]}


def _motionbench(row: Row) -> Iterator[Row]:
    """MotionBench: a line is a video with its questions; the choices are lines of the question."""
    for entry in _entries(row, "qa"):
        yield _with(row, entry, "qa")


def _favor(row: Row) -> Iterator[Row]:
    """FAVOR-Bench: an object is a video with its questions."""
    for entry in _entries(row, "questions"):
        yield _with(row, entry, "questions")


def _exact(row: Row) -> Iterator[Row]:
    """ExAct: comments alone, so that the question is gymqa's."""
    yield replace(row, values={**row.values, "question": "Which expert comment on the performance is true?"})


def _mvp(row: Row) -> Iterator[Row]:
    """MVP: the video id without its last part names the pair; paths begin with a slash."""
    video, path = str(row.values.get("video_id", "")), row.values.get("video_path")
    pair = video.rpartition("_")[0]
    if not pair or not isinstance(path, str):
        raise GymQAError(f"{row.place('video_id, video_path')}: {video!r} of {path!r} is no half of a pair; correct it")
    yield replace(row, values={**row.values, "pair": pair, "video_path": path.lstrip("/")})


def _video_mme_2(row: Row) -> Iterator[Row]:
    """Video-MME-v2: four questions of a video are a group; videos are named with three digits."""
    video = str(row.values.get("video_id", ""))
    if not video:
        raise GymQAError(f"{row.place('video_id')}: there is no video; correct it")
    yield replace(row, values={**row.values, "video_id": video.zfill(3)})


def _videonet(row: Row) -> Iterator[Row]:
    """VideoNet: the question is a list of texts and videos; with one video, as in zero-shot, it is taken."""
    parts = [one for one in _entries(row, "question") if isinstance(one, dict)]
    texts = [str(one.get("text", "")) for one in parts if one.get("type") == "text"]
    videos = [one.get("video") for one in parts if one.get("type") == "video"]
    if len(videos) != 1 or not texts:
        raise GymQAError(f"{row.place('question')}: it has {len(videos)} videos; take a file of zero-shot questions")
    text = "\n".join(texts)
    made = {**row.values, "video": videos[0], "question": text}
    if str(row.values.get("answer", "")).lower() in ("yes", "no"):
        made |= {"options": _YES_NO, "answer": str(row.values["answer"]).capitalize()}
    else:
        lines = text.split("\n")
        labelled = [index for index, line in enumerate(lines) if re.match(r"[A-Z]\. ", line)]
        if not labelled:
            raise GymQAError(f"{row.place('question')}: it has no lettered lines; correct it")
        made["options"] = [lines[index] for index in labelled]
        made["question"] = "\n".join(lines[: labelled[0]])
    yield replace(row, values=made)


_TIMED = Columns(
    video="{@file}/{video}", question="question", options=("candidates",), answer="answer", task="@file",
    cluster="video", start="start", end="end",
)  # fmt: skip
_OURS = {
    "mvbench": Preset("MVBench, json/<task>.json; videos below a folder of the task", _TIMED, "text", _timed),
    "tvbench": Preset("TVBench, json/<task>.json; videos below a folder of the task", _TIMED, "text", _timed),
    "tempcompass": Preset(
        "TempCompass, questions/multi-choice.json, caption_matching.json, yes_no.json",
        Columns(f"videos/{{{KEY}}}.mp4", "question", "answer", ("options",), task="aspect"), "text", _tempcompass,
    ),
    "motionbench": Preset(
        "MotionBench, video_info.meta.jsonl; the dev questions, those with an answer",
        Columns("video_path", "question", "answer", task="question_type", id="uid"), "letter", _motionbench, "NA",
    ),
    "tomato": Preset(
        "TOMATO, data/<reasoning type>.json",
        Columns("{demonstration_type}/{key}.mp4", "question", "answer", ("options",), task=FILE,
                id=f"{{{FILE}}}-{{{KEY}}}"),
        "index",
    ),
    "favor-bench": Preset(
        "FAVOR-Bench, video_perspective.json",
        Columns("{video_name}.mp4", "question", "correct_answer", ("options",), task="task_type"), "text", _favor,
    ),
    "video-mme": Preset(
        "Video-MME, test.parquet",
        Columns("{videoID}.mp4", "question", "answer", ("options",), task="task_type", id="question_id"), "letter",
    ),
    "video-mme-v2": Preset(
        "Video-MME-v2, test.parquet; four questions of a video are a group, right where all are",
        Columns("{video_id}.mp4", "question", "answer", ("options",), group="video_id", id="question_id"), "letter",
        _video_mme_2,
    ),
    "mvp": Preset(
        "MVP (minimal video pairs), a table of facebook/minimal_video_pairs; a pair counts once",
        Columns("video_path", "question", "answer", ("candidates",), group="pair", task=FILE), "text", _mvp,
    ),
    "exact": Preset(
        "ExAct, data/metadata.jsonl; the order of the choices is drawn",
        Columns("file_name", "question", "groundTruth", wrong=("negative_comments",),
                cluster="take_name", task="domain", id="id"),
        "text", _exact,
    ),
    "videonet": Preset(
        "VideoNet, benchmarks/mcq_test.jsonl, mcq_val.jsonl or binary_0shot.jsonl",
        Columns("video", "question", "answer", ("options",), id="key"), "auto", _videonet,
    ),
}  # fmt: skip
PRESETS = Registry("preset", "gymqa list presets", _OURS, Preset)
