"""The study of encoders, at a tiny size: every cell has its figures, and what is done is not done again."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from mllm_study import IMAGE, StudyConfig, main

from encoders.llm.lora import LoRASettings
from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.splits import make_splits
from gymqa.frames.cache import FrameCache
from gymqa.questions.schema import PUBLISHED_BENCHMARKS
from recognizers.backbones.sefar import SeFAR, SeFARConfig
from tests.helpers.naming import naming

TUNING = FinetuneSettings(
    views=2, steps=1, batch_size=4, precision="float32", pseudo_threshold=0.0, lora=LoRASettings(r=2),
    alignment=AlignmentSettings(steps=1),
)  # fmt: skip
TINY = StudyConfig(TUNING, encoders=(IMAGE, "sefar"), pseudo=("sefar",), rates=(0.3,), seeds=(0,))
NAMES = ("image-30-0", "sefar-30-0", "sefar-30-0-pseudo")


@pytest.fixture
def recognizers(gymsim_root: Path, tmp_path: Path) -> Path:
    """What gymsim_ssl_study.py leaves behind, its recognizer untrained."""
    folder, release = tmp_path / "recognizers", open_release(gymsim_root)
    folder.mkdir()
    (folder / "release").symlink_to(gymsim_root)
    train, val = (release.read_clips(one) for one in (release.train_list, release.val_list))
    splits = make_splits(train, val[:8], 0.3, 0)
    splits.write(folder / "splits" / "split-30-0")
    FrameCache.build(folder / "frames", [clip.id for clip in (*train, *val[:8])], release.clip_path, 16, 8, workers=1)
    torch.manual_seed(0)
    model = SeFARConfig(16, 8, 16, 1, 2, fusion_dim=16, n_classes=len(release.taxonomy))
    SeFAR(model).save_pretrained(folder / "models" / "sefar-30-0")
    return folder


@pytest.mark.exhaustive
@pytest.mark.slow
def test_every_cell_has_its_figures_and_a_second_run_makes_nothing_anew(recognizers: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    study = partial(main, recognizers, out, tmp_path / "figures.json", tmp_path / "figure.png", 1)

    def made() -> dict[str, int]:
        return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in out.glob("*/*/*") if path.is_file()}

    study(study=TINY)
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures["benchmarks"]) == list(PUBLISHED_BENCHMARKS)
    for found in figures["benchmarks"].values():
        rows = [(cell["row"], cell["column"], list(cell["seeds"]), cell["answered"]) for cell in found["cells"]]
        assert rows == [(row, "30 %", ["0"], 1.0) for row in ("image", "sefar", "sefar + pseudo-labels")]
        assert all(cell["ci_low"] <= cell["mean"] <= cell["ci_high"] for cell in found["cells"])
        assert len(found["differences"]["30 %"]) == 3
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    before = made()
    assert {name for name in NAMES if f"mllm/{name}/config.json" in before} == set(NAMES)
    study(study=TINY)
    assert made() == before
    # the recognizer is never so sure
    choosy = replace(TINY, encoders=(), tuning=replace(TUNING, pseudo_threshold=0.99))
    study(study=choosy)
    after, index = made(), f"features/{NAMES[2]}/index.json"
    assert (out / "guesses" / NAMES[2] / "sure.txt").read_text() == "" and after[index] != before[index]


def test_recognizers_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path, "sefar-30-0")):
        main(tmp_path, tmp_path / "run", tmp_path / "figures.json", tmp_path / "figure.png", study=TINY)
