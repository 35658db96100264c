"""The folder of recipes: methods joined with data sets, whole recipes, and names that are not there."""

from pathlib import Path

import pytest
import yaml

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from recognizers.recipes import Recipe, join_recipes, read_cells, read_recipes
from tests.helpers.places import RECIPES as FOLDER
from tests.helpers.recipes_read import BY_NAME, PARSER, resolved


def test_every_method_and_every_data_set_of_the_folder_is_in_the_list() -> None:
    methods = {path.stem for path in FOLDER.glob("*.yaml") if not path.stem.startswith("mllm_")}
    assert {recipe.layers[0].stem for recipe in BY_NAME.values()} == methods
    joined = {path for recipe in BY_NAME.values() for path in recipe.layers[1:]}
    assert joined | {FOLDER / "data" / "gymsim.yaml"} == {*(FOLDER / "data").rglob("*.yaml")}  # seen as joints alone


def test_a_data_set_sets_splits_and_frames_and_so_takes_the_place_of_another() -> None:
    for path in (FOLDER / "data").rglob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        kind = path.parent.relative_to(FOLDER / "data").name
        assert content.keys() == ({"config", "frames"} if kind else {"splits", "frames"})
        assert not kind or (content["config"], content["frames"].split("/")[1]) == ([f"../{path.name}"], kind)


def test_the_file_that_users_call_by_path_is_the_method_on_the_data_set() -> None:
    joined = Recipe("sefar_b_gym99_5", (FOLDER / "sefar_b.yaml", FOLDER / "data" / "gym99_5.yaml"), "")
    given = PARSER.instantiate(PARSER.parse_args(["--config", str(FOLDER / "sefar_b_gym99_5.yaml")]))
    expected = resolved(joined)
    assert {**vars(given), "config": None} == {**vars(expected), "config": None}
    assert given.splits == Path("runs/splits/gym99_5")


def test_any_method_is_joined_with_any_data_set() -> None:
    names = [recipe.name for recipe in join_recipes(FOLDER, ["sefar_?", "sefar_s_warp"], "gym99_*")]
    assert names == [
        "sefar_b_gym99_10", "sefar_b_gym99_5", "sefar_s_gym99_10", "sefar_s_gym99_5", "sefar_s_gym99_10_warp",
        "sefar_s_gym99_5_warp",
    ]  # fmt: skip
    (in_no_table,) = join_recipes(FOLDER, ["sefar_b_no-spread"], "ucf101_1")
    assert in_no_table.name not in BY_NAME
    given = resolved(in_no_table)
    assert given.training == resolved(*read_recipes(FOLDER, ["sefar_b_finediving_5_no-spread"])).training
    assert (given.splits, given.frames) == (Path("runs/splits/ucf101_1"), Path("runs/frames/ucf101"))
    assert given.out == Path("runs/recipes/sefar_b_ucf101_1_no-spread")


def test_a_method_that_sees_flow_takes_the_data_sets_flow() -> None:
    (of_flow,) = join_recipes(FOLDER, ["tsm_r50_flow"], "gym99_5")
    given = resolved(of_flow)
    assert (given.splits, given.frames) == (Path("runs/splits/gym99_5"), Path("runs/flow/gym99"))
    (missing,) = join_recipes(FOLDER, ["tsm_r50_flow"], "gym288_5")
    with pytest.raises(GymQAError, match=r"data/flow/gym288_5\.yaml .* gym99, gym99_5"):
        missing.arguments(Path("runs"))


def test_a_whole_recipe_takes_the_place_of_the_joined_one_and_methods_may_vary_one_another(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "paper.csv").write_text("table,row,column,method,data,top1\n1,A,B,mine_fast,few,\n")
    files = {
        "mine": "config: [data/many.yaml]", "mine_fast": "config: [mine.yaml]", "other": "config: mine.yaml",
        "mine_many": "out: here", "data/few": "splits: few", "data/many": "splits: many",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(f"# {name.capitalize()}: said\n{text}\n")
    assert {recipe.name: [path.stem for path in recipe.layers] for recipe in read_recipes(tmp_path)} == {
        "mine_few_fast": ["mine_fast", "few"], "mine_many": ["mine_many"], "other_many": ["other", "many"],
    }  # fmt: skip
    assert [recipe.layers for recipe in join_recipes(tmp_path, ["mine"], "many")] == [(tmp_path / "mine_many.yaml",)]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("sefar_bb gym99_5", ("'sefar_bb'", "sefar_b,")),
        ("sefar_b gym99_6", ("'gym99_6'", "gym99_5")),
        ("--only sefar_s_gym99_4", ("'sefar_s_gym99_4'", "sefar_s_gym99_5")),
        ("sefar_b", ("--only",)),
        ("", ("--only",)),
        ("sefar_b gym99_5 --only sefar_b_gym99_5", ("--only",)),
    ],
)
def test_names_that_do_not_exist_are_refused_with_the_nearest(
    words: str, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["recipes", "run", *words.split(), "--recipes", str(FOLDER)]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert all(one in said for one in named)


@pytest.mark.parametrize("line", ["1,a,b,mine,few,many", "1,a,b,yours,few,", "1,a,b,mine,many,", "1,a,b,mine_few,3"])
def test_a_wrong_line_of_the_papers_file_is_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match="holds no recipes"):
        read_recipes(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("mine", "data/few"):
        (tmp_path / f"{name}.yaml").write_text("# Said\nepochs: 1\n")
    (tmp_path / "paper.csv").write_text(f"table,row,column,method,data,top1\n{line}\n")
    with pytest.raises(GymQAError, match=r"paper\.csv:2"):
        read_cells(tmp_path)
