"""Semi-supervised algorithms: each a pseudo-label rule × weighting × mixing × perturbation, with its hyper-parameters.

L = L_sup + ξ (unlabelled_weight · L_un + mix_weight · L_mix).
"""

import difflib
import math
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.pseudo_label import PseudoLabels
from recognizers.weighting import AdaptiveRegulation, FixedThreshold, FlexMatch, Weighting


@dataclass(frozen=True)
class Algorithm:
    """What is done with the unlabelled clips.

    Attributes:
        name: what it is called in tables.
        unlabelled_weight: factor of L_un; with 0 here and in `mix_weight` the unlabelled clips are not looked at.
        mix_weight: factor of L_mix.
        teacher: whose pseudo-labels: the moving average's or the student's own.
        passes: K, stochastic passes of the teacher; 1 is a single one without dropout.
        weighting: how much each pseudo-label counts.
        threshold: of the rules that have one.
        perturbation: of time, in the strong view.
        mix_alpha: λ ~ Beta(mix_alpha, mix_alpha).
        mix_logits: compare raw logits with the mixed probabilities, as the release does, instead of the softmax.
        ramp: let ξ grow as a sine; False holds it at 1 after the warm-up.
    """

    name: str = "supervised"
    unlabelled_weight: float = 0.0
    mix_weight: float = 0.0
    teacher: Literal["ema", "student"] = "ema"
    passes: int = 1
    weighting: Literal["adaptive", "confidence", "fixed", "flexmatch"] = "fixed"
    threshold: float = 0.95
    perturbation: str = "none"
    mix_alpha: float = 10.0
    mix_logits: bool = False
    ramp: bool = False

    @property
    def semi_supervised(self) -> bool:
        """Whether unlabelled clips are used at all."""
        return self.unlabelled_weight > 0 or self.mix_weight > 0


SUPERVISED = Algorithm("supervised")
FIXMATCH = Algorithm("fixmatch", unlabelled_weight=1.0, teacher="student")
FLEXMATCH = Algorithm("flexmatch", unlabelled_weight=1.0, teacher="student", weighting="flexmatch")
SEFAR = Algorithm(
    "sefar",
    unlabelled_weight=2.0,
    mix_weight=2.0,
    passes=10,
    weighting="adaptive",
    perturbation="moderate",
    ramp=True,
)
ALGORITHMS = {algorithm.name: algorithm for algorithm in (SUPERVISED, FIXMATCH, FLEXMATCH, SEFAR)}


def algorithm_named(name: str) -> Algorithm:
    """An algorithm with the hyper-parameters of its paper.

    Raises:
        GymQAError: there is no such algorithm (the closest ones are named).
    """
    if name not in ALGORITHMS:
        near = difflib.get_close_matches(name, ALGORITHMS, cutoff=0)
        raise GymQAError(f"there is no algorithm {name!r}; did you mean {', '.join(near)}?")
    return ALGORITHMS[name]


def make_weighting(algorithm: Algorithm, clips: int, classes: int) -> Weighting:
    """The algorithm's weighting, fresh, for so many unlabelled clips and classes."""
    if algorithm.weighting == "flexmatch":
        return FlexMatch(clips, classes, algorithm.threshold)
    if algorithm.weighting == "fixed":
        return FixedThreshold(algorithm.threshold)
    return AdaptiveRegulation(with_spread=algorithm.weighting == "adaptive")


def ramp(epoch: int, warm_up: int, epochs: int) -> float:
    """ξ = sin(π/2 · (epoch + 1 − warm_up) / (epochs − warm_up)), 0 during the warm-up; epochs count from 0."""
    if epoch < warm_up:
        return 0.0
    return math.sin(math.pi / 2 * (epoch + 1 - warm_up) / (epochs - warm_up))


def unlabelled_loss(logits: Tensor, labels: PseudoLabels, weights: Tensor) -> Tensor:
    """L_un = mean_i η_i · CE(student(strong_i), c_i); logits [B, C], weights [B]."""
    return (weights * F.cross_entropy(logits, labels.classes, reduction="none")).mean()


def mix_loss(logits: Tensor, targets: Tensor, weights: Tensor, compare_logits: bool = False) -> Tensor:
    """L_mix = mean_i w_i · ‖softmax(student(mix_i)) − target_i‖²; logits and targets [B, C], weights [B]."""
    predicted = logits if compare_logits else logits.softmax(-1)
    return (weights * (predicted - targets).square().sum(-1)).mean()


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The loss of one step and its parts, all scalars; those without unlabelled clips are 0."""

    total: Tensor
    supervised: Tensor
    unlabelled: Tensor
    mixed: Tensor


def combine(algorithm: Algorithm, xi: float, supervised: Tensor, unlabelled: Tensor, mixed: Tensor) -> StepLoss:
    """L = L_sup + ξ (unlabelled_weight · L_un + mix_weight · L_mix)."""
    total = supervised + xi * (algorithm.unlabelled_weight * unlabelled + algorithm.mix_weight * mixed)
    return StepLoss(total, supervised.detach(), unlabelled.detach(), mixed.detach())
