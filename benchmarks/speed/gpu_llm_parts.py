"""What a GPU is asked about a 7 B language model: tuning, answering, and FSDP2; for benchmarks/gpu_report.py."""

import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import answering_speed
import finetuning_speed
import torch
import torch.distributed as dist
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from answering_speed import QUESTIONS, TIMED, Ways, differences
from finetuning_speed import Step
from gpu_measuring import attempt, free_memory, largest_batch, operations, share_of_peak, timed
from random_mllm import Lengths, MLLMSize, draw_clips

from encoders.mllm.model import GymMLLM

Peak = Mapping[str, float | None]
SEED = 0
WAYS = (
    "generate", "generate_4_a_batch", "choices_in_one_pass", "letters_in_one_pass", "letters_4_questions_of_a_clip",
    "letters_4_questions_of_2_clips", "plain_texts_4_questions_of_a_clip", "plain_texts_4_questions_of_2_clips",
)  # fmt: skip
"""Of `answering_speed.TIMED`; the others encode every conversation several times."""
_WORLD = {
    "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
    "NCCL_P2P_DISABLE": "1", "NCCL_IB_DISABLE": "1",  # without which accelerate refuses RTX 40s
}  # fmt: skip
"""What a launcher tells the only process of a group."""


@dataclass(frozen=True)
class LLMScale:
    """Sizes of the parts.

    Attributes:
        tuned: Llama of the tuning steps; its rank is the parts' own.
        lengths: of a conversation in tuning.
        batch: conversations of a step.
        answering: model and prompts whose questions are timed.
        compared: those whose likelihoods are compared in float32 first.
        rounds: timed calls.
    """

    tuned: MLLMSize
    lengths: Lengths
    batch: int
    answering: answering_speed.Size
    compared: answering_speed.Size
    rounds: int


_LLAMA_7B = MLLMSize(4096, 11008, 32, 32, 32_000, 64, 256)
FULL = LLMScale(
    _LLAMA_7B,
    Lengths(system=36, question=323, name=15),  # 512 tokens with 64 visual ones and the answer
    8,
    answering_speed.Size(_LLAMA_7B, answering_speed.FULL.lengths, clips=2, rounds=3),
    answering_speed.FULL,
    5,
)
SMALLEST = LLMScale(
    finetuning_speed.QUICK.model,
    finetuning_speed.QUICK.lengths,
    2,
    replace(answering_speed.QUICK, clips=1),
    replace(answering_speed.QUICK, clips=1),
    1,
)


def tuning_of(rank: int) -> Callable[[LLMScale, torch.device, Peak], dict[str, Any]]:
    """The part that measures tuning steps with adapters of one rank."""
    return lambda scale, device, peak: tuning(rank, scale, device, peak)


