"""What a family leaves as it is for a while (`Recognizer.held`): parameters, and the statistics of their batch norms."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from recognizers.config import TrainConfig
from recognizers.recognizer import Recognizer


def held(network: Recognizer, config: TrainConfig, step: int) -> Sequence[nn.Parameter]:
    """The parameters that a step (from 0) leaves alone."""
    return network.held(step / config.steps)


def hold_statistics(network: Recognizer, config: TrainConfig, step: int) -> None:
    """Take the batch norms whose parameters are held out of training mode, in which they would go on counting."""
    left_alone = {id(parameter) for parameter in held(network, config, step)}
    for module in network.modules():
        if isinstance(module, _BatchNorm) and id(module.weight) in left_alone:
            module.eval()
