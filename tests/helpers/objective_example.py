"""A small objective with all that one can have: a projection, a memory of features, draws, and a say in the labels."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import all_gathered
from recognizers.loader import ClipBatch
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.pseudo_label import PseudoLabels
from tests.helpers.training_world import MODEL

NAME = "tests.helpers.objective_example:Remembered"
ROWS = 4

Array = NDArray[np.float64]


class Remembered(Objective):
    """The student's projected features are drawn to the mean of the last ones, with noise."""

    memory: Tensor

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        self.project = nn.Linear(student.head.in_features, ROWS)
        self.register_buffer("memory", torch.zeros(ROWS))

    def loss(self, views: StepViews) -> Tensor:
        fused = views.labelled.fused if views.unlabelled is None else views.unlabelled.own.fused
        found = self.project(fused)
        with torch.no_grad():
            self.memory.lerp_(all_gathered(found.detach()).mean(0), 0.5)
        noise = torch.rand(ROWS, generator=views.rng).to(found.device)
        return F.mse_loss(found, (self.memory + 0.1 * noise).expand_as(found))

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        return labels._replace(confidence=torch.ones_like(labels.confidence))


ELEMENTS = (2, 2, 4)
STEADY = replace(MODEL, head_dropout=0.0, drop_path=0.0)


def scattered(network: Recognizer, seed: int = 0) -> Recognizer:
    """A network whose outputs differ from clip to clip, without dropout."""
    rng = Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.4, generator=rng)
    return network


def cross_entropy(logits: Tensor, classes: list[int], counts: list[float] | None = None) -> float:
    each = -log_softmax(told(logits))[np.arange(len(classes)), classes]
    return float((each * (counts or [1.0] * len(classes))).mean())


def told(x: Tensor) -> Array:
    array: Array = x.detach().double().numpy()
    return array


def log_softmax(x: Array) -> Array:
    result: Array = x - np.log(np.exp(x).sum(-1, keepdims=True))
    return result
