"""Pseudo-labels: the teacher's mean softmax, class, confidence and spread over stochastic passes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer


class PseudoLabels(NamedTuple):
    """The teacher's prediction for a batch.

    probabilities: p̄ [B, C], the mean softmax over the passes; classes: c = argmax p̄ [B]; confidence: p̄_c [B];
    spread: standard deviation (unbiased) of class c's probability over the passes [B].
    """

    probabilities: Tensor
    classes: Tensor
    confidence: Tensor
    spread: Tensor


def pseudo_label(teacher: Recognizer, frames: Tensor, passes: int) -> PseudoLabels:
    """Predict with the teacher in `passes` stochastic passes (Monte Carlo dropout).

    The backbone has no dropout of its own (drop-path is off in a teacher), so it runs once and the head `passes`
    times: the same distribution as that many full passes. One pass has dropout off and a spread of 0.

    Args:
        teacher: left in evaluation mode.
        frames: weak views [B, N, 3, S, S].
        passes: K.
    """
    teacher.eval()
    with torch.inference_mode():
        fused = teacher.forward_features(frames).fused  # [B, F]
        if passes > 1:
            switch_on_dropout(teacher)
        logits = teacher.forward_head(fused.expand(passes, -1, -1)).float()  # [K, B, C]
    teacher.eval()
    return summarise(logits.clone().softmax(-1))  # cloned: inference tensors may not enter an autograd graph


def summarise(probabilities: Tensor) -> PseudoLabels:
    """Mean, class, confidence and spread of softmax outputs [K, B, C]."""
    mean = probabilities.mean(0)
    confidence, classes = mean.max(-1)
    of_class = probabilities.gather(2, classes.expand(len(probabilities), -1).unsqueeze(-1)).squeeze(-1)  # [K, B]
    spread = of_class.std(0) if len(probabilities) > 1 else torch.zeros_like(confidence)
    return PseudoLabels(mean, classes, confidence, spread)


def switch_on_dropout(model: nn.Module) -> list[str]:
    """Set the dropout modules alone to training mode; returns their names."""
    names = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout):
            module.train()
            names.append(name)
    return names
