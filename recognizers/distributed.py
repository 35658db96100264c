"""Collectives over the processes of a training (gather, broadcast, mean), its precision, and autocast to it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import cast

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.runtime.precision import BF16, FP16, Precision
from recognizers.config import TrainConfig


def processes() -> int:
    """Number of processes of the training."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_gathered(rows: Tensor) -> Tensor:
    """All-gather rows [B, …] to [B · processes, …]; the gradient flows back to each process's own rows.

    B must be the same in all processes. For a loss that compares a process's own rows with all rows and averages over
    its own, the mean over processes is the loss of the whole batch, and so is its gradient.
    """
    return rows if processes() == 1 else cast(Tensor, _Gathered.apply(rows))  # type: ignore[no-untyped-call]


def broadcast_first(tensors: Iterable[Tensor]) -> None:
    """Broadcast the first process's tensors to all others, in place, one broadcast for each dtype."""
    by_dtype: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors if processes() > 1 else ():
        by_dtype.setdefault(tensor.dtype, []).append(tensor)
    for same in by_dtype.values():
        together = torch.cat([tensor.flatten() for tensor in same])
        dist.broadcast(together, 0)
        for tensor, part in zip(same, together.split([tensor.numel() for tensor in same]), strict=True):
            tensor.copy_(part.view_as(tensor))


def mean_values(values: Mapping[str, Tensor], accelerator: Accelerator) -> dict[str, float]:
    """Average scalars over all processes, whose batches are equally large; one device synchronisation."""
    together = torch.stack([value.float() for value in values.values()])
    if accelerator.num_processes > 1:
        together = accelerator.reduce(together, "mean")
    return dict(zip(values, together.tolist(), strict=True))


class _Gathered(torch.autograd.Function):
    """All-gather whose backward pass sums the gradients of all processes."""

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


def agreed_precision(choose: Callable[[], Precision], main: bool) -> Precision:
    """The precision that process 0 chooses, in all processes.

    Args:
        choose: called in process 0.
        main: whether this is process 0.

    Raises:
        GymQAError: `choose` raised it; all processes stop.
    """
    chosen: Precision | str | None = None
    if main:
        try:
            chosen = choose()
        except GymQAError as error:
            chosen = str(error)
    chosen = broadcast_object_list([chosen])[0]
    if not isinstance(chosen, Precision):
        raise GymQAError(str(chosen))
    return chosen


def autocast(device: torch.device, config: TrainConfig) -> AbstractContextManager[None]:
    """Autocast to the chosen precision; a new one for each forward pass, as casts cached without gradient stay so."""
    dtype = torch.float16 if config.precision == FP16 else torch.bfloat16
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype, enabled=config.precision in (BF16, FP16))
    return context
