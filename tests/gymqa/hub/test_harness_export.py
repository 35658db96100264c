"""Exports for lmms-eval and VLMEvalKit: their field names, and functions that run where gymqa is not installed."""

import csv
import json
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from eval.adapters.prompting import lettered
from eval.parsing.choice import parse_choice
from gymqa.cli import main as cli
from gymqa.hub.data_card import data_card
from gymqa.hub.question_dataset import QuestionSplit, write_dataset
from gymqa.questions.schema import Question, format_question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import does_name
from tests.helpers.places import ROOT

VIDEO = "gymsimV0000"


def question(number: int, **changes: Any) -> Question:
    one, labels = clip(0, number, VIDEO), (1, 0)
    names = tuple(GYMSIM.elements[label].display_name for label in labels)
    element = GYMSIM.elements[0]
    made = Question(
        f"q{number}", one.id, VIDEO, 'Which "move"?', names, 1, "set", "set", labels, element.event, element.set_id, 0
    )
    return replace(made, **changes)


def pair_of(number: int) -> tuple[Question, Question]:
    return question(number, group="0012"), question(number + 1, group="0012")


SPLITS = [
    QuestionSplit("gymsim24", "set", "val", (question(0), question(1))),
    QuestionSplit("gymsim24", "minimal-pairs", "val", pair_of(2)),
    QuestionSplit("gymsim24", "random", "train", (question(4),)),
]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "ds", SPLITS, data_card("me/gym-qa", SPLITS, GYMSIM))
    return tmp_path / "ds"


class _Task(yaml.SafeLoader):
    """YAML as lmms-eval reads it: `!function module.name` stands for a function of a file beside it."""


_Task.add_constructor("!function", lambda loader, node: ("function", loader.construct_scalar(node)))


def export(kind: str, dataset: Path, out: Path, *words: str) -> Path:
    assert cli.main(["export", kind, str(out), "--dataset", str(dataset), *words]) == 0
    return out


def alone(folder: Path, code: str, *arguments: str) -> Any:
    """Run code in `folder` by a Python that sees no package but the standard library's, and read what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_lmms_eval_gets_a_task_a_tier_and_a_group(dataset: Path, tmp_path: Path) -> None:
    out = export("lmms-eval", dataset, tmp_path / "tasks", "--videos", str(tmp_path))
    assert sorted(path.name for path in out.iterdir()) == [
        "gymqa_gymsim24.yaml",
        "gymqa_gymsim24_minimal_pairs.yaml",
        "gymqa_gymsim24_set.yaml",
        "gymqa_parsing",
        "utils.py",
    ]
    tasks = ["gymqa_gymsim24_set", "gymqa_gymsim24_minimal_pairs"]
    group = yaml.safe_load((out / "gymqa_gymsim24.yaml").read_text())
    assert group == {"group": "gymqa_gymsim24", "task": tasks}
    task = yaml.load((out / f"{tasks[0]}.yaml").read_text(), _Task)  # a SafeLoader
    assert (task["task"], task["dataset_path"], task["dataset_name"]) == (tasks[0], str(dataset), "gymsim24-set")
    assert (task["test_split"], task["output_type"], task["cluster_key"]) == ("val", "generate_until", "video_id")
    functions = ("doc_to_visual", "doc_to_text", "doc_to_choice", "doc_to_target", "process_results")
    assert [task[name] for name in functions] == [("function", f"utils.{name}") for name in functions]
    assert task["metadata"] == {"version": 2.0}
    assert [metric["metric"] for metric in task["metric_list"]] == ["gymqa_accuracy", "gymqa_answered"]
    means = [metric["aggregation"] for metric in task["metric_list"]]
    assert means == [("function", "utils.aggregate"), ("function", "utils.aggregate_answered")]
    assert task["lmms_eval_specific_kwargs"]["default"]["videos"] == str(tmp_path)


def test_lmms_evals_functions_run_on_a_row_of_the_data_set(dataset: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    out = export("lmms-eval", dataset, tmp_path / "tasks")
    doc = next(iter(load_dataset(str(dataset), "gymsim24-set", split="val", streaming=True)))
    footage = tmp_path / doc["video"]
    footage.parent.mkdir()
    footage.touch()
    code = """
