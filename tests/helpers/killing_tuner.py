"""Tune in child processes that are killed again and again: `killing_tuner.py OUT WHOLE`."""

import sys
from dataclasses import replace
from pathlib import Path

from encoders.tuning.clips import PseudoLabel, TuningMaterial
from encoders.tuning.finetune import Tuning
from tests.helpers import mllm_examples
from tests.helpers.killing import Death, killed_and_whole
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.tuning_world import SMALL

SETTINGS = replace(SMALL, checkpoint_every=1, accumulation=2, feature_noise=0.2, lora=replace(SMALL.lora, dropout=0.1))


def tune(out: Path) -> None:
    """On clips with labels, and some with guessed ones."""
    clips = mllm_examples.clips()
    guessed = tuple(PseudoLabel(clip, 0.8) for clip in clips[12:])
    material = TuningMaterial(ExampleFeatures(clips), tuple(clips[:12]), mllm_examples.taxonomy(), guessed)
    Tuning(material, SETTINGS, out).run()


if __name__ == "__main__":
    killed_and_whole(
        tune, Path(sys.argv[1]), Path(sys.argv[2]),
        [Death(in_save=2), Death(0, 1, 0.05), Death(in_save=3), Death(0, 2, 0.1)], "config.json",
    )  # fmt: skip
