"""The whole loss of a batch of two, worked out in NumPy at float64 from what the networks said."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Generator

from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.algorithms import FIXMATCH, MEAN_TEACHER, SEFAR, Algorithm
from recognizers.ssl.augment import AugmentConfig
from recognizers.ssl.losses import StepLoss
from recognizers.ssl.step import Guidance, guide, step_loss
from recognizers.ssl.weighting.base import make_weighting

Array = NDArray[np.float64]
XI = 0.3
MODEL = SeFARConfig(
    image_size=24, patch_size=4, dim=16, depth=2, heads=2, fusion_dim=8, n_classes=4, drop_path=0.0, head_dropout=0.5
)
STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)
CLASSES = [2, 0]  # of the labelled clips
GREYS = [60, 190]  # of the unlabelled ones, so that every pixel of a mixed view says whose it is


def clip_batch(labels: list[int], greys: list[int]) -> ClipBatch:
    """Two clips of one grey each."""
    frames = torch.tensor(greys, dtype=torch.uint8).view(2, 1, 1, 1, 1).expand(2, 8, 24, 24, 3).contiguous()
    return ClipBatch(frames, torch.tensor(labels), torch.arange(2), ("a", "b"))


class Worked:
    """One step of an algorithm, with all that the heads of teacher and student said on the way."""

    def __init__(self, algorithm: Algorithm, seed: int) -> None:
        torch.manual_seed(seed)
        self.config = TrainConfig(model=MODEL, algorithm=algorithm, augment=STILL, initial="none")
        self.student, self.teacher = SeFAR(MODEL), SeFAR(MODEL)
        for model in (self.student, self.teacher):
            for parameter in model.parameters():
                torch.nn.init.normal_(parameter, std=0.4)
        self.said: list[Array] = []
        labeller = self.student if algorithm.teacher == "student" else self.teacher
        handle = labeller.head.register_forward_hook(self._note)
        rng = Generator().manual_seed(seed)
        weighting = make_weighting(algorithm, 2, 4)
        self.guidance: Guidance = guide(self.config, labeller, clip_batch([-1, -1], GREYS), weighting, rng)
        handle.remove()
        self.student.head.register_forward_hook(self._note)
        labelled = clip_batch(CLASSES, [20, 240])
        self.loss: StepLoss = step_loss(self.config, self.student.train(), labelled, self.guidance, XI, rng)

    def _note(self, module: Any, inputs: Any, output: torch.Tensor) -> None:
        self.said.append(output.detach().double().numpy())

    @property
    def passes(self) -> Array:
        """The labeller's probabilities [K, B, C]."""
        return softmax(self.said[0])

    @property
    def supervised(self) -> float:
        """Mean cross-entropy of the labelled clips, the first two of the student's batch."""
        return float(np.mean(cross_entropy(self.said[1][:2], CLASSES)))


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def cross_entropy(logits: Array, classes: Any) -> Array:
    return -np.log(softmax(logits)[np.arange(len(logits)), classes])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def test_sefars_loss_is_the_papers() -> None:
    step = Worked(SEFAR, seed=11)
    passes = step.passes
    assert passes.shape == (10, 2, 4)
    mean = passes.mean(0)
    classes = mean.argmax(-1)
    confidence = mean[[0, 1], classes]
    spread = np.array([np.std(passes[:, i, classes[i]], ddof=1) for i in range(2)])
    eta = 2 * sigmoid(np.exp(confidence) - math.e) * 2 * (sigmoid(1 / (20 * spread)) - 0.5)
    assert 0 < eta.min() < eta.max() < 0.9  # neither factor is idle

    strong, mixed = (view.double().numpy() for view in step.guidance.views)
    own = np.isclose(mixed, strong).reshape(2, -1).mean(1)  # λ: every pixel is one's own or the other's
    assert 0 < own[0] < 1
    assert own[0] != own[1]
    target = own[:, None] * mean + (1 - own[:, None]) * mean[::-1]  # π swaps the two
    weight = own * eta + (1 - own) * eta[::-1]
    said = step.said[1]
    unlabelled = np.mean(eta * cross_entropy(said[2:4], classes))
    mix = np.mean(weight * ((softmax(said[4:6]) - target) ** 2).sum(-1))
    assert step.loss.unlabelled.item() == pytest.approx(unlabelled, rel=1e-5)
    assert step.loss.mixed.item() == pytest.approx(mix, rel=1e-5)
    assert step.loss.total.item() == pytest.approx(step.supervised + XI * (2 * unlabelled + 2 * mix), rel=1e-5)


def test_the_released_comparison_of_logits_is_a_switch() -> None:
    soft, raw = Worked(SEFAR, seed=11), Worked(replace(SEFAR, mix_logits=True), seed=11)
    mean, weights = raw.guidance.mix_targets, raw.guidance.mix_weights
    assert mean is not None
    assert weights is not None
    distance = ((raw.said[1][4:6] - mean.double().numpy()) ** 2).sum(-1)
    assert raw.loss.mixed.item() == pytest.approx(float(np.mean(weights.double().numpy() * distance)), rel=1e-5)
    assert raw.loss.mixed.item() != pytest.approx(soft.loss.mixed.item(), rel=0.1)


def test_fixmatchs_loss_counts_the_confident_labels_of_the_student_itself() -> None:
    confidence = Worked(FIXMATCH, seed=10).passes[0].max(-1)
    assert confidence[0] != pytest.approx(confidence[1], abs=0.01)
    step = Worked(replace(FIXMATCH, threshold=float(confidence.mean())), seed=10)  # one of the two passes
    assert step.passes.shape == (1, 2, 4)
    mask = (confidence >= confidence.mean()).astype(float)
    assert sorted(mask) == [0, 1]
    unlabelled = np.sum(mask * cross_entropy(step.said[1][2:4], step.passes[0].argmax(-1))) / 2
    assert step.loss.unlabelled.item() == pytest.approx(unlabelled, rel=1e-5)
    assert step.loss.total.item() == pytest.approx(step.supervised + XI * unlabelled, rel=1e-5)
    assert step.loss.mixed.item() == 0


def test_mean_teachers_loss_is_the_squared_distance_to_the_teachers_probabilities() -> None:
    step = Worked(MEAN_TEACHER, seed=2)
    unlabelled = np.mean(((softmax(step.said[1][2:4]) - step.passes[0]) ** 2).sum(-1))
    assert step.loss.unlabelled.item() == pytest.approx(unlabelled, rel=1e-5)
    assert step.loss.total.item() == pytest.approx(step.supervised + XI * 10 * unlabelled, rel=1e-5)


def test_during_the_warm_up_the_loss_is_that_of_the_labelled_clips() -> None:
    step = Worked(SEFAR, seed=11)
    loss = step_loss(step.config, step.student, clip_batch(CLASSES, [20, 240]), None, XI, Generator().manual_seed(0))
    assert loss.total.item() == loss.supervised.item() == pytest.approx(np.mean(cross_entropy(step.said[2], CLASSES)))
