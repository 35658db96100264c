"""Start of a training: accelerator, student with initial weights, data-dependent initialisation."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import channel_slice
from gymqa.io.console import console
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.precision import AUTO, FLOAT32, PRECISIONS, Precision, named
from gymqa.runtime.world import require_no_other
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import agreed_precision, broadcast_first
from recognizers.loader import centre_indices
from recognizers.ssl.augment import to_model
from recognizers.training.checkpoint import PRECISION
from recognizers.training.clips import TrainingClips
from recognizers.training.log import tracker_for
from recognizers.weights_io.tensors import sources_of, weights_modality


class ProcessSettings(Protocol):
    """Settings of the processes, which recognizers' and language models' training settings have."""

    @property
    def precision(self) -> str:
        """Precision: auto, float32, bf16 or fp16."""

    @property
    def accumulation(self) -> int:
        """Gradient accumulation steps."""

    @property
    def tracker(self) -> str:
        """Experiment tracker: tensorboard, wandb or none."""


def start_accelerator(config: ProcessSettings, out: Path, option: str = "training") -> Accelerator:
    """Make the accelerator and join the other processes; precision is left to our own autocast.

    Only DeepSpeed gets the precision, in which it keeps the weights. With `auto` it is what `accelerate launch` was
    told.

    Args:
        config: settings.
        out: the run's folder.
        option: prefix of the settings' command-line options.

    Raises:
        GymQAError: the processes are not connected, `accelerate launch` has another precision, or the tracker is not
            installed.
    """
    told = _told_to_accelerate()
    if told != FLOAT32 and config.precision != told and (config.precision != AUTO or told not in PRECISIONS):
        raise GymQAError(
            f"accelerate launch has the precision {told}, but the training {config.precision}; "
            f"leave --mixed_precision out and set --{option}.precision"
        )
    kept = told if config.precision == AUTO else config.precision
    accelerator = Accelerator(
        mixed_precision="no" if kept == FLOAT32 or not _uses_deepspeed() else kept,
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            config.accumulation
        ),  # a plain number is overridden by an environment variable
        log_with=tracker_for(config.tracker),
        project_dir=str(out),
    )
    require_one_world(accelerator.num_processes)
    return accelerator


def _told_to_accelerate() -> str:
    """The precision that `accelerate launch` was told, float32 if none."""
    return named(os.environ.get("ACCELERATE_MIXED_PRECISION", FLOAT32))


def _uses_deepspeed() -> bool:
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def training_precision(
    asked: str, accelerator: Accelerator, saved: Mapping[str, Any] | None, network: nn.Module
) -> Precision:
    """The precision of a training, the same in all processes.

    With `auto` it is that in which an interrupted training began, or what `accelerate launch` was told, or what the
    device computes fast; on a CPU never bf16 for 3-D convolutions, whose gradient overflows there (torch 2.13).

    Args:
        asked: the setting.
        accelerator: of this process.
        saved: state of the checkpoint to resume from, if any.
        network: the network that is trained.

    Raises:
        GymQAError: this device cannot go on in the precision in which the training began.
    """
    device, told = str(accelerator.device), _told_to_accelerate()
    begun = None if saved is None else saved.get(PRECISION)

    def choose() -> Precision:
        if asked == AUTO and begun is None:
            if told != FLOAT32 or _uses_deepspeed():
                return Precision(told, "as accelerate launch was told")
            if accelerator.device.type == "cpu" and any(isinstance(one, nn.Conv3d) for one in network.modules()):
                return Precision(FLOAT32, "torch's 3-D convolutions on a CPU overflow in bf16")
        return choose_precision(asked, device, begun)

    return agreed_precision(choose, accelerator.is_main_process)


def require_one_world(processes: int) -> None:
    """Refuse to train where the launcher's processes are not connected, or fewer than requested.

    Raises:
        GymQAError: the launcher started, or was asked to start, more processes than take part in the training.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise GymQAError(
            f"{started} processes were started, but each trains by itself; "
            "on CPUs set ACCELERATE_USE_CPU=true before torchrun, or start one process"
        )
    require_no_other("one of the files in scripts/")


def build_student(config: TrainConfig, say: bool = True) -> Recognizer:
    """Build the student and load its initial weights.

    Args:
        config: settings.
        say: print which tensors were loaded.

    Raises:
        GymQAError: the initial weights are missing, do not fit, or are of another modality than the model.
    """
    torch.manual_seed(config.seed)
    model = config.model.build()
    if config.initial != "none":
        require_same_modality(config)
        loaded = model.start_from(config.initial, config.copy_attention)
        if say and loaded:
            console.print(f"backbone from {config.initial}: {loaded}", highlight=False)
    return model


def prepare(model: Recognizer, config: TrainConfig, clips: TrainingClips) -> None:
    """Run the family's data-dependent initialisation on training clips, and broadcast the result to all processes."""
    model.prepare(_ShuffledClips(config, clips, next(model.parameters()).device), config.seed)
    broadcast_first(model.state_dict().values())


@dataclass(frozen=True)
class _ShuffledClips:
    """All training clips as test-time views, shuffled by the seed: batches [B, N, 3, S, S]; iterable repeatedly."""

    config: TrainConfig
    clips: TrainingClips
    device: torch.device

    def __iter__(self) -> Iterator[Tensor]:
        config, cache = self.config, self.clips.cache
        part = channel_slice(config.model.modality, cache.modality)
        ids = [clip.id for clip in (*self.clips.labelled, *self.clips.unlabelled)]
        order = np.random.default_rng((config.seed, 2)).permutation(len(ids))
        for start in range(0, len(ids), config.labelled_batch):
            batch = [ids[index] for index in order[start : start + config.labelled_batch]]
            frames = torch.from_numpy(cache.gather(batch, centre_indices(cache, batch, config.model))[..., part])
            yield to_model(frames.to(self.device), config.model.image_size)


def require_same_modality(config: TrainConfig) -> None:
    """Refuse initial weights of another modality.

    Raises:
        GymQAError: the initial weights were trained on another modality than the model's.
    """
    if config.initial == "shipped" and config.initial_weights is None:
        return  # the family has no shipped weights
    model = config.model
    for source, wanted in zip(sources_of(config.initial, model.streams), model.streams, strict=True):
        trained = weights_modality(source)
        if trained not in (wanted, model.modality) and not (trained == "rgb" and model.adapts_rgb_weights):
            who = "the model" if wanted == model.modality else "one of the model's streams"
            raise GymQAError(
                f"the weights {source} were trained on {trained}, but {who} takes {wanted}; "
                f"set initial to none, or name weights trained on {wanted}"
            )
