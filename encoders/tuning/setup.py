"""What a tuning starts from: the untuned model for some features, and its optimizer."""

import math
from dataclasses import asdict, replace
from typing import Any

import torch

from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.model import GymMLLM
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.state import trainable
from gymqa.errors import GymQAError
from recognizers.training.loop_settings import steps_of


def build_model(material: TuningMaterial, settings: FinetuneSettings) -> tuple[GymMLLM, Any]:
    """The untrained model for these features, and its tokenizer."""
    taxonomy = material.taxonomy
    n_tokens, dim = material.features.get([material.labelled[0].id]).shape[1:]
    config = GymMLLMConfig(
        llm=settings.llm,
        llm_dtype=settings.llm_dtype,
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
        model.projector.requires_grad_(False)  # it is never asked, and DDP waits for every gradient
    return model, model.load_tokenizer()


def make_optimizer(model: GymMLLM, settings: FinetuneSettings) -> torch.optim.Optimizer:
    """AdamW over adapters and projector, whose peaks differ; the first stage moves the projector alone."""
    tuned = trainable(model)
    projector = [one for name, one in tuned.items() if name.startswith("projector.")]
    adapters = [one for name, one in tuned.items() if not name.startswith("projector.")]
    groups = [
        {"params": adapters, "lr": 0.0, "base": settings.lora_learning_rate, "aligned": 0.0},
        {"params": projector, "lr": 0.0, "base": settings.projector_learning_rate, "aligned": 1.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=settings.weight_decay)


def rate_share(step: int, steps: int, warmup: int, schedule: str, lowest: float) -> float:
    """Share of the peak at a step: a linear warm-up times a fall from 1 to `lowest`.

    Args:
        step: from 0.
        steps: of the stage.
        warmup: its first steps, over which the rate rises.
        schedule: "cosine", "linear" or "constant".
        lowest: what is fallen to.
    """
    fallen = {
        "cosine": (1 + math.cos(math.pi * step / steps)) / 2,
        "linear": 1 - step / steps,
        "constant": 1.0,
    }[schedule]
    return min(1.0, (step + 1) / max(warmup, 1)) * (lowest + (1 - lowest) * fallen)


def tune_for_epochs(
    settings: FinetuneSettings, epochs: float, alignment_epochs: float, warm_up_share: float, clips: int
) -> FinetuneSettings:
    """The settings with steps and warm-up for so many passes over the clips, as papers count.

    Args:
        settings: of which the batch sizes count.
        epochs: passes of the second stage; 0 keeps its steps.
        alignment_epochs: passes of the first stage; 0 keeps its steps.
        warm_up_share: share of the second stage's steps that each stage's warm-up takes; 0 keeps `warmup`.
        clips: labelled and pseudo-labelled ones.

    Raises:
        GymQAError: a negative number of epochs, or a share outside [0, 1).
    """
    if min(epochs, alignment_epochs) < 0 or not 0 <= warm_up_share < 1:
        raise GymQAError("epochs and alignment_epochs must be 0 or more, warm_up_share from 0 to below 1")
    alignment = settings.alignment
    if alignment_epochs:
        alignment = replace(alignment, steps=steps_of(alignment_epochs, clips, alignment.batch_size))
    steps = steps_of(epochs, clips, settings.batch_size) if epochs else settings.steps
    warmup = math.ceil(warm_up_share * steps) if warm_up_share else settings.warmup
    return replace(settings, steps=steps, warmup=warmup, alignment=alignment)
