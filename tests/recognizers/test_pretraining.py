"""Pre-training of the frame encoder at its smallest: what it leaves behind, and what it refuses to go on from."""

from dataclasses import replace
from pathlib import Path

import pytest

from gymqa.errors import GymQAError
from recognizers.backbones.image.vit import ViTConfig, load_image_vit
from recognizers.pretraining import FramePretrainingConfig, pretrain
from recognizers.training.checkpoint import save_checkpoint
from tests.helpers.naming import naming

CONFIG = FramePretrainingConfig(
    vit=ViTConfig(image_size=16, patch_size=8, dim=16, depth=1, heads=2),
    scenes=4, frames_each=2, held_out_scenes=2, steps=2, batch_size=4, workers=1,
)  # fmt: skip


@pytest.mark.slow
def test_it_leaves_an_encoder_and_its_figures_and_no_checkpoint(tmp_path: Path) -> None:
    figures = pretrain(CONFIG, tmp_path)
    assert 0 <= figures["apparatus_accuracy"] <= 1 and figures["joint_error"] > 0
    assert load_image_vit(tmp_path).config == CONFIG.vit
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "figures.json", "model.safetensors"]


def test_a_checkpoint_of_other_settings_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pretraining_checkpoint.pt"
    save_checkpoint(path, {**vars(replace(CONFIG, steps=9)), "vit": vars(CONFIG.vit)}, {"step": 1})
    with pytest.raises(GymQAError, match=naming("steps")):
        pretrain(CONFIG, tmp_path)
    path.write_bytes(b"half")
    with pytest.raises(GymQAError, match=naming("pretraining_checkpoint.pt")):
        pretrain(CONFIG, tmp_path)
