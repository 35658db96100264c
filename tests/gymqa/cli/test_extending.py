"""docs/extending.md: each of its examples is a file outside the repository that the command line takes as it stands."""

import importlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from encoders.features.store import FeatureStore
from encoders.video.factory import create_encoder
from encoders.video.image import ImageEncoder
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.hub.question_dataset import question_tier
from gymqa.questions.files import load_questions
from gymqa.runtime.runs import read_metrics
from gymqa.video_datasets.imported import read_import
from recognizers.factory import family_named, load_recognizer
from tests.helpers import warm
from tests.helpers.naming import does_name, naming
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "extending.md"
LONGEST = 40  # lines of an example
CLIPS = 6  # of the lists that nothing is learnt from by their labels
FEWER = {  # what is put behind a command of the page, so that a test takes seconds
    "train": "--training.steps 3 --training.warm_up_steps 1 --training.labelled_batch 2 --training.unlabelled_batch 2 "
    "--training.tracker none",
    "finetune": "--tuning.steps 2 --tuning.alignment.steps 2 --tuning.batch_size 2 --tuning.precision no "
    "--tuning.tracker none",
    "report": "--resamples 20",
}
MISFITS = """
number = 3
def wide(*anything): return "text"
def narrow(a, b, c, d, e, f): pass
def broken(*anything): return 1 / 0
"""


@dataclass(frozen=True)
class Example:
    """A file of the page, and the commands below it."""

    file: str
    code: str
    commands: tuple[str, ...]


def examples() -> dict[str, Example]:
    """The page's examples by the title that they stand under."""
    found = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = re.findall(r"^`(\w+\.py)`:\n\n```python\n(.*?)^```\n\n```sh\n(.*?)^```$", section, re.S | re.M)
        [(file, code, commands)] = blocks
        found[section.splitlines()[0]] = Example(file, code, tuple(commands.splitlines()))
    return found


EXAMPLES = examples()


@pytest.fixture(scope="module")
def workshop(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of a user's own, on Python's path: the page's files, a release, its splits and frames."""
    folder = tmp_path_factory.mktemp("workshop")
    for one in EXAMPLES.values():
        (folder / one.file).write_text(one.code)
    (folder / "misfits.py").write_text(MISFITS)
    (folder / "release").symlink_to(gymsim_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        assert cli.main(["split", "release", "--out", "splits"]) == 0
        for name in ("unlabelled", "val"):
            path = folder / "splits" / f"{name}.txt"
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:CLIPS]))
        lists = "splits/labelled.txt splits/unlabelled.txt splits/val.txt"
        assert cli.main(f"cache release --lists {lists} --out frames --workers 1 --size 48 --max_frames 8".split()) == 0
        fill_club(folder / "club", sorted((gymsim_root / "subactions").glob("*.mp4"))[:CLIPS])
        yield folder
        for one in (*EXAMPLES.values(), Example("misfits.py", "", ())):
            sys.modules.pop(Path(one.file).stem, None)


def fill_club(folder: Path, videos: list[Path]) -> None:
    """Videos of two moves by three gymnasts, and their list."""
    folder.mkdir()
    rows = ["video,move,gymnast"]
    for number, video in enumerate(videos):
        shutil.copy(video, folder / f"{number}.mp4")
        rows.append(f"{number}.mp4,move {number % 2},{('ann', 'bea', 'cleo')[number // 2]}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")


def write_module(folder: Path, name: str, code: str) -> None:
    """A further module for Python to find."""
    (folder / f"{name}.py").write_text(code)
    importlib.invalidate_caches()


def words_of(command: str) -> list[str]:
    """What a line of the page gives to gymqa, with fewer steps; the variables before it are left out."""
    _, _, line = command.partition("gymqa ")
    words = shlex.split(line)
    return words + FEWER.get(words[0], "").split()


def run(example: Example) -> None:
    """Run the commands of an example in the present folder."""
    for command in example.commands:
        assert cli.main(words_of(command)) == 0, command


