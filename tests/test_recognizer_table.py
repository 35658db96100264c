"""The table of all recognizers and algorithms, at a tiny size and of a few names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import recognizer_table
from recognizer_table import TableConfig, main
from small_recognizers import small_recognizers

from gymqa.errors import GymQAError
from gymqa.sim.release import ReleaseConfig
from recognizers.algorithms import ALGORITHMS
from recognizers.backbones.registry import list_models
from recognizers.clip_net_sizes import I3DConfig, ResNet3DConfig

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
    with pytest.raises(GymQAError, match="no part 'networks'; choose of recognizers, algorithms"):
        main(tmp_path, only=["networks"])


def test_the_table_trains_tests_and_adds_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {name: replace(small_recognizers()[name]) for name in FEW}
    monkeypatch.setattr(recognizer_table, "small_recognizers", lambda: small)
    monkeypatch.setattr(recognizer_table, "ALGORITHMS", {name: ALGORITHMS[name] for name in ("supervised", "tclr")})
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
        main(tmp_path / "run", tmp_path / "figures.json", 2, list(only), table=tiny)
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
