"""Memory estimate of tuning from tensor shapes alone: `gymqa finetune --plan`.

Counted by tensors, in bytes per process:
- weights of the language model in their own precision; under autocast float32 weights have a bfloat16 copy;
- adapters and projector in float32, with a gradient, AdamW's two moments, and under autocast a bfloat16 copy;
- activations: those that autograd saves for a decoder layer, measured tensor by tensor (see `layer_bytes`), for every
  layer; with gradient checkpointing the layers' inputs and one layer; and one more layer for its gradients;
- the logits and their gradient;
- sharding divides weights, gradients and moments by the number of processes, and gathers two layers, embeddings and
  output layer at a time; DDP's buckets are one more copy of the gradients.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from encoders.llm.loading import dtype_of, empty_llm, llm_config
from encoders.llm.lora import add_lora
from encoders.mllm.projector import Projector
from encoders.tuning.config import FinetuneSettings
from gymqa.errors import GymQAError
from gymqa.runtime.precision import AUTO, BF16

GIB = 2**30
MACHINES = ((1, 24), (1, 80), (8, 80))  # processes, GiB of each
_NF4 = 0.5 + 0.127 / 8  # bytes a weight: 4 bits, and double quantisation's 0.127 bits of scales (QLoRA, section 3)
_AUTOCAST = (BF16, AUTO)  # precisions that are bf16 on the plan's machines
_RESERVE = 2 * GIB  # CUDA's context and libraries, and fragmentation


@dataclass(frozen=True)
class PlanSettings:
    """Assumptions of the memory plan.

    Attributes:
        sequence: tokens of the longest conversations, including visual ones.
        visual_tokens: encoder tokens of a video.
        visual_dim: their width.
        elements: number of elements, the codes of a codebook.
    """

    sequence: int = 512
    visual_tokens: int = 7
    visual_dim: int = 768
    elements: int = 99

    def __post_init__(self) -> None:
        if min(self.sequence, self.visual_tokens, self.visual_dim, self.elements) < 1:
            raise GymQAError("a plan's sequence, visual_tokens, visual_dim and elements must be 1 or more")


@dataclass(frozen=True)
class ModelSize:
    """Parameter counts of a model, and the widths that activations depend on.

    Attributes:
        frozen: parameters of the language model.
        linear: of these, in linear layers of the decoder, which can be quantised to 4 bits.
        outer: of these, in embeddings and output layer.
        adapters: trainable parameters of LoRA.
        projector: trainable parameters of the projector.
        layers: decoder layers.
        hidden: width of the residual stream.
        intermediate: width inside the feed-forward network.
        heads: attention heads.
        vocabulary: size of the logits.
    """

    frozen: int
    linear: int
    outer: int
    adapters: int
    projector: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    vocabulary: int

    @property
    def trainable(self) -> int:
        """Number of trainable parameters."""
        return self.adapters + self.projector


@dataclass(frozen=True)
class MemoryRow:
    """One hardware and sharding configuration, with its memory per process in bytes."""

    machine: str
    sharding: str
    checkpointing: bool
    micro_batch: int
    accumulation: int
    weights: int
    trainable: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    gathered: int
    reserve: int
    capacity: int

    @property
    def total(self) -> int:
        """Total memory."""
        state = self.weights + self.trainable + self.gradients + self.optimizer
        return state + self.activations + self.logits + self.gathered + self.reserve

    @property
    def fits(self) -> bool:
        """Whether it fits the device."""
        return self.total <= self.capacity


def model_size(settings: FinetuneSettings, memory: PlanSettings) -> ModelSize:
    """Count a model's parameters on torch's meta device; nothing is loaded.

    Raises:
        GymQAError: no such language model, LoRA target or projector.
    """
    config = llm_config(settings.llm)
    llm = empty_llm(config)
    head = llm.get_output_embeddings()
    frozen = sum(one.numel() for one in llm.parameters())
    layers = [module for module in llm.modules() if isinstance(module, nn.Linear) and module is not head]
    outer = {id(one): one.numel() for one in (llm.get_input_embeddings().weight, head.weight)}
    with torch.device("meta"):
        adapted = add_lora(llm, replace(settings.lora, quantization="none"))
        n_visual = settings.n_queries if settings.projector == "resampler" else memory.visual_tokens
        codes = memory.elements if settings.projector == "codebook" else 0
        projector = Projector(
            settings.projector, memory.visual_dim, config.hidden_size, memory.visual_tokens, codes, n_visual
        )
    return ModelSize(
        frozen=frozen,
        linear=sum(module.weight.numel() for module in layers),
        outer=sum(outer.values()),
        adapters=sum(one.numel() for one in adapted.parameters() if one.requires_grad),
        projector=sum(one.numel() for one in projector.parameters()),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        vocabulary=config.vocab_size,
    )


def layer_bytes(size: ModelSize, rank: int, dropout: bool, autocast: bool) -> int:
    """Bytes that autograd saves per token in one Llama layer with LoRA on its seven linear layers.

    Residual inputs of the two norms in float32 with their scale; normed and cast inputs, queries, keys, values and the
    attention's output with its log-sum-exp (PyTorch's fused attention saves no [s, s] matrix); gate, up, their
    product; LoRA's inner products; dropout's masks and products in place of the inputs.
    """
    h, m, r, a = size.hidden, size.intermediate, rank, size.heads
    kept = 28 * h + 8 * m + 14 * r if autocast else 32 * h + 16 * m + 28 * r
    dropped = 6 * h + m + (0 if autocast else 16 * h)  # masks of a byte; under autocast every input is a copy anyway
    return kept + 4 * a + 8 + (dropped if dropout else 0)


def plan_row(
    settings: FinetuneSettings,
    memory: PlanSettings,
    size: ModelSize,
    machine: tuple[int, int],
    sharding: str,
    micro_batch: int,
) -> MemoryRow:
    """Memory of one process with a micro-batch of `micro_batch`; sharding is none, DDP, FSDP2 or ZeRO-3."""
    processes, gib = machine
    autocast = settings.precision in _AUTOCAST
    shards = processes if sharding in ("FSDP2", "ZeRO-3") else 1
    copies = 2 * size.trainable if autocast and sharding != "ZeRO-3" else 0
    weights, gathered = _weight_bytes(settings, size)
    trained = (2 if sharding == "ZeRO-3" else 4) * size.trainable
    master = 4 * size.trainable if sharding == "ZeRO-3" else 0
    buckets = 4 * size.trainable if sharding == "DDP" else 0
    tokens = micro_batch * memory.sequence
    return MemoryRow(
        machine=f"{processes} x {gib} GB",
        sharding=sharding,
        checkpointing=settings.gradient_checkpointing,
        micro_batch=micro_batch,
        accumulation=max(1, math.ceil(settings.batch_size / (processes * micro_batch))),
        weights=math.ceil(weights / shards),
        trainable=math.ceil(trained / shards) + copies,
        gradients=math.ceil(4 * size.trainable / shards) + buckets,
        optimizer=math.ceil((8 * size.trainable + master) / shards),
        activations=tokens * _token_bytes(settings, size),
        logits=2 * tokens * size.vocabulary * (2 if autocast else 4),
        gathered=gathered if shards > 1 else 0,
        reserve=_RESERVE,
        capacity=gib * GIB,
    )


def _weight_bytes(settings: FinetuneSettings, size: ModelSize) -> tuple[int, int]:
    """Bytes of the frozen weights, and of those that sharding gathers at a time."""
    each = dtype_of(settings.llm_dtype).itemsize
    linear = _NF4 if settings.lora.quantization == "nf4" else each
    copy = 2 if settings.precision in _AUTOCAST and linear == 4 else 0
    weights = size.linear * (linear + copy) + (size.frozen - size.linear) * each
    gathered = 2 * size.linear / size.layers * linear + size.outer * each
    return math.ceil(weights), math.ceil(gathered)


def _token_bytes(settings: FinetuneSettings, size: ModelSize) -> int:
    """Bytes of one token's activations in all layers."""
    layer = layer_bytes(size, settings.lora.r, settings.lora.dropout > 0, settings.precision in _AUTOCAST)
    if settings.gradient_checkpointing:
        return size.layers * size.hidden * dtype_of(settings.llm_dtype).itemsize + 2 * layer
    return (size.layers + 1) * layer


