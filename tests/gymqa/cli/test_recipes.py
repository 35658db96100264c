"""Recipes: each says what its name says, the papers' figures are the papers', and two run end to end."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from gymqa.cli import main as cli
from gymqa.cli.commands.data.cache import cache as decode
from gymqa.cli.commands.data.split import split
from recognizers.config import TrainConfig
from recognizers.factory import model_config
from recognizers.recipes import read_cells
from recognizers.ssl.algorithms import Algorithm, algorithm_named
from tests.helpers.naming import does_name
from tests.helpers.places import RECIPES as FOLDER
from tests.helpers.recipes_read import BY_NAME, algorithm_of, values

FINEGYM = "finegym-3"  # the table of tests/gymqa/cli/test_recipes_train.py's recipes
OTHERS = {"ltg_r3d18_gym99_5", "memdpc_r3d18_gym99_5"}
NAMES = [name for name in BY_NAME if re.match(r"(sefar|svformer|fixmatch)_[sb]_", name)]
FRAMES = {"ub": "gym99", "fx": "gym99", "ub-s1": "gym99", "fx-s1": "gym99", "gym-new": "gym288", "10m": "finediving",
          "5253b": "finediving"}  # fmt: skip
SPELT = {"spatial-only": "none"}


def switched(algorithm: Algorithm, switch: str) -> Algorithm:
    """The algorithm with the switch that a name ends in."""
    what, _, amount = switch.partition("-")
    if what == "fixed":
        return replace(algorithm, weighting="fixed", passes=1, threshold=float(f"0.{amount or 3}"))
    if what == "k":
        return replace(algorithm, passes=int(amount))
    if switch == "no-spread":
        return replace(algorithm, weighting="confidence")
    if what in ("elements", "scratch"):
        return algorithm
    return replace(algorithm, perturbation=SPELT.get(switch, switch.replace("-", "_")))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_what_its_name_says(name: str) -> None:
    method, size, setting, rate, *switches = name.split("_")
    given = values(name)
    training: TrainConfig = given.training
    assert given.splits == Path("runs/splits") / f"{setting}_{rate}"
    assert given.frames == Path("runs/frames") / FRAMES.get(setting, setting)
    assert given.out == Path("runs/recipes") / name
    algorithm = algorithm_named(method)
    for switch in switches:
        algorithm = switched(algorithm, switch)
    assert algorithm_of(name) == algorithm
    elements = next((switch[9:] for switch in switches if switch.startswith("elements-")), None)
    expected = elements or ("2-2-4" if method == "sefar" else "8")
    assert training.model.elements == tuple(int(frames) for frames in expected.split("-"))
    model = model_config({"s": "sefar_s", "b": "sefar_b"}[size], elements=training.model.elements)
    assert replace(training.model, n_classes=model.n_classes) == model
    assert given.count_classes
    assert (given.epochs, given.warm_up_epochs) == (30, 5)
    assert (training.initial == "none") == ("scratch" in switches)
    paper = (training.optimizer, training.learning_rate, training.weight_decay, training.schedule, training.ema_decay)
    assert paper == ("sgd", 0.005, 0.001, "step", 0.9999)


@pytest.mark.slow
def test_the_list_and_the_tables_have_every_line_of_the_papers_file(capsys: pytest.CaptureFixture[str]) -> None:
    with (FOLDER / "paper.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    _, shown, _ = run(f"table --recipes {FOLDER} --json", capsys)
    cells = json.loads(shown)
    assert [{name: cell[name] for name in lines[0]} for cell in cells] == [
        line | {"top1": float(line["top1"]) if line["top1"] else None} for line in lines
    ]
    _, shown, _ = run(f"list --recipes {FOLDER} --json", capsys)
    listed = {recipe["recipe"]: len(recipe["cells"]) for recipe in json.loads(shown)}
    assert sum(listed.values()) == len(lines) == 218
    for cell in cells:
        assert values(cell["recipe"]).splits.name.removesuffix("_100") == cell["data"]
        assert listed[cell["recipe"]]


def test_every_recipe_stands_in_a_table_and_says_what_it_is_in_its_first_line() -> None:
    cells = [cell for cell in read_cells(FOLDER) if cell.table != FINEGYM]
    assert {cell.recipe for cell in cells} == {*NAMES, *OTHERS}
    for recipe in (BY_NAME[name] for name in NAMES):
        method, size, setting, rate, *switches = recipe.name.split("_")
        said = recipe.what.lower()
        assert said.startswith(f"{method}-{size}, {setting}, {rate} % labelled")
        assert (":" in said) == bool(switches)
    assert Counter(cell.table for cell in cells) == {
        "1": 9 * 2 * 4 + 2, "2": 5 * 6, "3": 4 * 3, "4": 8 * 4, "6": 2 * 5, "7": 7 * 4, "passes": 6, "sampling": 6,
        "thresholds": 7,
    }  # fmt: skip


def test_a_cells_recipe_is_of_its_column() -> None:
    for cell in (one for one in read_cells(FOLDER) if one.table != FINEGYM):
        setting, rate = re.fullmatch(r"(.+) (\d+)%", cell.column).groups()  # type: ignore[union-attr]
        assert cell.recipe.split("_")[2:4] == [setting.lower(), rate]


@pytest.mark.parametrize(
    ("row", "elements", "algorithm"),
    [
        ("none", (8,), Algorithm("sefar", 2.0, 2.0, "ema", 1, "fixed", 0.3, perturbation="warp", ramp=True)),
        (
            "+ dual-level elements",
            (2, 2, 4),
            Algorithm("sefar", 2.0, 2.0, "ema", 1, "fixed", 0.3, perturbation="warp", ramp=True),
        ),
        (
            "+ moderate perturbation",
            (2, 2, 4),
            Algorithm("sefar", 2.0, 2.0, "ema", 1, "fixed", 0.3, perturbation="moderate", ramp=True),
        ),
        (
            "+ adaptive regulation",
            (2, 2, 4),
            Algorithm("sefar", 2.0, 2.0, "ema", 10, "adaptive", perturbation="moderate", ramp=True),
        ),
    ],
)
def test_table_3_adds_one_component_after_the_other(row: str, elements: tuple[int, ...], algorithm: Algorithm) -> None:
    recipes = [cell.recipe for cell in read_cells(FOLDER) if (cell.table, cell.row) == ("3", row)]
    assert len(recipes) == 3
    for recipe in recipes:
        assert algorithm_of(recipe) == algorithm
        assert values(recipe).training.model.elements == elements


@pytest.mark.parametrize("table", ["4", "7"])
def test_tables_4_and_7_differ_in_the_perturbation_alone(table: str) -> None:
    cells = [cell for cell in read_cells(FOLDER) if cell.table == table]
    assert {replace(algorithm_of(cell.recipe), perturbation="none") for cell in cells} == {
        replace(algorithm_named("sefar"), perturbation="none")
    }
    of_row = {cell.row: algorithm_of(cell.recipe).perturbation for cell in cells}
    assert of_row | {"spatial only": "none"} == {
        "spatial only": "none", "slow (T-Drop)": "drop", "all shuffle": "shuffle_all", "local shuffle": "shuffle_local",
        "warping": "warp", "T-Half": "half", "all reverse": "reverse", "moderate": "moderate",
    }  # fmt: skip


def test_table_1_has_the_papers_figures(shared: Path) -> None:
    lines = (shared / "PAPERS.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    for method in ("SVFormer-B", "SeFAR-S", "SeFAR-B"):
        printed = [float(figure) for figure in re.findall(r"\d+\.\d", rows[method])]
        ours = [cell.top1 for cell in read_cells(FOLDER) if (cell.table, cell.row) == ("1", method)]
        assert ours == printed


def test_one_setting_has_one_figure_but_where_the_paper_differs_from_itself() -> None:
    figures: dict[str, set[float]] = {}
    for cell in read_cells(FOLDER):
        if cell.top1 is not None:
            figures.setdefault(cell.recipe, set()).add(cell.top1)
    assert {name: found for name, found in figures.items() if len(found) > 1} == {
        "sefar_s_finediving_5_fixed": {67.2, 67.4}  # tables 6 and 3
    }


@pytest.fixture(scope="module")
def tiny(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Overrides for models of a second on GymSim."""
    folder = tmp_path_factory.mktemp("tiny")
    split(gymsim_root, folder / "splits", labelled_fraction=0.4)
    lists = [folder / "splits" / f"{name}.txt" for name in ("labelled", "unlabelled", "val")]
    decode(gymsim_root, folder / "frames", size=24, max_frames=12, workers=1, lists=lists)
    model = {"image_size": 24, "patch_size": 12, "dim": 16, "depth": 1, "heads": 2, "fusion_dim": 16}
    settings = {
        "splits": str(folder / "splits"), "frames": str(folder / "frames"), "epochs": 2, "warm_up_epochs": 1,
        "training": {"initial": "none", "precision": "no", "model": model},
    }  # fmt: skip
    (folder / "tiny.yaml").write_text(json.dumps(settings))
    return folder / "tiny.yaml"


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Status, output and errors of `gymqa recipes`."""
    capsys.readouterr()
    status = cli.main(["recipes", *words.split()])
    return status, *capsys.readouterr()


@pytest.mark.slow
def test_two_tiny_recipes_run_once_and_stand_in_their_tables(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = "svformer_b_gym99_5 sefar_s_gym99_5_k-2"
    words = f"--recipes {FOLDER} --out {tmp_path} --overrides {tiny}"
    status, shown, _ = run(f"run svformer_b sefar_s_k-2 gym99_5 {words}", capsys)
    assert status == 0
    results = {name: json.loads((tmp_path / name / "result.json").read_text()) for name in two.split()}
    ours = {name: f"{100 * result['top1']:.1f}* " for name, result in results.items()}
    assert re.search(rf"SVFormer-B +{re.escape(ours['svformer_b_gym99_5'])}\(31\.4\)", shown)
    assert re.search(rf"K = 2 +{re.escape(ours['sefar_s_gym99_5_k-2'])}\(35\.3\)", shown)
    assert all(result["clips"] == 48 and result["overrides"] for result in results.values())
    models = [tmp_path / name / file for name in two.split() for file in ("model.safetensors", "result.json")]
    stamps = [path.stat().st_mtime_ns for path in models]
    status, again, _ = run(f"run {words} --only {two}", capsys)
    assert (status, [path.stat().st_mtime_ns for path in models]) == (0, stamps)
    assert again.splitlines()[-8:] == shown.splitlines()[-8:]
    _, lines, _ = run(f"table --recipes {FOLDER} --out {tmp_path} --tables passes --json", capsys)
    by_row = {cell["row"]: cell for cell in json.loads(lines)}
    assert by_row["K = 2"]["result"] == results["sefar_s_gym99_5_k-2"]
    assert by_row["K = 5"]["result"] is None


@pytest.mark.slow
def test_a_recipe_that_cannot_run_is_named_and_the_others_are_run(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.loads(tiny.read_text())
    data = {name: settings.pop(name) for name in ("splits", "frames")}
    recipes = tmp_path / "recipes"
    (recipes / "data").mkdir(parents=True)
    (recipes / "paper.csv").write_text("table,row,column,method,data,top1\n")
    (recipes / "tiny.yaml").write_text("# Tiny\n" + json.dumps({**settings, "count_classes": True}))
    (recipes / "data" / "good.yaml").write_text("# Runs\n" + json.dumps(data))
    (recipes / "data" / "bad.yaml").write_text("# No splits\n" + json.dumps({**data, "splits": str(tmp_path / "none")}))
    status, shown, said = run(f"run tiny * --recipes {recipes} --out {tmp_path / 'out'}", capsys)
    assert status == 2
    assert "tiny_good: Top-1" in shown
    assert does_name(said, "1 of 2", "tiny_bad")
    assert not (tmp_path / "out" / "tiny_bad" / "result.json").exists()


def test_listing_shows_what_a_recipe_is_and_the_papers_figure(capsys: pytest.CaptureFixture[str]) -> None:
    _, shown, _ = run(f"list --recipes {FOLDER} --only sefar_s_gym99_5_warp", capsys)
    assert "SeFAR-S, Gym99, 5 % labelled: temporal warping; paper: 35.9 (table 4)" in shown
    _, found, _ = run(f"list --recipes {FOLDER} --only sefar_b_gym99_5 --json", capsys)
    assert json.loads(found)[0]["cells"][0]["top1"] == 39.0
