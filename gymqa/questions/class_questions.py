"""Build questions from any list of classes: random and similar-name choices, attributes of class names, minimal pairs.

They are of the kind IMPORTED, and their set is named after the data set and the benchmark, `ucf101-similar`. Where a
class's name is a list of attributes, as Diving48's "Back 15som 05Twis FREE", they can be asked one by one.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.questions.schema import IMPORTED, LETTERS, Question, require_source
from gymqa.runtime.seeding import SeededRandom

TEXT = "Which action is shown in the video?"
ATTRIBUTES = {"diving48": ("take-off", "number of somersaults", "number of twists", "body position")}
"""Data set -> what the words of its class names say, in their order."""
_NUMBER = re.compile(r"(\d)(\d?)(?:som|Twis)")
_VALUES = {"Dive": "a plain dive", "NoTwis": "none", "FREE": "free", "PIKE": "pike", "TUCK": "tuck", "STR": "straight"}
_TAKE_OFFS = ("Back", "Forward", "Inward", "Reverse")


@dataclass(frozen=True)
class ClassSet:
    """Labelled clips of a data set.

    Attributes:
        name: of the data set.
        classes: names, by label.
        clips: with labels.
        paths: clip id -> path of its video.
        attributes: what each word of a class's name says; empty if the names are no such lists.
    """

    name: str
    classes: tuple[str, ...]
    clips: Sequence[Clip]
    paths: Mapping[str, str]
    attributes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        beyond = next((one.id for one in self.clips if one.label is None or one.label >= len(self.classes)), None)
        if beyond is not None:
            raise GymQAError(f"clip {beyond} has no label among the {len(self.classes)} classes of {self.name}")
        if missing := next((one.id for one in self.clips if one.id not in self.paths), None):
            raise GymQAError(f"clip {missing} is not in the imported {self.name}; use lists and folder of one import")
        wrong = next(
            (one for one in self.classes if self.attributes and len(one.split()) != len(self.attributes)), None
        )
        if wrong is not None:
            raise GymQAError(f"the class {wrong!r} has no word for each of {', '.join(self.attributes)}; correct them")

    @cached_property
    def values(self) -> list[tuple[str, ...]]:
        """Value of each attribute, by class."""
        return [tuple(map(_readable, name.split())) for name in self.classes]

    def label(self, clip: Clip) -> int:
        """The label of a clip, which has one."""
        return clip.label or 0


def build_class_questions(data: ClassSet, benchmark: str, seed: int = 0, n_choices: int = 4) -> list[Question]:
    """The questions of one benchmark, in the order of the clips.

    Args:
        data: the clips.
        benchmark: random or similar (which class it is, beside any others or those with similar names), attributes
            (one attribute of the class's name), pairs (two clips, one attribute, two answers).
        seed: of what is drawn; other clips change no question but those of a pair with another partner.
        n_choices: number of choices, 2 to 26; fewer where there are no more values.

    Raises:
        GymQAError: no such benchmark, too few classes, or class names without attributes.
    """
    if benchmark not in CLASS_BENCHMARKS:
        known = ", ".join(CLASS_BENCHMARKS)
        raise GymQAError(f"questions of an imported data set are of {known}, not of {benchmark!r}; choose one of them")
    require_source(f"{data.name}-{benchmark}")
    most = min(len({_plain(name) for name in data.classes}), len(LETTERS))
    if not 2 <= n_choices <= most:
        raise GymQAError(f"questions of {data.name} can have 2 to {most} choices, not {n_choices}")
    if benchmark in ("attributes", "pairs") and not data.attributes:
        raise GymQAError(f"the class names of {data.name} are no lists of attributes; name those by --attributes")
    return list(CLASS_BENCHMARKS[benchmark](data, seed, n_choices))


def _random(data: ClassSet, seed: int, n_choices: int) -> Iterator[Question]:
    for clip in data.clips:
        rng = SeededRandom(clip.id, data.name, "random", seed)
        others = [name for label, name in enumerate(data.classes) if label != data.label(clip)]
        yield _of_class(data, clip, "random", list(rng.shuffled(others)), rng, seed, n_choices)


def _similar(data: ClassSet, seed: int, n_choices: int) -> Iterator[Question]:
    """Drawn from the twice as many nearest names, so that the right one is not always in their middle."""
    near: dict[int, list[str]] = {}
    parts = [_parts(name) for name in data.classes]
    for clip in data.clips:
        label, rng = data.label(clip), SeededRandom(clip.id, data.name, "similar", seed)
        if label not in near:
            ranked = sorted(
                (other for other in range(len(data.classes)) if other != label),
                key=lambda other: (-len(parts[label] & parts[other]) / len(parts[label] | parts[other]), other),
            )
            near[label] = [data.classes[other] for other in ranked]
        first, rest = near[label][: 2 * (n_choices - 1)], near[label][2 * (n_choices - 1) :]
        yield _of_class(data, clip, "similar", [*rng.shuffled(first), *rest], rng, seed, n_choices)


def _of_class(
    data: ClassSet, clip: Clip, benchmark: str, others: Sequence[str], rng: SeededRandom, seed: int, n_choices: int
) -> Question:
    """The question for the class, with the first of the other names that differ."""
    right = data.classes[data.label(clip)]
    chosen = {_plain(right): right}
    for name in others:
        if len(chosen) < n_choices:
            chosen.setdefault(_plain(name), name)
    choices = tuple(rng.shuffled(list(chosen.values())))
    return _question(data, clip, benchmark, f"{seed}:{clip.id}", TEXT, choices, right)


def _attributes(data: ClassSet, seed: int, n_choices: int) -> Iterator[Question]:
    """One attribute of each clip, drawn among those that have several values."""
    columns = [sorted({values[index] for values in data.values}) for index in range(len(data.attributes))]
    open_ones = [index for index, column in enumerate(columns) if len(column) > 1]
    for clip in data.clips if open_ones else ():
        rng = SeededRandom(clip.id, data.name, "attributes", seed)
        index = open_ones[rng.below(len(open_ones))]
        right = data.values[data.label(clip)][index]
        wrong = list(rng.shuffled([value for value in columns[index] if value != right]))[: n_choices - 1]
        choices, text = tuple(rng.shuffled([right, *wrong])), _asks(data.attributes[index])
        yield _question(data, clip, "attributes", f"{seed}:{clip.id}", text, choices, right, data.attributes[index])


def _pairs(data: ClassSet, seed: int, n_choices: int) -> Iterator[Question]:
    """Pairs of clips whose classes differ in one attribute, of the same video where there is one."""
    members: dict[tuple[int, str], list[Clip]] = defaultdict(list)
    for clip in sorted(data.clips, key=lambda one: one.id):
        members[data.label(clip), clip.video_id].append(clip)
        members[data.label(clip), ""].append(clip)
    seen: set[tuple[str, str]] = set()
    for clip in data.clips:
        rng = SeededRandom(clip.id, data.name, "pairs", seed)
        near = list(rng.shuffled(_neighbours(data, data.label(clip))))
        found = (members[other, video] for video in (clip.video_id, "") for other in near if (other, video) in members)
        candidates = next(found, None)
        if candidates is None:
            continue
        partner = candidates[rng.below(len(candidates))]
        first, second = sorted((clip, partner), key=lambda one: one.id)
        if (first.id, second.id) not in seen:
            seen.add((first.id, second.id))
            yield from _pair(data, first, second, seed)


def _neighbours(data: ClassSet, label: int) -> list[int]:
    """Labels of the classes that differ in one attribute."""
    own = data.values[label]
    return [
        other
        for other, values in enumerate(data.values)
        if sum(mine != theirs for mine, theirs in zip(own, values, strict=True)) == 1
    ]


def _pair(data: ClassSet, first: Clip, second: Clip, seed: int) -> Iterator[Question]:
    values = [data.values[data.label(clip)] for clip in (first, second)]
    index = next(one for one in range(len(data.attributes)) if values[0][one] != values[1][one])
    group = f"{seed}:{first.id}+{second.id}"
    choices = tuple(SeededRandom(group, data.name).shuffled([one[index] for one in values]))
    for clip, own in zip((first, second), values, strict=True):
        attribute = data.attributes[index]
        id, text = f"{group}:{clip.id}", _asks(attribute)
        yield _question(data, clip, "pairs", id, text, choices, own[index], attribute, f"{data.name}-pairs:{group}")


def _question(
    data: ClassSet, clip: Clip, benchmark: str, id: str, text: str, choices: tuple[str, ...], right: str,
    task: str = "", group: str = "",
) -> Question:  # fmt: skip
    source = f"{data.name}-{benchmark}"
    return Question(
        f"{source}:{id}", clip.id, clip.video_id, text, choices, choices.index(right), kind=IMPORTED, group=group,
        source=source, task=task, video=data.paths[clip.id],
    )  # fmt: skip


def _asks(attribute: str) -> str:
    return f"Which {attribute} is shown in the video?"


def _readable(word: str) -> str:
    """A word of Diving48's vocabulary in plain words, "15som" as "1.5"; any other as it is."""
    if number := _NUMBER.fullmatch(word):
        return f"{number[1]}.{number[2]}" if number[2] else number[1]
    return word.lower() if word in _TAKE_OFFS else _VALUES.get(word, word)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _parts(name: str) -> set[str]:
    """Words, and runs of three letters: what two names have in common."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    padded = f" {' '.join(words)} "
    return {*words, *(padded[start : start + 3] for start in range(len(padded) - 2))}


CLASS_BENCHMARKS: dict[str, Callable[[ClassSet, int, int], Iterator[Question]]] = {
    "random": _random,
    "similar": _similar,
    "attributes": _attributes,
    "pairs": _pairs,
}