def make_plan(settings: FinetuneSettings, memory: PlanSettings) -> list[MemoryRow]:
    """Every machine and sharding, with and without checkpointing, at the largest micro-batch that fits (or at 1).

    FSDP2 and ZeRO-3 are left out for 4-bit weights, which are untested with them.
    """
    size = model_size(settings, memory)
    several = ("DDP",) if settings.lora.quantization == "nf4" else ("DDP", "FSDP2", "ZeRO-3")
    rows = []
    for machine in MACHINES:
        for sharding in ("none",) if machine[0] == 1 else several:
            for checkpointing in (False, True):
                chosen = replace(settings, gradient_checkpointing=checkpointing)
                rows.append(_largest(chosen, memory, size, machine, sharding))
    return rows


def _largest(
    settings: FinetuneSettings, memory: PlanSettings, size: ModelSize, machine: tuple[int, int], sharding: str
) -> MemoryRow:
    per_process = max(1, settings.batch_size // machine[0])
    sizes = [n for n in range(1, per_process + 1) if per_process % n == 0]
    rows = [plan_row(settings, memory, size, machine, sharding, n) for n in sizes]
    return next((row for row in reversed(rows) if row.fits), rows[0])


def as_json(rows: list[MemoryRow]) -> list[dict[str, Any]]:
    """The rows as JSON values, in bytes."""
    return [{**asdict(row), "total": row.total, "fits": row.fits} for row in rows]


def table(rows: list[MemoryRow]) -> str:
    """The rows as a text table, in GiB."""
    parts = ("weights", "trainable", "gradients", "optimizer", "activations", "logits", "gathered", "reserve", "total")
    lines = [["machine", "sharding", "checkpointing", "micro-batch", "accumulation", *parts, "fits"]]
    for row in rows:
        figures = [f"{getattr(row, part) / GIB:.1f}" for part in parts]
        words = [row.machine, row.sharding, "yes" if row.checkpointing else "no"]
        batch = [str(row.micro_batch), str(row.accumulation)]
        lines.append([*words, *batch, *figures, "yes" if row.fits else "no"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, "GiB a process; micro-batch is the largest that fits, of which accumulation make a batch"])
