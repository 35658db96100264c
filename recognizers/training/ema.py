"""The teacher: an exponential moving average of the student's weights."""

import copy
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def make_teacher(student: Model) -> Model:
    """A copy of the student that takes no gradient."""
    return copy.deepcopy(student).eval().requires_grad_(False)


def decay_at(step: int, decay: float, warm_up: bool) -> float:
    """The decay of update number `step` (from 0).

    With `warm_up`, min(decay, (1 + step) / (10 + step)): a decay of 0.9999 averages over ten thousand steps, and a
    run of a few hundred would otherwise keep the weights it started from.
    """
    return min(decay, (1 + step) / (10 + step)) if warm_up else decay


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """Teacher ← decay · teacher + (1 − decay) · student, for all parameters in one call; buffers are copied."""
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - decay)
    for own, other in zip(teacher.buffers(), student.buffers(), strict=True):
        own.copy_(other)