import json, utils
doc, root = json.loads(sys.argv[1]), sys.argv[2]
away = []
for video in ("../x.mp4", "/etc/x.mp4", "subactions/none.mp4"):
    try:
        utils.doc_to_visual({**doc, "video": video}, {"videos": root})
    except (ValueError, FileNotFoundError) as error:
        away.append(type(error).__name__)
print(json.dumps({
    "visual": utils.doc_to_visual(doc, {"videos": root}),
    "away": away,
    "text": utils.doc_to_text(doc, {"pre_prompt": "<", "post_prompt": ">"}),
    "choice": utils.doc_to_choice(doc),
    "target": utils.doc_to_target(doc),
    "half": sorted(utils.process_results({**doc, "group": "p"}, ["B"])["gymqa_accuracy"]),
    "right": utils.process_results(doc, ["B"]),
    "losses": utils.process_results(doc, [(2.0, False), (1.0, True)])["gymqa_accuracy"]["score"],
    "tie": utils.process_results(doc, [(1.0, False), (1.0, True)])["gymqa_answered"]["score"],
}))
"""
    got = alone(out, code, json.dumps(doc), str(tmp_path))
    assert got["visual"] == [str(footage)]
    assert got["away"] == ["ValueError", "ValueError", "FileNotFoundError"]
    assert got["text"] == f"<{format_question(SPLITS[0].questions[0])}>"
    assert (got["target"], got["half"]) == ("B", ["group", "question_id", "score_of_half", "video_id"])
    assert got["choice"] == ["A", "B"]
    about = {"question_id": "q0", "video_id": VIDEO, "group": ""}
    assert got["right"] == {"gymqa_accuracy": {"score": 1, **about}, "gymqa_answered": {"score": 1, **about}}
    assert (got["losses"], got["tie"]) == (1, 0)


REPLIES = [one["reply"] for one in map(json.loads, (ROOT / "tests/eval/parsing/written_replies.jsonl").open())][::7]


@pytest.mark.parametrize("kind", ["lmms-eval", "vlmevalkit"])
def test_the_parser_shipped_reads_as_gymqas_and_needs_no_package(kind: str, dataset: Path, tmp_path: Path) -> None:
    out = export(kind, dataset, tmp_path / "out")
    code = """
import json
from gymqa_parsing.choice import parse_choice
choices = ["split leap", "wolf jump", "kip", "cast"]
print(json.dumps([parse_choice(reply, choices) for reply in json.loads(sys.argv[1])]))
"""
    read = alone(out, code, json.dumps(REPLIES))
    assert read == [parse_choice(reply, ["split leap", "wolf jump", "kip", "cast"]) for reply in REPLIES]
    assert len(set(read)) == 5


def test_a_minimal_pair_is_right_where_both_answers_are_and_answered_counts_questions(
    dataset: Path, tmp_path: Path
) -> None:
    out = export("lmms-eval", dataset, tmp_path / "tasks")
    code = """
import json, utils
halves = [{"question_id": n, "group": f"p{n // 2}", "score_of_half": score} for n, score in enumerate([1, 0, 1, 1])]
singles = [{"question_id": n, "group": "", "score": score} for n, score in enumerate([1, 0])]
answered = [{"question_id": n, "group": "p", "score": score} for n, score in enumerate([1, 0, 1])]
print(json.dumps([utils.aggregate(halves), utils.aggregate(singles), utils.aggregate_answered(answered)]))
"""
    assert alone(out, code) == [0.5, 0.5, 2 / 3]


LOAD = """
import json, pandas

def load(path):
    return json.load(open(path)) if path.endswith(".json") else pandas.read_csv(path, sep="\\t")
"""
STAND_IN = """
class VideoBaseDataset:
    def __init__(self, dataset, nframe=8):
        ret = self.prepare_dataset(dataset)
        self.data_root, self.data_file = ret["root"], ret["data_file"]
