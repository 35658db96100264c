"""State of tuning (trainable weights, optimizer) for checkpoints, under one process, DDP, FSDP2 or DeepSpeed.

In one process and under DDP every process holds all of it. FSDP2 shards tensors over the processes; torch's
distributed checkpoints gather and shard them again. DeepSpeed gathers no optimizer state: each process writes its
shard in a folder beside the checkpoint.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from gymqa.errors import GymQAError
from recognizers.training.checkpoint import restore

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True, strict=False)
_PARTS = "deepspeed-{step}"


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether weights are sharded over the processes, as by FSDP2 and ZeRO-3.

    Raises:
        GymQAError: FSDP's first version is used.
    """
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise GymQAError("FSDP's first version is not supported; use recipes/accelerate/fsdp2.yaml")
    return accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED)


def prepare_deepspeed(accelerator: Accelerator, samples: int, max_gradient_norm: float) -> None:
    """Set DeepSpeed's micro-batch size, accumulation and clipping, which it would infer from a data loader."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        config = accelerator.state.deepspeed_plugin.deepspeed_config
        config["train_micro_batch_size_per_gpu"] = samples
        config["gradient_accumulation_steps"] = accelerator.gradient_accumulation_steps
        config["gradient_clipping"] = max_gradient_norm


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trainable parameters, by name."""
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


class TuningState:
    """Collects and loads the state of a model and its optimizer.

    Args:
        accelerator: that prepared them.
        model: the unwrapped model.
        prepared: the model wrapped by `accelerator.prepare`.
        optimizer: the optimizer wrapped likewise.
    """

    def __init__(self, accelerator: Accelerator, model: nn.Module, prepared: nn.Module, optimizer: Any) -> None:
        self._model, self._optimizer = model, optimizer
        self._engine: Any = prepared  # DeepSpeed's, where it is used
        self._sharded = is_sharded(accelerator)
        self._deepspeed = accelerator.distributed_type == DistributedType.DEEPSPEED

    def weights(self) -> dict[str, Tensor]:
        """The unsharded trainable weights, on the main process; a collective call if they are sharded."""
        if self._deepspeed:
            from deepspeed.utils import safe_get_full_fp32_param

            return {name: safe_get_full_fp32_param(one).cpu() for name, one in trainable(self._model).items()}
        if self._sharded:
            # tied weights are in it although frozen
            whole: dict[str, Any] = dict(get_model_state_dict(self._model, options=_WHOLE))
            return {name: whole[name] for name in trainable(self._model) if name in whole}
        return {name: one.detach().cpu() for name, one in trainable(self._model).items()}

    def collect(self, folder: Path, step: int) -> dict[str, Any]:
        """Weights and optimizer for a checkpoint in `folder`; collective as `weights`."""
        if self._deepspeed:
            tag = _PARTS.format(step=step)
            self._engine.save_checkpoint(str(folder), tag=tag, exclude_frozen_parameters=True)
            return {"deepspeed": tag}
        if self._sharded:
            optimizer = get_optimizer_state_dict(self._model, self._raw_optimizer, options=_WHOLE)
        else:
            optimizer = self._optimizer.state_dict()
        return {"model": self.weights(), "optimizer": optimizer}

    def load(self, state: Mapping[str, Any], path: Path) -> None:
        """Load a state of `collect`, read from `path` by every process.

        Raises:
            GymQAError: another architecture, or another kind of distribution (DeepSpeed or not).
        """
        if ("deepspeed" in state) != self._deepspeed:
            raise GymQAError(
                f"{path} was written {'by' if 'deepspeed' in state else 'without'} DeepSpeed; go on as it was"
            )
        if self._deepspeed:
            self._engine.load_checkpoint(str(path.parent), tag=state["deepspeed"], load_module_strict=False)
            return
        holders = {
            "model": SimpleNamespace(load_state_dict=self._load_weights),
            "optimizer": SimpleNamespace(load_state_dict=self._load_moments),
        }
        restore(holders, state, path)

    def reset_optimizer(self) -> None:
        """Clear the optimizer's state; not possible under DeepSpeed."""
        if not self._deepspeed:
            self._raw_optimizer.state.clear()

    def remove_old_parts(self, folder: Path, step: int) -> None:
        """Remove DeepSpeed's shards of other steps, once the checkpoint of `step` is complete; on the main process."""
        for old in folder.glob(_PARTS.format(step="*")):
            if old.name != _PARTS.format(step=step):
                shutil.rmtree(old, ignore_errors=True)

    @property
    def _raw_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer inside accelerate's wrapper."""
        inner: torch.optim.Optimizer = getattr(self._optimizer, "optimizer", self._optimizer)
        return inner

    def _load_weights(self, weights: Mapping[str, Tensor]) -> None:
        own = trainable(self._model)
        if own.keys() != weights.keys():
            raise KeyError(f"it has other tensors, such as {sorted(own.keys() ^ weights.keys())[0]}")
        if self._sharded:
            set_model_state_dict(self._model, dict(weights), options=_WHOLE)
            return
        with torch.no_grad():
            for name, one in own.items():
                one.copy_(weights[name])

    def _load_moments(self, state: dict[str, Any]) -> None:
        if self._sharded:
            set_optimizer_state_dict(self._model, self._raw_optimizer, state, options=_WHOLE)
        else:
            self._optimizer.load_state_dict(state)
