"""What the processes of a training tell each other."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from recognizers.config import TrainConfig


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(rows: Tensor) -> Tensor:
    """The rows [B, …] of all processes, [B · processes, …], the same in each; the gradient goes back to each's own.

    B is the same everywhere. With a loss that averages over a process's own rows, held against all, the average over
    processes is the loss of the whole batch, and so is its gradient.
    """
    return rows if processes() == 1 else cast(Tensor, _Gathered.apply(rows))  # type: ignore[no-untyped-call]


def share_first(tensors: Iterable[Tensor]) -> None:
    """Give all processes the first one's tensors, in one exchange a kind of number."""
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors if processes() > 1 else ():
        kinds.setdefault(tensor.dtype, []).append(tensor)
    for alike in kinds.values():
        together = torch.cat([tensor.flatten() for tensor in alike])
        dist.broadcast(together, 0)
        for tensor, part in zip(alike, together.split([tensor.numel() for tensor in alike]), strict=True):
            tensor.copy_(part.view_as(tensor))


class _Gathered(torch.autograd.Function):
    """all_gather; backward sums what every process sends to a row."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor) -> Tensor:
        """[B, …] -> [B · processes, …]."""
        parts = [torch.empty_like(rows) for _ in range(processes())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        """The gradient of this process's rows."""
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(processes())[dist.get_rank()]


def autocast(device: torch.device, config: TrainConfig) -> AbstractContextManager[None]:
    """The precision of forward passes. One context a pass: casts made without gradient must not serve with it."""
    dtype = torch.float16 if config.precision == "fp16" else torch.bfloat16
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype, enabled=config.precision != "no")
    return context