"""


def test_vlmevalkit_gets_a_class_and_its_tsv(dataset: Path, tmp_path: Path) -> None:
    out = export("vlmevalkit", dataset, tmp_path / "kit", "--videos", "/clips")
    with (out / "GymQA-gymsim24.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {"index", "video", "question", "candidates", "answer", "tier"} <= rows[0].keys()
    first = SPLITS[0].questions[0]
    assert [row["index"] for row in rows] == ["0", "1", "2", "3"]
    assert [row["tier"] for row in rows] == ["set", "set", "minimal-pairs", "minimal-pairs"]
    assert (rows[0]["video"], rows[0]["answer"], rows[0]["question"]) == (first.clip_id, "B", first.text)
    assert json.loads(rows[0]["candidates"]) == list(first.choices)
    code = (out / "gymqa_vlmevalkit.py").read_text()
    compile(code, "gymqa_vlmevalkit.py", "exec")
    assert 'TYPE = "Video-MCQ"' in code and "class GymQA(VideoBaseDataset)" in code


@pytest.mark.slow
def test_vlmevalkits_class_scores_a_file_of_predictions(dataset: Path, tmp_path: Path) -> None:
    """The two names of VLMEvalKit that the class imports are stood in for; pandas reads the TSV, as there."""
    out = export("vlmevalkit", dataset, tmp_path / "kit", "--videos", "/clips")
    for name, code in (
        ("__init__.py", ""),
        ("smp.py", LOAD),
        ("dataset/__init__.py", ""),
        ("dataset/video_base.py", STAND_IN),
    ):
        (out / "vlmeval" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "vlmeval" / name).write_text(code)
    code = """
import json, sys
from gymqa_vlmevalkit import GymQA
from vlmeval.smp import load
made = GymQA("GymQA-gymsim24")
made.data = load(made.data_file)
message = made.build_prompt(0, video_llm=True)
made.data["prediction"] = ["B", "B. " + json.loads(made.data["candidates"][1])[0], "B", "A"]
made.data.to_csv("answers.tsv", sep="\\t", index=False)
made.data.to_json("answers.json", orient="records")
assert GymQA.evaluate("answers.json") == GymQA.evaluate("answers.tsv")
print(json.dumps([GymQA.supported_datasets(), message, GymQA.evaluate("answers.tsv")]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names, message, scores = json.loads(done.stdout)
    assert names == ["GymQA-gymsim24"]
    assert message[0] == {"type": "video", "value": f"/clips/subactions/{SPLITS[0].questions[0].clip_id}.mp4"}
    assert message[1]["value"] == lettered(SPLITS[0].questions[0])
    assert scores == {
        "Overall": 1 / 3, "Overall n": 3, "Overall answered": 0.75,
        "set": 0.5, "set n": 2, "set answered": 0.5,
        "minimal-pairs": 0, "minimal-pairs n": 1, "minimal-pairs answered": 1,
    }  # fmt: skip
    kept = json.loads((out / "answers_gymqa.json").read_text())
    assert [row["video_id"] for row in kept] == [VIDEO] * 4
    assert [row["pair"] for row in kept] == ["q0", "q1", "0012", "0012"]  # as written, no number


def test_the_words_for_lmms_eval_can_be_pasted_into_a_shell(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = export("lmms-eval", dataset, tmp_path / "my tasks")
    assert shlex.split(capsys.readouterr().out)[-4:] == ["--include_path", str(out), "--tasks", "gymqa_gymsim24"]


def test_a_split_that_no_configuration_has_is_named(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "vlmevalkit", "out", "--dataset", str(dataset), "--split", "test"]) == 2
    assert does_name(capsys.readouterr().err, "'test'")


def test_names_in_a_card_that_lead_elsewhere_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configs = [{"config_name": "../../x-set", "data_files": [{"split": "val", "path": "x.parquet"}]}]
    (tmp_path / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    for kind in ("lmms-eval", "vlmevalkit"):
        assert cli.main(["export", kind, str(tmp_path / "a/b/c"), "--dataset", str(tmp_path)]) == 2
        assert does_name(capsys.readouterr().err, "../../x-set")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["README.md"]


def test_the_packages_ship_their_templates() -> None:
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    found = {path for package, patterns in shipped.items() for one in patterns for path in (ROOT / package).glob(one)}
    written = {path for package in shipped for path in (ROOT / package).rglob("*.j2")}
    assert len(written) > 10 and written <= found
