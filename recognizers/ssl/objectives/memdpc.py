"""Objective MemDPC: pre-training by predicting a clip's next blocks with a memory (ECCV'20, arXiv 2008.01065)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.objectives.contrast import info_nce
from recognizers.ssl.objectives.local_clips import temporal_parts

BLOCKS, PREDICTED = 8, 3
SLOTS = 1024  # of the memory; all three as in the release


class MemDPC(Objective):
    """InfoNCE of the predicted next and previous blocks of a clip against those of all clips.

    Kept: blocks encoded one by one, a GRU over the first five of eight, three predicted one after another through a
    softmax over a learned memory of 1,024 slots, cross-entropy of dot products against all predicted blocks of the
    batch, and the same backwards in time with a GRU of its own.
    Left out: dense prediction (one feature for each block, not for each location, which not every family has). A
    clip's loaded frames are cut into up to eight blocks of at least two frames. Used on unlabelled clips in the
    pre-training only.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        dim, frames = student.head.in_features, config.model.frames
        if frames < 2:
            raise GymQAError("a clip of one frame has nothing to predict; give the model 2 frames or more")
        self.blocks = min(BLOCKS, max(2, frames // 2))
        self.predicted = max(1, self.blocks * PREDICTED // BLOCKS)
        self.memory = nn.Parameter(torch.randn(SLOTS, dim))
        self.address = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, SLOTS))
        self.forwards, self.backwards = (nn.GRU(dim, dim, batch_first=True) for _ in range(2))
        for module in (self.address, self.forwards, self.backwards):
            _initialise(module)

    def loss(self, views: StepViews) -> Tensor:
        """The loss of this step's unlabelled clips; 0 after the pre-training."""
        if views.clips is None or views.step >= self.config.pretraining_steps:
            return views.labelled.logits.new_zeros(())
        view = self.strong(views.clips.frames, views.rng)
        blocks = temporal_parts(view, self.blocks, self.config.model.elements)  # [B, n, N, …]
        features = self.forward_view(views.student, blocks.flatten(0, 1)).fused.unflatten(0, blocks.shape[:2])
        return self.of_features(features)

    def of_features(self, features: Tensor) -> Tensor:
        """The loss from the blocks' features [B, n, F], in temporal order."""
        found = []
        for context, blocks in ((self.forwards, features), (self.backwards, features.flip(1))):
            known, true = blocks[:, : -self.predicted], blocks[:, -self.predicted :]
            found.append(info_nce(self._predict(context, known).flatten(0, 1), true.flatten(0, 1)))
        return torch.stack(found).sum()

    def _predict(self, context: nn.Module, known: Tensor) -> Tensor:
        """Predict the next blocks after the known ones [B, n, F], as mixtures of memory slots [B, predicted, F]."""
        _, state = context(F.relu(known))  # [1, B, F]
        predicted: list[Tensor] = []
        while True:
            predicted.append(self.address(state[0]).softmax(-1) @ self.memory)  # [B, F]
            if len(predicted) == self.predicted:
                return torch.stack(predicted, 1)
            _, state = context(F.relu(predicted[-1]).unsqueeze(1), state)


def _initialise(module: nn.Module) -> None:
    """Orthogonal initialisation with gain 0.1, zero biases, as in the release."""
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        else:
            nn.init.orthogonal_(parameter, 0.1)
