"""The table of all recognizers and algorithms, at a tiny size and of a few names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recognizer_table
from recognizer_table import TableConfig, main
from small_recognizers import small_recognizers
from study_tables import difference_text
from study_trainings import Training, late_loss

from gymqa.errors import GymQAError
from gymqa.io.files import write_text
from gymqa.runtime.runs import Run
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.i3d import I3DConfig
from recognizers.backbones.registry import list_models
from recognizers.backbones.resnet3d import ResNet3DConfig
from recognizers.config import TrainConfig
from tests.helpers.naming import naming

FEW = ("stgcn, stgcn_gymsim", "tsn_bn_inception", "two_stream")


def test_every_recognizer_is_in_the_table_once() -> None:
    named = [name for names in small_recognizers() for name in names.split(", ")]
    assert sorted(named) == list_models()


def test_a_recognizer_in_small_keeps_its_layers() -> None:
    small = small_recognizers()
    assert isinstance(small["nl_i3d_r50"], I3DConfig) and small["nl_i3d_r50"].non_local
    assert isinstance(small["r2plus1d_34"], ResNet3DConfig) and small["r2plus1d_34"].factorised
    assert {config.modality for config in small.values()} == {"rgb", "pose", "rgb+flow"}


def test_a_part_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("'networks'", "recognizers", "algorithms")):
        main(tmp_path, only=["networks"])


@pytest.mark.parametrize("given", [{"root": Path("finegym")}, {"setting": "gym99"}, {"epochs": 2}, {"seeds": (0, 1)}])
def test_what_the_table_does_not_do_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(GymQAError, match=naming(*given)):
        TableConfig(replace(TableConfig().all_labels, **given))


def test_a_p_that_is_not_0_is_not_shown_as_0() -> None:
    one = {"mean": 0.035, "ci_low": 0.022, "ci_high": 0.0491, "p": 0.0001, "p_holm": 0.0017}
    assert difference_text(one) == "+3.5 (+2.2 to +4.9), p < 0.001, by Holm 0.002"


def test_the_late_loss_is_of_the_last_fifth_of_the_steps(tmp_path: Path) -> None:
    training = Training("one", TrainConfig(steps=10, warm_up_steps=0), "split")
    lines = [{"step": step, "supervised": float(step)} for step in (2, 4, 6, 8, 9, 10)]
    lines.insert(5, {"step": 9, "val_top1": 1.0})
    write_text(tmp_path / training.model / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert late_loss(Run(tmp_path, TableConfig()), training) == 9.5


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_table_trains_tests_and_adds_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {name: replace(small_recognizers()[name]) for name in FEW}
    monkeypatch.setattr(recognizer_table, "small_recognizers", lambda: small)
    monkeypatch.setattr(recognizer_table, "ALGORITHMS", ("supervised", "tclr"))
    usual = TableConfig()
    tiny = TableConfig(
        replace(
            usual.all_labels,
            training=replace(usual.all_labels.training, steps=2, log_every=1, labelled_batch=2),
            rendered=ReleaseConfig(train_videos=3, val_videos=2, raw_videos=0, size=64),
        ),
        replace(usual.few_labels, steps=4, warm_up_steps=1, log_every=1, labelled_batch=2, unlabelled_batch=2),
        labelled=0.4,
    )

    def table(*only: str) -> dict[str, Any]:
        main(tmp_path / "run", tmp_path / "figures.json", 1, list(only), table=tiny)
        return json.loads((tmp_path / "figures.json").read_text())  # type: ignore[no-any-return]

    first = table("recognizers")["parts"]["recognizers"]
    assert (first["clips"], first["videos"]) == (48, 2)
    assert [(row["modality"], row["frames"]) for row in first["rows"].values()] == [
        ("pose", 16), ("rgb", 3), ("rgb+flow", 5),
    ]  # fmt: skip
    assert set(first["rows"]["stgcn, stgcn_gymsim"]["full_millions"]) == {"stgcn", "stgcn_gymsim"}
    both = table("algorithms")["parts"]
    assert both["recognizers"] == first
    assert set(both["algorithms"]["differences"]) == {"tclr - supervised"}
    right = both["algorithms"]["rows"]
    assert both["algorithms"]["differences"]["tclr - supervised"]["mean"] == pytest.approx(
        right["tclr"]["top1"]["value"] - right["supervised"]["top1"]["value"]
    )
    assert "beside the labels alone" in capsys.readouterr().out