def test_the_page_shows_all_six_and_none_is_longer_than_forty_lines() -> None:
    whats = ("A recognizer", "An algorithm", "An encoder", "An adapter", "A benchmark", "A data set")
    assert tuple(EXAMPLES) == whats
    assert {one.file: len(one.code.splitlines()) for one in EXAMPLES.values() if one.code.count("\n") > LONGEST} == {}
    assert all(one.commands for one in EXAMPLES.values())


def test_a_recognizer_trains_and_predicts_where_its_module_is_allowed(
    workshop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, predict = EXAMPLES["A recognizer"].commands
    assert cli.main(words_of(train)) == 0
    assert load_recognizer(workshop / "tiny").config.family == "tiny_net:TinyNetConfig"
    monkeypatch.delitem(sys.modules, "tiny_net")
    assert cli.main(words_of(predict)) == 2
    assert does_name(capsys.readouterr().err, "tiny_net:TinyNetConfig", "GYMQA_PLUGINS=tiny_net")
    variables = dict(one.split("=", 1) for one in predict.partition(" gymqa ")[0].split())
    given = {**variables, "PYTHONPATH": f"{variables['PYTHONPATH']}{os.pathsep}{ROOT}"}
    ran = warm.run(["-m", "gymqa.cli.main", *words_of(predict)], cwd=workshop, **given)
    assert ran.returncode == 0, ran.stderr
    assert len((workshop / "tiny.jsonl").read_text().splitlines()) == CLIPS


def test_a_saved_model_can_only_name_a_config_class(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GymQAError, match=naming("os:system", "ModelConfig")):
        family_named("os:system")
    monkeypatch.setenv("GYMQA_PLUGINS", "this, antigravity")
    with pytest.raises(GymQAError, match=naming("elsewhere:Net", "GYMQA_PLUGINS=elsewhere")):
        family_named("elsewhere:Net")


def test_an_algorithm_trains_with_a_term_of_its_own(workshop: Path) -> None:
    run(EXAMPLES["An algorithm"])
    terms = [line["cautious:Entropy"] for line in read_metrics(workshop / "cautious" / "metrics.jsonl")]
    assert terms and all(term >= 0 for term in terms)


def test_an_encoders_features_are_tuned_on_and_made_again_from_their_fingerprint(
    workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(EXAMPLES["An encoder"])
    store = FeatureStore(workshop / "features")
    assert store.fingerprint["encoder"] == "motion_grid:make" and store.dim == 6 * 3 * 3
    assert {path.name for path in (workshop / "answers").glob("*.jsonl")} == {
        "gym-qa-hard.jsonl",
        "gym-qa-hard.shuffled.jsonl",
    }
    video = next((workshop / "club").glob("*.mp4"))
    asked = f"ask {video} What? --model mllm --encoder motion_grid:make --choices Yes No"
    assert cli.main(asked.split()) == 0
    again = "--model mllm --questions hard.jsonl --frames frames --controls frozen --out again"
    assert cli.main(["evaluate", *again.split()]) == 2
    assert does_name(capsys.readouterr().err, "motion_grid:make", "--encode_with")
    layered = "extract motion_grid:make frames --clips splits/val.txt --layer 2 --out other"
    assert cli.main(layered.split()) == 2
    assert does_name(capsys.readouterr().err, "motion_grid:make", "layer", "grid")


def test_an_encoder_takes_a_source_and_a_kind_of_ours_wins_over_a_module_of_its_name(workshop: Path) -> None:
    write_module(workshop, "image", "def shipped(source, options, device): raise AssertionError(source)\n")
    assert isinstance(create_encoder("image:shipped"), ImageEncoder)
    write_module(
        workshop,
        "sourced",
        "from motion_grid import MotionGrid\n\n\nclass Sourced(MotionGrid):\n"
        "    def __init__(self, source, options, device):\n"
        "        super().__init__(1)\n        self.revision = source\n\n"
        "    def fingerprint(self):\n        return {'encoder': 'sourced:Sourced', 'revision': self.revision}\n",
    )
    assert create_encoder("sourced:Sourced:some/folder:1").revision == "some/folder:1"
    with pytest.raises(GymQAError, match=naming("motion_grid:MotionGrid", "EncoderMaker", "docs/extending.md")):
        create_encoder("motion_grid:MotionGrid")


def test_an_adapter_answers(workshop: Path) -> None:
    run(EXAMPLES["An adapter"])
    assert len((workshop / "longest" / "gym-qa.jsonl").read_text().splitlines()) == CLIPS


def test_a_benchmark_of_ones_own_goes_all_the_way_to_the_leaderboard(workshop: Path) -> None:
    run(EXAMPLES["A benchmark"])
    questions = load_questions(workshop / "apparatus.jsonl")
    assert {one.benchmark for one in questions} == {"apparatus:build"} and len(questions) == CLIPS
    assert "apparatus:build" in (workshop / "page" / "leaderboard.json").read_text()
    with pytest.raises(GymQAError, match=naming(questions[0].id, "apparatus:build")):
        question_tier(questions[0])


def test_a_data_set_is_imported_with_its_fold(workshop: Path) -> None:
    run(EXAMPLES["A data set"])
    found = read_import(workshop / "lists")
    assert found.classes == ("move 0", "move 1")
    assert [clip.video_id for clip in found.splits.val] == ["ann", "ann"]


TAKEN = {  # commands that take a name, and what a plug-in must be
    "recognizer": ("train splits frames --recognizer {}", "RecognizerMaker", "ModelConfig"),
    "algorithm": ("train splits frames --algorithm {}", "Algorithm", "Algorithm"),
    "encoder": ("extract {} frames --clips splits/val.txt --out refused", "EncoderMaker", "VideoEncoder"),
    "adapter": (
        "evaluate --adapter {} --name x --questions few.jsonl --out refused", "AdapterMaker", "Loaded",
    ),
    "benchmark": ("questions build splits/val.txt --finegym release --benchmark {}", "BenchmarkBuilder", "list"),
    "data set": ("dataset import {} club --out refused", "DatasetReader", "VideoDataset"),
}  # fmt: skip


@pytest.mark.parametrize("noun", TAKEN)
def test_what_is_not_there_or_does_not_fit_is_refused_in_a_sentence(
    noun: str, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, maker, made = TAKEN[noun]
    assert cli.main(["questions", "build", "splits/val.txt", "--finegym", "release", "--out", "few.jsonl"]) == 0
    capsys.readouterr()
    not_fit = "docs/extending.md"
    for name, said in (
        ("nowhere:thing", ("nowhere", "PYTHONPATH")),
        ("misfits:absent", ("misfits", "absent")),
        ("misfits:number", ("int", maker, not_fit)),
        ("misfits:narrow", (maker, not_fit)),
        ("misfits:wide", ("str" if noun != "algorithm" else "function", made, not_fit)),
        ("misfits:broken", ("ZeroDivisionError",) if noun != "algorithm" else (made,)),
    ):
        assert cli.main(words.format(name).split()) == 2
        told = capsys.readouterr().err
        assert does_name(told, noun, name, *said), told
        assert told.startswith("gymqa: ") and told.count("\n") == 1


@pytest.mark.parametrize(
    ("noun", "file", "old", "new"),
    [
        ("recognizer", "tiny_net", '"tiny_net:TinyNetConfig"', '"tiny_net"'),
        ("encoder", "motion_grid", '"encoder": "motion_grid:make"', '"encoder": "grid"'),
        ("benchmark", "apparatus", "kind=NAME", 'kind="elsewhere:build"'),
    ],
)
def test_what_does_not_name_itself_is_told_which_name_to_take(
    noun: str, file: str, old: str, new: str, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (workshop / f"{file}.py").read_text()
    assert old in code
    write_module(workshop, f"unnamed_{file}", code.replace(old, new))
    name = {"tiny_net": "TinyNetConfig", "motion_grid": "make", "apparatus": "build"}[file]
    assert cli.main(TAKEN[noun][0].format(f"unnamed_{file}:{name}").split()) == 2
    assert does_name(capsys.readouterr().err, noun, f"'unnamed_{file}:{name}'")
