"""Optimizers, schedules of learning rate and ξ, EMA teacher, and freezing of parameters and batch norm statistics."""

import copy
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD, AdamW, Optimizer

from gymqa.runtime.precision import FP16
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.losses import ramp

_FRESH = ("backbone.time_blocks.", "backbone.time_norm.", "backbone.frame_embed")  # tensors that no image ViT has
_FUSED = ("cpu", "cuda", "mps", "xpu")  # devices for which torch has fused SGD and AdamW


def make_optimizer(config: TrainConfig, model: nn.Module, extra: Iterable[tuple[str, nn.Parameter]] = ()) -> Optimizer:
    """SGD or AdamW; weight decay on matrices only, learning rate of loaded tensors scaled by `backbone_rate`.

    Uses the fused implementation where the model's device has it, else torch's default. Not with float16: when the
    first step overflows, torch's fused SGD leaves its momentum uninitialised (as of torch 2.13).

    Args:
        config: settings.
        model: the trained model.
        extra: further parameters by name, grouped like the model's.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in chain(model.named_parameters(), extra):
        decays = parameter.ndim > 1 and "embed" not in name and "token" not in name
        decays = decays or name.endswith("patch_embed.weight")
        if parameter.requires_grad:
            loaded = name.startswith("backbone.") and not name.startswith(_FRESH)
            groups.setdefault((decays, loaded), []).append(parameter)
    described = [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decays else 0.0,
            "scale": config.backbone_rate if loaded else 1.0,
        }
        for (decays, loaded), parameters in groups.items()
    ]
    fused = (next(model.parameters()).device.type in _FUSED and config.precision != FP16) or None
    if config.optimizer == "sgd":
        optimizer = SGD(described, lr=config.learning_rate, momentum=0.9, fused=fused)
        for parameter in chain.from_iterable(groups.values()):  # fused SGD needs all momenta, once there is one
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    return AdamW(described, lr=config.learning_rate, fused=fused)


def rate_factor(config: TrainConfig, step: int) -> float:
    """The learning rate at a step (from 0) as a fraction of its peak; a pre-training has its own schedule."""
    before = config.pretraining_steps
    if step < before:
        return _factor(config, step, before)
    return _factor(config, step - before, config.steps - before)


def _factor(config: TrainConfig, step: int, steps: int) -> float:
    """The fraction of the peak at a step of a schedule of `steps`."""
    rise = min(1.0, (step + 1) / config.rate_warm_up_steps) if config.rate_warm_up_steps else 1.0
    if config.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * step / steps))
    epochs = math.ceil(steps / config.steps_per_epoch)
    done = (step // config.steps_per_epoch) / epochs
    return rise * (1.0 if done < 25 / 30 else 0.1 if done < 28 / 30 else 0.01)


def xi_at(config: TrainConfig, step: int) -> float:
    """ξ, the weight of the unlabelled loss at a step (from 0)."""
    if not config.algorithm.ramp:
        return float(step >= config.warm_up_steps)
    unit = config.steps_per_epoch
    return ramp(step // unit, math.ceil(config.warm_up_steps / unit), math.ceil(config.steps / unit))


def frozen_parameters(network: Recognizer, config: TrainConfig, step: int) -> Sequence[nn.Parameter]:
    """Parameters that are frozen at a step (from 0): none in a pre-training, after which the progress is counted."""
    before = config.pretraining_steps
    return () if step < before else network.frozen_parameters((step - before) / (config.steps - before))


def freeze_batch_norm(network: Recognizer, config: TrainConfig, step: int) -> None:
    """Set batch norms with frozen parameters to evaluation mode, which freezes their running statistics."""
    frozen = {id(parameter) for parameter in frozen_parameters(network, config, step)}
    for module in network.modules():
        if isinstance(module, _BatchNorm) and id(module.weight) in frozen:
            module.eval()


Model = TypeVar("Model", bound=nn.Module)


def make_teacher(student: Model) -> Model:
    """A copy of the student without gradients."""
    return copy.deepcopy(student).eval().requires_grad_(False)


def decay_at(step: int, decay: float, warm_up: bool) -> float:
    """EMA decay of an update (from 0).

    With `warm_up`, min(decay, (1 + step) / (10 + step)): a decay of 0.9999 averages over ten thousand steps,
    so that the teacher of a short run would otherwise stay near the initial weights.
    """
    return min(decay, (1 + step) / (10 + step)) if warm_up else decay


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """Teacher ← decay · teacher + (1 − decay) · student, for all parameters in one call; buffers are copied."""
    torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), 1 - decay)
    for own, other in zip(teacher.buffers(), student.buffers(), strict=True):
        own.copy_(other)
