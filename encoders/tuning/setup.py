"""What a tuning starts from: the untuned model for some features, and its optimizer."""

from dataclasses import asdict
from typing import Any

import torch

from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.model import GymMLLM
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.state import trainable


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
