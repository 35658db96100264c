"""A small objective with all that one can have: a projection, a memory of features, draws, and a say in the labels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import gathered
from recognizers.loader import ClipBatch
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.pseudo_label import PseudoLabels

NAME = "tests.objective_example:Remembered"
ROWS = 4


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
            self.memory.lerp_(gathered(found.detach()).mean(0), 0.5)
        noise = torch.rand(ROWS, generator=views.rng).to(found.device)
        return F.mse_loss(found, (self.memory + 0.1 * noise).expand_as(found))

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        return labels._replace(confidence=torch.ones_like(labels.confidence))
