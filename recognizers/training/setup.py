"""What a training starts from: the processes it runs in, and the untrained recognizer."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.frames.modality import channel_slice
from gymqa.io.console import console
from gymqa.runtime.world import require_no_other
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import share_first
from recognizers.loader import centre_indices
from recognizers.ssl.augment import to_model
from recognizers.training.clips import TrainingClips
from recognizers.training.log import tracker_for
from recognizers.weights_io.tensors import sources_of, weights_modality


class ProcessSettings(Protocol):
    """What a training's settings say about its processes: the recognizers' and the language model's have it."""

    @property
    def precision(self) -> str:
        """No, bf16 or fp16."""

    @property
    def accumulation(self) -> int:
        """Parts of a process's batch that are computed one after another."""

    @property
    def tracker(self) -> str:
        """Who gets the metrics besides metrics.jsonl."""


def start_accelerator(config: ProcessSettings, out: Path, option: str = "training") -> Accelerator:
    """Join the processes that were started together; precision is ours, for accelerate allows one a process.

    Only DeepSpeed is told the precision: it keeps the weights in it, and computes by itself.

    Args:
        config: settings.
        out: the run's folder.
        option: of the command line, under which the settings stand.

    Raises:
        GymQAError: processes that do not know of each other, another precision asked of `accelerate launch`, or a
            tracker that is not installed.
    """
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if asked not in ("no", config.precision):
        raise GymQAError(
            f"accelerate launch was asked for {asked}, the training for {config.precision}; "
            f"leave --mixed_precision out and set --{option}.precision"
        )
    deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"
    accelerator = Accelerator(
        mixed_precision=config.precision if deepspeed else "no",
        gradient_accumulation_plugin=GradientAccumulationPlugin(
            config.accumulation
        ),  # a number would yield to a variable
        log_with=tracker_for(config.tracker),
        project_dir=str(out),
    )
    require_one_world(accelerator.num_processes)
    return accelerator


def require_one_world(processes: int) -> None:
    """Refuse to be one of several processes that do not know of each other, or the only one where several were asked.

    Raises:
        GymQAError: the launcher started more, or was asked for more, processes than share the training.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise GymQAError(
            f"{started} processes were started, but each trains by itself; "
            "on CPUs set ACCELERATE_USE_CPU=true before torchrun, or start one process"
        )
    require_no_other("one of the files in scripts/")


def build_student(config: TrainConfig, say: bool = True) -> Recognizer:
    """The untrained recognizer, started from the weights that the settings name.

    Args:
        config: settings.
        say: tell what was loaded.

    Raises:
        GymQAError: those weights are not there, do not fit, or see another modality than the model.
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
    """Let a model look at training clips before its first step, if its family wants to; all processes get the same."""
    model.prepare(_Shown(config, clips, next(model.parameters()).device), config.seed)
    share_first(model.state_dict().values())


@dataclass(frozen=True)
class _Shown:
    """All training clips, in an order that the seed draws, as in a test: batches [B, N, 3, S, S]; anew each time."""

    config: TrainConfig
    clips: TrainingClips
    device: torch.device

    def __iter__(self) -> Iterator[Tensor]:
        config, cache = self.config, self.clips.cache
        part = channel_slice(config.model.modality, cache.modality)
        ids = [clip.id for clip in (*self.clips.labelled, *self.clips.unlabelled)]
        order = np.random.default_rng((config.seed, 2)).permutation(len(ids))
        for start in range(0, len(ids), config.labelled_batch):
            some = [ids[place] for place in order[start : start + config.labelled_batch]]
            frames = torch.from_numpy(cache.gather(some, centre_indices(cache, some, config.model))[..., part])
            yield to_model(frames.to(self.device), config.model.image_size)


def require_same_modality(config: TrainConfig) -> None:
    """Refuse to start from weights that were trained to see something else.

    Raises:
        GymQAError: the weights, which the model would load, see another modality.
    """
    if config.initial == "shipped" and config.initial_weights is None:
        return  # the family has none
    model = config.model
    for source, wanted in zip(sources_of(config.initial, model.streams), model.streams, strict=True):
        trained = weights_modality(source)
        if trained not in (wanted, model.modality) and not (trained == "rgb" and model.adapts_colours):
            who = "the model" if wanted == model.modality else "one of the model's streams"
            raise GymQAError(
                f"the weights {source} were trained on {trained}, and {who} sees {wanted}; "
                f"set initial to none, or name weights trained on {wanted}"
            )
