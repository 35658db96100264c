"""MemDPC: Memory-augmented Dense Predictive Coding (Han et al., ECCV'20, arXiv 2008.01065)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.objectives.contrast import own_among_all
from recognizers.ssl.objectives.local_clips import cut_in_time

BLOCKS, PREDICTED = 8, 3
SLOTS = 1024  # of the memory; all three as in the release


class MemDPC(Objective):
    """The blocks of a clip that come next, and those that came before, are told from those of all clips.

    Kept: blocks encoded one by one, a GRU over the first five of eight, three predicted one after another through a
    softmax over a learned memory of 1,024 slots, cross-entropy of dot products against all predicted blocks of the
    batch, and the same backwards in time with a GRU of its own.
    Left out: the dense part (one feature a block, not one for each place in the picture, which not every family has).
    A clip's loaded frames are cut into up to eight blocks of two
    frames or more, where it has so many. Learns from the unlabelled clips, in the pre-training only.
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
            _start(module)

    def loss(self, views: StepViews) -> Tensor:
        """L of this step's unlabelled clips; 0 after the pre-training."""
        if views.clips is None or views.step >= self.config.pretraining_steps:
            return views.labelled.logits.new_zeros(())
        view = self.strong(views.clips.frames, views.rng)
        blocks = cut_in_time(view, self.blocks, self.config.model.elements)  # [B, n, N, …]
        features = self.see(views.student, blocks.flatten(0, 1)).fused.unflatten(0, blocks.shape[:2])
        return self.of_features(features)

    def of_features(self, features: Tensor) -> Tensor:
        """L of the blocks' features [B, n, F], in time."""
        found = []
        for context, blocks in ((self.forwards, features), (self.backwards, features.flip(1))):
            known, true = blocks[:, : -self.predicted], blocks[:, -self.predicted :]
            found.append(own_among_all(self._predict(context, known).flatten(0, 1), true.flatten(0, 1)))
        return torch.stack(found).sum()

    def _predict(self, context: nn.Module, known: Tensor) -> Tensor:
        """The next blocks after those seen [B, n, F]: mixtures of the memory's slots [B, predicted, F]."""
        _, state = context(F.relu(known))  # [1, B, F]
        said: list[Tensor] = []
        while True:
            said.append(self.address(state[0]).softmax(-1) @ self.memory)  # [B, F]
            if len(said) == self.predicted:
                return torch.stack(said, 1)
            _, state = context(F.relu(said[-1]).unsqueeze(1), state)


def _start(module: nn.Module) -> None:
    """Orthogonal matrices of length 0.1, and zeros, as in the release."""
    for name, parameter in module.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        else:
            nn.init.orthogonal_(parameter, 0.1)
