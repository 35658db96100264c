"""What a family leaves as it is for a while (`Recognizer.held`): parameters, and their batch norms' statistics."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig


def held(network: Recognizer, config: TrainConfig, step: int) -> Sequence[nn.Parameter]:
    """The parameters that a step (from 0) leaves alone: none in a pre-training, from whose end the share is counted."""
    before = config.pretraining_steps
    return () if step < before else network.held((step - before) / (config.steps - before))


def hold_statistics(network: Recognizer, config: TrainConfig, step: int) -> None:
    """Take the batch norms whose parameters are held out of training mode, in which they would go on counting."""
    left_alone = {id(parameter) for parameter in held(network, config, step)}
    for module in network.modules():
        if isinstance(module, _BatchNorm) and id(module.weight) in left_alone:
            module.eval()
