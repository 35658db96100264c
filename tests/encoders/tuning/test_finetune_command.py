"""`gymqa finetune`: what it takes from a recipe, and what it refuses with one sentence."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.tuning.config import AlignmentSettings
from gymqa.cli import main as cli
from gymqa.finegym.annotations import read_element_list, write_element_list
from tests.helpers import warm
from tests.helpers.naming import does_name
from tests.helpers.places import RECIPES
from tests.helpers.tuning_world import SCRIPT, SMALL, TuningWorld, make_tuning_world, same

QUICK = replace(SMALL, steps=2, batch_size=4, alignment=AlignmentSettings(steps=1))


@pytest.fixture(scope="module")
def small(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> TuningWorld:
    return make_tuning_world(gymsim_root, tmp_path_factory.mktemp("tuning"))


def refused(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence that a call ends with, status 2."""
    capsys.readouterr()
    assert cli.main(["finetune", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gymqa: ") and said.count("\n") == 1
    return said


@pytest.mark.slow
def test_the_issues_command_without_data_names_what_is_missing(tmp_path: Path) -> None:
    recipe = str(RECIPES / "mllm_sefar_b_vicuna7b_gymqa99_5.yaml")
    ran = warm.run([SCRIPT, "--config", recipe, "--finegym", str(tmp_path / "finegym")])
    assert ran.returncode == 2
    where, said = tmp_path / "finegym", ran.stderr.strip().splitlines()[-1]
    assert said.startswith("gymqa: ") and does_name(said, f"gymqa finegym download --out {where}", "--finegym")


@pytest.mark.parametrize(
    ("option", "mend"),
    [
        ("clips", "gymqa split"),
        ("features", "gymqa extract"),
        ("pseudo", "gymqa predict"),
        ("unlabelled", "gymqa split"),
    ],
)
def test_every_missing_input_is_named_with_what_makes_it(
    option: str, mend: str, small: TuningWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = small.recipe(tmp_path, QUICK, **{**small.pseudo, option: str(tmp_path / "absent")})
    said = refused(["--config", str(file), "--out", str(tmp_path / "out")], capsys)
    assert does_name(said, tmp_path / "absent", mend, f"--{option}")
    assert not (tmp_path / "out").exists()


def test_features_of_another_encoder_are_refused(
    small: TuningWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = small.recipe(tmp_path, QUICK, encoder="sefar")
    said = refused(["--config", str(file), "--out", str(tmp_path / "out")], capsys)
    assert does_name(said, "example", "sefar")


def test_pseudo_labels_need_their_list(small: TuningWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = small.recipe(tmp_path, QUICK, pseudo=str(small.predictions))
    assert does_name(refused(["--config", str(file)], capsys), "--pseudo", "gymqa predict", "--unlabelled")


@pytest.mark.slow
def test_a_wrong_label_in_the_unlabelled_list_changes_nothing(
    small: TuningWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = replace(QUICK, pseudo_threshold=0.7)
    hidden = read_element_list(small.unlabelled)
    write_element_list(tmp_path / "wrong.txt", [replace(clip, label=number) for number, clip in enumerate(hidden)])
    for name, path in (("clean", small.unlabelled), ("wrong", tmp_path / "wrong.txt")):
        file = small.recipe(tmp_path / name, settings, **{**small.pseudo, "unlabelled": str(path)})
        assert cli.main(["finetune", "--config", str(file), "--out", str(tmp_path / f"{name}-out")]) == 0
        assert "6 of 12 unlabelled clips have a pseudo-label of weight 0.7 or more" in capsys.readouterr().out
    assert same(tmp_path / "clean-out", tmp_path / "wrong-out")
    made_of = [json.loads((tmp_path / f"{name}-out" / "training.json").read_text()) for name in ("clean", "wrong")]
    assert made_of[0] == made_of[1]


@pytest.mark.slow
def test_epochs_count_the_clips_that_are_learned_from(
    small: TuningWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = small.labelled.read_text().splitlines()
    (tmp_path / "more.txt").write_text("\n".join([*lines, *(f"absent{line}" for line in lines[:8])]) + "\n")
    options = {**small.pseudo, "epochs": 0.5, "warm_up_share": 0.5, "clips": str(tmp_path / "more.txt")}
    file = small.recipe(tmp_path, replace(QUICK, pseudo_threshold=0.85), **options)
    assert cli.main(["finetune", "--config", str(file), "--out", str(tmp_path / "out")]) == 0
    assert "tiny-llama, 4 steps" in capsys.readouterr().out  # half of 24 + 2 clips with features, by 4
    made_of = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (made_of["steps"], made_of["warmup"]) == (4, 2)