def tuning(rank: int, scale: LLMScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """LoRA steps of the largest batch that fits, with and without gradient checkpointing: tokens/s, memory, share.

    The shares count what checkpointing computes again as operations (hardware FLOPs utilisation).
    """
    size = replace(scale.tuned, lora=rank)
    model = _bf16_model(size, device)
    found: dict[str, Any] = {"parameters": sum(one.numel() for one in model.parameters()), "lora": rank}
    for name in ("plain", "checkpointing"):
        if name == "checkpointing":
            _checkpoint(model)
        found[name] = largest_batch(partial(_step, model, size, scale, device, peak), scale.batch, device)
    return found


def _bf16_model(size: MLLMSize, device: torch.device) -> GymMLLM:
    """A random Llama in bf16 with adapters, made on the device, with the attention that gymqa chooses for it."""
    return size.build("sdpa" if device.type == "cuda" else "eager", SEED, device, torch.bfloat16)


def _checkpoint(model: GymMLLM) -> None:
    """As `--tuning.gradient_checkpointing`."""
    with warnings.catch_warnings():  # about an argument renamed within transformers 5
        warnings.simplefilter("ignore", FutureWarning)
        model.llm.gradient_checkpointing_enable({"use_reentrant": False})


def _step(
    model: GymMLLM, size: MLLMSize, scale: LLMScale, device: torch.device, peak: Peak, batch: int
) -> dict[str, Any]:
    """A step in bf16 autocast: tokens/s and share of the peak."""
    step = Step(model, size, scale.lengths, torch.bfloat16, SEED, batch, share_prefix=False)
    videos = torch.randn(batch, size.n_visual, size.visual_dim, device=device)
    try:
        found = timed(lambda: step(lambda: videos), device, scale.rounds, "tokens", step.batch.ids.numel())
        flops = operations(lambda: step(lambda: videos))
    finally:
        model.zero_grad()  # of a step that ran out of memory
    return {**found, **share_of_peak(flops, found, peak), "sequence": step.batch.ids.shape[1]}


def answering(scale: LLMScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """Questions/s by letters, texts and generation, in bf16; agreement of the ways' likelihoods in float32 before.

    The compared model is smaller, as 7 B in float32 need 28 GB.
    """
    found: dict[str, Any] = {"differences": attempt(lambda: differences(_ways(scale.compared, device)), device)}
    free_memory(device)
    size = scale.answering
    ways = _ways(size, device, torch.bfloat16)
    asked = size.clips * QUESTIONS
    for name in WAYS:
        way = partial(TIMED[name], ways)
        found[name] = attempt(lambda way=way: timed(way, device, scale.rounds, "questions", asked), device)  # type: ignore[misc]
    return found


def _ways(size: answering_speed.Size, device: torch.device, dtype: torch.dtype = torch.float32) -> Ways:
    attention = "sdpa" if device.type == "cuda" else "eager"
    model = size.model.build(attention, SEED, device, dtype).eval()
    model.llm.merge_adapter()
    clips = draw_clips(size.lengths, size.model.vocabulary, size.clips, QUESTIONS, SEED)
    videos = torch.randn(size.clips, size.model.n_visual, size.model.visual_dim, device=device)
    return Ways(model.to(dtype), clips, videos)


def fsdp2(scale: LLMScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """The LoRA step (rank 64, with checkpointing) under FSDP2 in one process, as recipes/accelerate/fsdp2.yaml."""
    size = replace(scale.tuned, lora=64)
    model = _bf16_model(size, device)
    _checkpoint(model)
    step = Step(model, size, scale.lengths, torch.bfloat16, SEED, 1, share_prefix=False)
    videos = torch.randn(1, size.n_visual, size.visual_dim, device=device)
    with _one_process_of_fsdp2(device) as accelerator:
        step.model, step.optimizer = accelerator.prepare(step.model, step.optimizer)
        found = timed(lambda: step(lambda: videos), device, scale.rounds, "tokens", step.batch.ids.numel())
        kinds = sorted({type(one).__name__ for one in step.model.parameters()})
    return {**found, "batch": 1, "parameters_are": kinds}


@contextmanager
def _one_process_of_fsdp2(device: torch.device) -> Iterator[Accelerator]:
    """Accelerate with FSDP2 in a process group of this process alone.

    accelerate shards on accelerators only: on a CPU its state is told so after it has started.
    """
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", transformer_cls_names_to_wrap=["LlamaDecoderLayer"],
        reshard_after_forward=True, cpu_ram_efficient_loading=False, state_dict_type="FULL_STATE_DICT",
    )  # fmt: skip
    on_gpu = device.type == "cuda"
    before = dict(os.environ)
    os.environ.update(_WORLD if on_gpu else {"ACCELERATE_USE_CPU": "true"})
    os.environ["MASTER_PORT"] = str(_free_port())
    _forget_accelerate()
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        accelerator = Accelerator(fsdp_plugin=plugin) if on_gpu else Accelerator(cpu=True)
        if not on_gpu:
            for state in (AcceleratorState, PartialState):
                state._shared_state["distributed_type"] = DistributedType.FSDP
            accelerator.state.fsdp_plugin = plugin
        yield accelerator
    finally:
        dist.destroy_process_group()
        _forget_accelerate()
        os.environ.clear()
        os.environ.update(before)


def _forget_accelerate() -> None:
    """Let the next Accelerator look at the environment anew."""
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
