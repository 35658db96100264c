"""The training step computes what the paper's plain mathematics does: they are held against each other."""

from dataclasses import replace
from pathlib import Path

import pytest
from bench_ssl_step import PAPER, TOLERANCE, differences, without_dropout

from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from recognizers.training.clips import training_clips
from recognizers.training.train import Trainer
from tests.helpers.training_world import MODEL


@pytest.mark.slow
@pytest.mark.parametrize("elements", [(2, 2, 4), (3, 5)])
def test_a_step_is_the_papers_plain_mathematics(
    world: tuple[FrameCache, Splits], tmp_path: Path, elements: tuple[int, ...]
) -> None:
    model = replace(MODEL, patch_size=4, elements=elements)
    config = without_dropout(replace(PAPER, model=model, labelled_batch=3, unlabelled_batch=4))
    trainer = Trainer(config, training_clips(config, *world), tmp_path, {})
    assert max(differences(trainer).values()) < TOLERANCE
