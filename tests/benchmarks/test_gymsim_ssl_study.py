"""The study on GymSim, at a tiny size: rows as in the paper's tables, every training once, and a file that grows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gymsim_ssl_parts import read_part
from gymsim_ssl_study import StudyConfig, main

from gymqa.errors import GymQAError
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.sefar import SeFARConfig
from tests.helpers.naming import naming
from tests.helpers.places import ROOT
from tests.helpers.training_world import CONFIG

RECIPES = ROOT / "recipes"
TINY = StudyConfig(
    ReleaseConfig(train_videos=3, val_videos=2, raw_videos=0, size=64),
    replace(
        CONFIG, model=SeFARConfig(16, 8, 16, 1, 2, fusion_dim=16, n_classes=24), steps=3, warm_up_steps=1, log_every=1
    ),
    rates=(0.3,),
    seeds=(0, 1),
)


@pytest.mark.slow
def test_the_ablations_have_the_papers_rows_and_figures() -> None:
    components, perturbations = (read_part(name, (0.05,), RECIPES) for name in ("components", "perturbations"))
    assert [(cell.row, cell.paper) for cell in components] == [
        ("none", 32.6), ("+ dual-level elements", 34.8), ("+ moderate perturbation", 35.9),
        ("+ adaptive regulation", 36.7),
    ]  # fmt: skip
    assert [cell.variant.elements for cell in components] == [(8,), (2, 2, 4), (2, 2, 4), (2, 2, 4)]
    assert [cell.variant.algorithm.perturbation for cell in perturbations] == [
        "none", "drop", "shuffle_all", "shuffle_local", "warp", "half", "reverse", "moderate",
    ]  # fmt: skip
    full = {cell.variant for cells in (components, perturbations) for cell in cells[-1:]}
    assert full == {read_part("rates", (0.05,), RECIPES)[-1].variant}


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_study_in_parts_trains_each_model_once_and_its_file_grows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def study(*only: str) -> dict[str, Any]:
        main(tmp_path / "run", tmp_path / "figures.json", 1, RECIPES, list(only), study=TINY)
        return json.loads((tmp_path / "figures.json").read_text())  # type: ignore[no-any-return]

    first = study("rates")
    models = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("models/*/model.safetensors")}
    assert len(models) == 4 * 2
    both = study("components")
    assert both["parts"]["rates"] == first["parts"]["rates"]
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("models/*/model.safetensors")}
    assert models.items() <= now.items()
    assert len(now) == len(models) + 3 * 2  # SeFAR itself, the last row, is there
    rates, components = both["parts"]["rates"], both["parts"]["components"]
    assert components["cells"][-1]["seeds"] == rates["cells"][-1]["seeds"]  # SeFAR at the first share
    assert (rates["clips"], rates["videos"]) == (48, 2)
    cell = rates["cells"][0]
    assert cell["mean"] == pytest.approx(sum(cell["seeds"].values()) / 2)
    assert list(components["differences"]["30 %"]) == [
        f"+ adaptive regulation - {row}" for row in ("none", "+ dual-level elements", "+ moderate perturbation")
    ]
    shown = capsys.readouterr().out
    assert shown.index("supervised") < shown.index("fixmatch") < shown.index("svformer") < shown.index("sefar")
    assert "(34.8)" in shown


def test_a_part_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("'rate'", "rates", "components", "perturbations")):
        main(tmp_path, tmp_path / "figures.json", only=["rate"])
