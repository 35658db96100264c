"""Set-up of tuning: untrained model, optimizer, learning-rate schedule, and steps from numbers of epochs."""

import math
from dataclasses import asdict, replace
from typing import Any

import torch

from encoders.llm.chat_template import has_template
from encoders.llm.loading import load_tokenizer
from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.model import GymMLLM
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.state import trainable
from gymqa.errors import GymQAError
from recognizers.training.loop_settings import steps_of


def build_model(material: TuningMaterial, settings: FinetuneSettings) -> tuple[GymMLLM, Any]:
    """The untrained model for the material's features, and its tokenizer."""
    taxonomy = material.taxonomy
    n_tokens, dim = material.features.get([material.labelled[0].id]).shape[1:]
    config = GymMLLMConfig(
        llm=settings.llm,
        llm_dtype=settings.llm_dtype,
        chat="own" if has_template(load_tokenizer(settings.llm)) else "vicuna",
        encoder=dict(material.features.fingerprint),
        visual_dim=dim,
        n_tokens=n_tokens,
        n_visual=settings.n_queries if settings.projector == "resampler" else n_tokens,
        projector=settings.projector,
        n_codes=len(taxonomy) if settings.projector == "codebook" else 0,
        lora=asdict(settings.lora),
        blind=settings.blind,
        setting=taxonomy.setting,
        elements=[(element.event, element.name, element.display_name) for element in taxonomy.elements],
    )
    model = GymMLLM(config)
    if settings.blind:
        model.projector.requires_grad_(False)  # unused, and DDP waits for every gradient
    return model, model.load_tokenizer()


def make_optimizer(model: GymMLLM, settings: FinetuneSettings) -> torch.optim.Optimizer:
    """AdamW with parameter groups for adapters and projector; the first stage updates the projector alone."""
    tuned = trainable(model)
    projector = [one for name, one in tuned.items() if name.startswith("projector.")]
    adapters = [one for name, one in tuned.items() if not name.startswith("projector.")]
    groups = [
        {"params": adapters, "lr": 0.0, "base": settings.lora_learning_rate, "aligned": 0.0},
        {"params": projector, "lr": 0.0, "base": settings.projector_learning_rate, "aligned": 1.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=settings.weight_decay)


def learning_rate_factor(step: int, steps: int, warmup: int, schedule: str, lowest: float) -> float:
    """Learning-rate schedule as a fraction of the peak: linear warm-up, then decay from 1 to `lowest`.

    Args:
        step: from 0.
        steps: number of steps of the stage.
        warmup: number of warm-up steps.
        schedule: "cosine", "linear" or "constant".
        lowest: final fraction.
    """
    decay = {
        "cosine": (1 + math.cos(math.pi * step / steps)) / 2,
        "linear": 1 - step / steps,
        "constant": 1.0,
    }[schedule]
    return min(1.0, (step + 1) / max(warmup, 1)) * (lowest + (1 - lowest) * decay)


def tune_for_epochs(
    settings: FinetuneSettings, epochs: float, alignment_epochs: float, warm_up_share: float, clips: int
) -> FinetuneSettings:
    """The settings with steps and warm-up from numbers of epochs.

    Args:
        settings: with the batch sizes of both stages.
        epochs: of the second stage; 0 keeps its steps.
        alignment_epochs: of the first stage; 0 keeps its steps.
        warm_up_share: warm-up as a fraction of the second stage's steps; 0 keeps `warmup`.
        clips: number of labelled and pseudo-labelled clips.

    Raises:
        GymQAError: a negative number of epochs, or a fraction outside [0, 1).
    """
    if min(epochs, alignment_epochs) < 0 or not 0 <= warm_up_share < 1:
        raise GymQAError("epochs and alignment_epochs must be 0 or more, warm_up_share from 0 to below 1")
    alignment = settings.alignment
    if alignment_epochs:
        alignment = replace(alignment, steps=steps_of(alignment_epochs, clips, alignment.batch_size))
    steps = steps_of(epochs, clips, settings.batch_size) if epochs else settings.steps
    warmup = math.ceil(warm_up_share * steps) if warm_up_share else settings.warmup
    return replace(settings, steps=steps, warmup=warmup, alignment=alignment)
