"""Check SeFAR's semi-supervised step against a reference, then time both: `python benchmarks/speed/bench_ssl_step.py`.

Both go from the same uint8 frames to updated student and teacher. First both are run without dropout, where they must
agree; then they are timed in turns, and ratios are of medians.
"""

import json as json_text
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from reference_ssl_step import ReferenceTrainer, Step
from torch import Generator, Tensor, nn

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.video import Frames, write_video
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.runtime.devices import accelerate_on, choose_device
from gymqa.runtime.runs import environment
from recognizers.backbones.sefar import SeFARConfig, sefar_s
from recognizers.config import TrainConfig
from recognizers.loader import StepClips
from recognizers.ssl.algorithms import SEFAR
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.base import Stateless, Weighting
from recognizers.training.clips import TrainingClips
from recognizers.training.train import Trainer, step_seed

CLIPS, FRAMES, LOADED = 16, 64, 40  # clips in the cache, frames of each, batches that time the loader
TOLERANCE = 1e-4  # largest difference in float32, relative to the largest value
PRECISIONS = {"float32": "float32", "bfloat16": "bf16"}
PAPER = TrainConfig(  # one step, the last of its run: ξ is 1
    algorithm=SEFAR, initial="none", steps=1, warm_up_steps=0, optimizer="sgd", learning_rate=0.005, weight_decay=1e-3,
    schedule="step", rate_warm_up_steps=0, clip_norm=0.0, ema_decay=0.9999, ema_warm_up=False, tracker="none",
    precision="float32",
)  # fmt: skip


@dataclass(frozen=True)
class Size:
    """Model, batch size (as many labelled as unlabelled clips) and frame cache of one measurement."""

    model: SeFARConfig
    batch: int
    cache_size: int
    format: FrameFormat
    rounds: int


SIZES = {
    "sefar_s": Size(sefar_s(), 1, 256, "jpeg", 3),
    "tiny": Size(SeFARConfig(image_size=64, n_classes=99), 8, 64, "raw", 5),
}


class Listening(Stateless):
    """A weighting rule that records its inputs and outputs."""

    def __init__(self, rule: Weighting) -> None:
        self.rule = rule
        self.heard: list[tuple[PseudoLabels, Tensor]] = []

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """The recorded rule's weights [B]."""
        weights = self.rule(labels, positions)
        self.heard.append((labels, weights))
        return weights


def reference_of(trainer: Trainer) -> ReferenceTrainer:
    """The reference trainer with the same weights."""
    student = trainer.accelerator.unwrap_model(trainer.student)
    return ReferenceTrainer(trainer.config, student.state_dict(), trainer.teacher.state_dict())


def plain_step(reference: ReferenceTrainer, clips: StepClips) -> Step:
    """The reference trainer's first step, with the same random numbers."""
    config = reference.config
    seed = step_seed(config.seed, 0, 0)
    torch.manual_seed(seed)
    clips = clips.to(reference.student.head.weight.device)
    return reference.train_step(clips, 1.0, config.ema_decay, Generator().manual_seed(seed))


def without_dropout(config: TrainConfig) -> TrainConfig:
    """The same config without dropout and drop-path, and with a faster teacher average."""
    assert isinstance(config.model, SeFARConfig)
    return replace(config, model=replace(config.model, head_dropout=0.0, drop_path=0.0), ema_decay=0.9)


def differences(trainer: Trainer) -> dict[str, float]:
    """Take one step with both trainers; the largest differences, relative to the largest value.

    Of student's logits, p̄, η, loss, gradients (momentum of a first step), and the changes of both networks' weights.
    """
    student = trainer.accelerator.unwrap_model(trainer.student)
    disturb(student, 1)
    disturb(trainer.teacher, 2)
    reference, clips = reference_of(trainer), trainer.load(0)
    before = [
        {name: value.clone() for name, value in model.state_dict().items()} for model in (student, trainer.teacher)
    ]
    plain = plain_step(reference, clips)
    listening, logits = Listening(trainer.weighting), list[Tensor]()
    trainer.weighting = listening
    handle = student.register_forward_hook(lambda module, inputs, output: logits.append(output.detach().float()))
    loss = trainer.train_step(clips)["loss"]
    handle.remove()
    [(labels, weights)] = listening.heard
    momentum = {name: trainer.optimizer.state[p]["momentum_buffer"] for name, p in student.named_parameters()}
    return {
        "logits": _difference({"": logits[0]}, {"": plain.logits}),
        "pseudo_labels": _difference({"": labels.probabilities}, {"": plain.probabilities}),
        "eta": _difference({"": weights}, {"": plain.weights}),
        "loss": abs(loss / plain.loss.item() - 1),
        "gradients": _difference(momentum, reference.momentum),
        "student_update": _difference(_changes(student, before[0]), _changes(reference.student, before[0])),
        "teacher_update": _difference(_changes(trainer.teacher, before[1]), _changes(reference.teacher, before[1])),
    }


def disturb(model: nn.Module, seed: int) -> None:
    """Add noise to all weights, as zero-initialised ones would hide errors."""
    rng = Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=rng) * parameter.shape[-1] ** -0.5
            parameter.add_(noise.to(parameter.device))


def _changes(model: nn.Module, before: dict[str, Tensor]) -> dict[str, Tensor]:
    """Change of each of a model's parameters, by name."""
    return {name: value.detach() - before[name] for name, value in model.named_parameters()}


