"""Questions from any list of classes: answers are the clips' labels, draws are seeded, pairs differ in one value."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.questions.class_questions import ATTRIBUTES, CLASS_BENCHMARKS, ClassSet, build_class_questions
from gymqa.questions.files import load_questions
from gymqa.questions.schema import Question
from gymqa.questions.validation import validate
from tests.helpers.naming import does_name, naming

DIVES = [
    f"{take_off} {somersaults} {twists} {position}"
    for take_off in ("Back", "Forward") for somersaults in ("15som", "2som", "Dive")
    for twists in ("NoTwis", "25Twis") for position in ("PIKE", "TUCK")
]  # fmt: skip
NAMES = ["long jump", "high jump", "triple jump", "javelin throw", "hammer throw", "rowing", "kayaking", "sailing"]


def clips_of(n_classes: int, per_class: int = 3) -> list[Clip]:
    names = [(label, take) for label in range(n_classes) for take in range(per_class)]
    return [Clip(f"c{label}_{take}@v{take}", f"v{take}", label) for label, take in names]


def diving() -> ClassSet:
    clips = clips_of(len(DIVES))
    return ClassSet("diving48", tuple(DIVES), clips, {one.id: f"{one.id}.mp4" for one in clips}, ATTRIBUTES["diving48"])


def sports() -> ClassSet:
    clips = clips_of(len(NAMES))
    return ClassSet("sports", tuple(NAMES), clips, {one.id: f"{one.id}.mp4" for one in clips})


@given(st.sampled_from(sorted(CLASS_BENCHMARKS)), st.integers(0, 5), st.integers(2, 8))
def test_every_question_is_sound_and_its_answer_that_of_the_clip(benchmark: str, seed: int, n_choices: int) -> None:
    data = diving()
    found = build_class_questions(data, benchmark, seed, n_choices)
    assert found and not validate(found) and {one.benchmark for one in found} == {f"diving48-{benchmark}"}
    labels = {clip.id: clip.label or 0 for clip in data.clips}
    for one in found:
        right, label = one.choices[one.answer], labels[one.clip_id]
        if one.task:
            assert data.values[label][data.attributes.index(one.task)] == right
        else:
            assert right == data.classes[label] and len(one.choices) == n_choices
    assert found == build_class_questions(data, benchmark, seed, n_choices)


@pytest.mark.parametrize("benchmark", ["random", "similar", "attributes"])
def test_other_clips_change_no_question(benchmark: str) -> None:
    data = diving()
    fewer = replace(data, clips=data.clips[::3])
    asked = {one.id: one for one in build_class_questions(data, benchmark)}
    assert all(asked[one.id] == one for one in build_class_questions(fewer, benchmark))


def test_similar_names_stand_beside_the_right_one() -> None:
    def jumps(benchmark: str) -> float:
        found = [one for one in build_class_questions(sports(), benchmark, 0, 3) if "jump" in one.choices[one.answer]]
        return sum(choice.endswith("jump") for one in found for choice in one.choices) / len(found)

    assert jumps("similar") > jumps("random") + 0.5


def test_values_are_in_plain_words() -> None:
    values = {value for values in diving().values for value in values}
    assert values == {"back", "forward", "1.5", "2", "a plain dive", "none", "2.5", "pike", "tuck"}


def test_a_pair_is_two_clips_one_question_and_two_answers() -> None:
    data = diving()
    labels = {clip.id: clip.label or 0 for clip in data.clips}
    groups: dict[str, list[Question]] = defaultdict(list)
    for one in build_class_questions(data, "pairs"):
        groups[one.group].append(one)
    assert len(groups) >= len(data.clips) / 2
    for first, second in groups.values():
        assert (first.text, first.choices, first.task) == (second.text, second.choices, second.task)
        assert first.answer != second.answer and first.video_id == second.video_id
        values = [data.values[labels[one.clip_id]] for one in (first, second)]
        assert sum(a != b for a, b in zip(*values, strict=True)) == 1
    answers = Counter(one.answer for pair in groups.values() for one in pair)
    assert answers[0] == answers[1] == len(groups)


@pytest.mark.parametrize(
    ("benchmark", "n_choices", "named"),
    [("nearest", 4, "nearest"), ("attributes", 4, "--attributes"), ("pairs", 2, "--attributes"), ("random", 9, "9")],
)
def test_what_cannot_be_asked_is_refused(benchmark: str, n_choices: int, named: str) -> None:
    with pytest.raises(GymQAError, match=naming(named)):
        build_class_questions(sports(), benchmark, 0, n_choices)


def test_names_without_a_word_for_each_attribute_and_foreign_clips_are_refused() -> None:
    with pytest.raises(GymQAError, match="rowing"):
        replace(sports(), attributes=("sort", "sport"))
    with pytest.raises(GymQAError, match=naming("c@v")):
        replace(sports(), clips=[Clip("c@v", "v", 1)])
    with pytest.raises(GymQAError, match=naming("c0_0@v0")):
        replace(sports(), clips=[replace(sports().clips[0], label=8)])


def test_diving48_from_its_files_to_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "Diving48"
    root.mkdir()
    (root / "Diving48_vocab.json").write_text(json.dumps([name.split() for name in DIVES]))
    for side, video in (("train", "a"), ("test", "b")):
        entries = [{"vid_name": f"{video}_{label:05}", "label": label} for label in range(len(DIVES))]
        (root / f"Diving48_V2_{side}.json").write_text(json.dumps(entries))
    lists, out = tmp_path / "lists", tmp_path / "test.jsonl"
    assert main(["dataset", "import", "diving48", str(root), "--out", str(lists)]) == 0
    build = ["questions", "build", str(lists / "val.txt"), "--out", str(out)]
    assert main([*build, "--dataset", str(lists), "--benchmark", "pairs"]) == 0
    found = load_questions(out)
    assert len({one.group for one in found}) * 2 == len(found) and found[0].video.startswith("b_")
    assert main(["questions", "validate", str(out)]) == 0 and main(["questions", "stats", str(out)]) == 0
    capsys.readouterr()
    assert main(build) == 2 and does_name(capsys.readouterr().err, "--finegym", "--dataset")
    assert main([*build, "--dataset", str(lists)]) == 2 and does_name(capsys.readouterr().err, "gym-qa", "similar")
    named = ["--benchmark", "attributes", "--attributes", "start", "flips", "screws", "shape"]
    assert main([*build, "--dataset", str(lists), *named]) == 0
    assert {one.task for one in load_questions(out)} == {"start", "flips", "screws", "shape"}
