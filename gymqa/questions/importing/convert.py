"""Make Questions of the rows of another question set, and a sentence for every row that is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import make_clip_id
from gymqa.questions.importing.answers import AnswerForm, choices_of, right_index, split_lettered, without_labels
from gymqa.questions.importing.columns import Columns, path_of, seconds_of, text_of, value_of
from gymqa.questions.importing.presets import Preset
from gymqa.questions.importing.rows import Row
from gymqa.questions.schema import IMPORTED, LETTERS, Question, require_source
from gymqa.runtime.seeding import SeededRandom


@dataclass(frozen=True, slots=True)
class Segment:
    """Seconds of a video that a clip is cut from."""

    video: str
    start: float
    end: float


@dataclass(slots=True)
class ImportedSet:
    """Questions, segments of their clips by clip id, a sentence for each wrong row, and the number without answer."""

    questions: list[Question]
    segments: dict[str, Segment]
    problems: list[str]
    unanswered: int = 0


def import_rows(rows: Iterable[Row], preset: Preset, source: str, seed: int = 0) -> ImportedSet:
    """Make questions of rows.

    Args:
        rows: of one or more tables.
        preset: what their columns hold, and how.
        source: name of the set, the questions' benchmark.
        seed: of the order of choices, where a table has the right and the wrong ones apart.

    Returns:
        Every question of a right row, and a sentence for every wrong one, which names file, line and column.

    Raises:
        GymQAError: the source is no name, or a file cannot be read.
    """
    require_source(source)
    reader, found = _Reader(preset.columns, source, preset.answer, seed), ImportedSet([], {}, [])
    places: dict[str, str] = {}
    number = 0
    for outer in rows:
        try:
            inner = list(preset.rows(outer))
        except GymQAError as error:
            found.problems.append(str(error))
            continue
        for row in inner:
            if preset.unanswered and row.values.get(preset.columns.answer) == preset.unanswered:
                found.unanswered += 1
            else:
                _add(found, reader, row, f"{source}-{number:06}", places)
            number += 1
    return found


def _add(found: ImportedSet, reader: "_Reader", row: Row, id: str, places: dict[str, str]) -> None:
    """Add the question of a row, or the sentence on what is wrong with it."""
    try:
        question, segment = reader.read(row, id)
    except GymQAError as error:
        found.problems.append(str(error))
        return
    if question.id in places:
        where = row.place(reader.columns.id)
        found.problems.append(f"{where}: the id {question.id} is also that of {places[question.id]}; correct one")
        return
    places[question.id] = row.place()
    found.questions.append(question)
    if segment is not None:
        found.segments[question.clip_id] = segment


class _Reader:
    """Makes a question of a row."""

    def __init__(self, columns: Columns, source: str, form: AnswerForm, seed: int) -> None:
        self.columns, self._source, self._form, self._seed = columns, source, form, seed
        self._clips: dict[tuple[str, str], str] = {}
        self._paths: dict[str, str] = {}

    def read(self, row: Row, id: str) -> tuple[Question, Segment | None]:
        columns = self.columns
        if columns.id:
            id = text_of(value_of(row, columns.id), row, columns.id)
        video = self._path(row)
        segment = self._segment(row, video)
        name = video.removesuffix(".mp4")
        name = name if segment is None else f"{name}#{segment.start:g}-{segment.end:g}"
        cluster = text_of(value_of(row, columns.cluster), row, columns.cluster) if columns.cluster else video
        clip = self._clips.get((name, cluster)) or make_clip_id(name, cluster, row.place(columns.video))
        self._clips[name, cluster] = clip
        text, choices, answer = self._asked(row, id)
        try:
            question = Question(
                id, clip, clip.rpartition("@")[2], text, choices, answer, kind=IMPORTED, source=self._source,
                group=self._optional(row, columns.group), task=self._optional(row, columns.task), video=video,
            )  # fmt: skip
        except GymQAError as error:
            raise GymQAError(f"{row.place(', '.join(columns.options) or columns.question)}: {error}") from error
        return question, segment

    def _path(self, row: Row) -> str:
        """The path of the video, checked once for all its questions."""
        value = value_of(row, self.columns.video)
        if isinstance(value, str) and value in self._paths:
            return self._paths[value]
        path = path_of(value, row, self.columns.video)
        if isinstance(value, str):
            self._paths[value] = path
        return path

    def _optional(self, row: Row, spec: str) -> str:
        value = value_of(row, spec) if spec else ""
        return "" if value in ("", None) else text_of(value, row, spec)

    def _segment(self, row: Row, video: str) -> Segment | None:
        """The seconds that the question is about; None for all of the video."""
        start, end = (seconds_of(row, spec) for spec in (self.columns.start, self.columns.end))
        if start is None and end is None:
            return None
        if start is None or end is None or not 0 <= start < end:
            column = f"{self.columns.start}, {self.columns.end}"
            raise GymQAError(f"{row.place(column)}: {start} to {end} are no seconds of a video; give both, in order")
        return Segment(video, start, end)

    def _asked(self, row: Row, id: str) -> tuple[str, tuple[str, ...], int]:
        """Text, choices and the index of the right one."""
        columns = self.columns
        text = text_of(value_of(row, columns.question), row, columns.question)
        answer = value_of(row, columns.answer)
        if columns.wrong:
            right = text_of(answer, row, columns.answer)
            given = [right, *choices_of(row, columns.wrong)]
            order = list(SeededRandom("order of choices", id, self._seed).shuffled(range(len(given))))
            return text, tuple(given[index] for index in order), order.index(0)
        if columns.options:
            choices = without_labels(choices_of(row, columns.options))
        else:
            text, choices = split_lettered(text, row.place(columns.question))
        if not 2 <= len(choices) <= len(LETTERS):
            where = row.place(", ".join(columns.options) or columns.question)
            raise GymQAError(f"{where}: {len(choices)} choices make no question; give 2 to {len(LETTERS)}")
        try:
            return text, tuple(choices), right_index(answer, choices, self._form)
        except GymQAError as error:
            raise GymQAError(f"{row.place(columns.answer)}: {error}") from error