def _difference(ours: dict[str, Tensor], plain: dict[str, Tensor]) -> float:
    """The largest difference of tensors of the same names, relative to the largest value."""
    if ours.keys() != plain.keys():
        raise GymQAError(f"the two steps hold other tensors: {sorted(ours.keys() ^ plain.keys())}; mend one of them")
    largest = max(value.abs().max().item() for value in plain.values())
    return max((ours[name] - value).abs().max().item() for name, value in plain.items()) / largest


def drifting_texture(seed: int, size: int) -> Frames:
    """A smooth texture under a moving camera: uint8 [T, S, S, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 24, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (2 * size, size), interpolation=cv2.INTER_CUBIC)
    return np.stack([wide[:, t * size // FRAMES :][:, :size] for t in range(FRAMES)])


def make_clips(size: Size, folder: Path) -> TrainingClips:
    """Clips in a frame cache, half of them labelled."""
    clips = [Clip(f"clip{i}", f"video{i}", i % size.model.n_classes) for i in range(CLIPS)]
    paths = {clip.id: folder / f"{clip.id}.mp4" for clip in clips}
    for i, path in enumerate(paths.values()):
        write_video(path, drifting_texture(i, size.cache_size))
    cache = FrameCache.build(folder / "cache", paths, paths.__getitem__, size.cache_size, workers=1, format=size.format)
    half = CLIPS // 2
    return TrainingClips(cache, clips[:half], [replace(clip, label=None) for clip in clips[half:]], [])


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, with device synchronisation."""
    _wait_for(device)
    began = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - began


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_steps(trainers: dict[str, Trainer], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round's steps, in turns, after one untimed round."""
    first = next(iter(trainers.values()))
    reference, clips, device = reference_of(first), first.load(0), first.accelerator.device
    works: dict[str, Callable[[], object]] = {"plain": partial(plain_step, reference, clips)}
    for name, trainer in trainers.items():
        works[name] = partial(trainer.train_step, clips)
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            seconds = seconds_of(work, device)
            if number:
                found[name].append(seconds)
    return found


def loader_speed(trainer: Trainer) -> float:
    """Clips a second of one loader thread."""
    trainer.load(0)
    began = time.perf_counter()
    clips = sum(len(trainer.load(step)) for step in range(LOADED))
    return clips / (time.perf_counter() - began)


def measure(name: str, folder: Path, rounds: int | None = None) -> dict[str, Any]:
    """Compare and time both steps at one size, in as many rounds as given or the size's own.

    Raises:
        GymQAError: the two steps do not agree in float32.
    """
    size = SIZES[name]
    clips = make_clips(size, folder)
    config = replace(PAPER, model=size.model, labelled_batch=size.batch, unlabelled_batch=size.batch)
    configs = {dtype: replace(config, precision=precision) for dtype, precision in PRECISIONS.items()}  # type: ignore[arg-type]
    apart = differences(Trainer(without_dropout(config), clips, folder / "compared", {}))
    if not max(apart.values()) < TOLERANCE:
        raise GymQAError(f"{name}: the step and its plain mathematics differ by {apart}; mend recognizers/ first")
    trainers = {dtype: Trainer(own, clips, folder / dtype, {}) for dtype, own in configs.items()}
    times = time_steps(trainers, size.rounds if rounds is None else rounds)
    medians = {step: median(seconds) for step, seconds in times.items()}
    loader = loader_speed(trainers["float32"])
    return {
        "ratios": {dtype: medians["plain"] / medians[dtype] for dtype in trainers},
        "differences": apart,
        "seconds": times,
        "step_clips_per_second": {dtype: 2 * size.batch / seconds for dtype, seconds in medians.items()},
        "loader_clips_per_second": loader,
        "loading_share": {dtype: 2 * size.batch / loader / medians[dtype] for dtype in trainers},
        "clips": {"labelled": size.batch, "unlabelled": size.batch},
        "image_size": size.model.image_size,
        "cache": {"size": size.cache_size, "format": size.format},
    }


def summary(found: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The results as one flat dict; those of SeFAR-S have no prefix."""
    table: dict[str, float] = {}
    for name, figures in found.items():
        prefix = "" if name == "sefar_s" else f"{name}_"
        table |= {f"{prefix}{dtype}": round(ratio, 2) for dtype, ratio in figures["ratios"].items()}
        for dtype, speed in figures["step_clips_per_second"].items():
            table[f"{prefix}step_clips_per_second_{dtype}"] = round(speed, 2)
        table[f"{prefix}loader_clips_per_second"] = round(figures["loader_clips_per_second"], 1)
    return table


def main(
    json: bool = False,
    device: str | None = None,
    rounds: int | None = None,
    out: Path = Path("benchmarks/results/bench_ssl_step.json"),
) -> None:
    """Time the semi-supervised step of ViT-S at 224 px and of a tiny model against the reference step.

    Args:
        json: print one JSON object and nothing else.
        device: where both steps are computed; the GPU, where there is one.
        rounds: times that both are timed; each size's own number when not given.
        out: file of the whole record.
    """
    if rounds is not None and rounds < 1:
        raise GymQAError(f"{rounds} rounds time nothing; give 1 or more")
    chosen, found = choose_device(device), {}
    with accelerate_on(chosen):
        for name in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                found[name] = measure(name, Path(folder), rounds)
            console.print(f"{name}: {found[name]['seconds']}", highlight=False)
    table = summary(found)
    threads = torch.get_num_threads()
    write_json(out, {**table, "runs": found, "threads": threads, "environment": environment(PAPER.seed, chosen)})
    if json:
        print(json_text.dumps(table))
        return
    for name, value in table.items():
        print(f"{name:<40} {value:>8}")


if __name__ == "__main__":
    sys.exit(run_script(main, "bench_ssl_step.py"))
