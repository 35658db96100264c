"""What a GPU is asked about video: the semi-supervised step, loading, and extraction; for benchmarks/gpu_report.py."""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from bench_ssl_step import (
    CLIPS,
    FRAMES,
    PAPER,
    Size,
    differences,
    drifting_texture,
    make_clips,
    plain_step,
    reference_of,
    without_dropout,
)
from gpu_measuring import attempt, free_memory, largest_batch, operations, share_of_peak, timed

from encoders.features.extract import extract
from encoders.video.factory import create_encoder
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from gymqa.runtime.devices import accelerate_on
from gymqa.runtime.precision import BF16, FLOAT32
from recognizers.backbones.sefar import SeFARConfig, sefar_b, sefar_s
from recognizers.config import TrainConfig
from recognizers.loader import Prefetcher
from recognizers.training.clips import TrainingClips
from recognizers.training.train import Trainer

Peak = Mapping[str, float | None]


@dataclass(frozen=True)
class VideoScale:
    """Sizes of the parts.

    Attributes:
        models: recognizers by name.
        batch: labelled clips of a step, and as many unlabelled ones.
        cache_size: side of cached frames, pixels.
        rounds: timed calls.
        steps: of the training whose loading is watched.
        workers: its loading threads.
        copies: times that each of the 16 clips is decoded, and encoded.
        decoders: processes that decode; None is one for each core.
        compiled: torch.compile compiles; otherwise its calls run uncompiled.
    """

    models: Mapping[str, SeFARConfig]
    batch: int
    cache_size: int
    rounds: int
    steps: int
    workers: int
    copies: int
    decoders: int | None
    compiled: bool


FULL = VideoScale({"sefar_s": sefar_s(), "sefar_b": sefar_b()}, 16, 256, 5, 40, 4, 16, None, True)
_TINY = SeFARConfig(image_size=16, patch_size=8, dim=16, depth=1, heads=2, fusion_dim=8, n_classes=4)
SMALLEST = VideoScale({"sefar_s": _TINY, "sefar_b": replace(_TINY, dim=32)}, 2, 16, 1, 2, 1, 1, 1, False)


def step_of(name: str) -> Callable[[VideoScale, torch.device, Peak], dict[str, Any]]:
    """The part that measures one recognizer's step."""
    return lambda scale, device, peak: ssl_step(name, scale, device, peak)


def ssl_step(name: str, scale: VideoScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """The semi-supervised step, uncompiled and compiled, against the plain reference: time, memory, share of the peak.

    Every way has the largest batch of at most `scale.batch` that fits into memory. The differences are those of one
    step without dropout, in float32.
    """
    model = scale.models[name]
    with tempfile.TemporaryDirectory() as folder, accelerate_on(device.type), _stance(scale):
        clips = make_clips(Size(model, scale.batch, scale.cache_size, "jpeg", scale.rounds), Path(folder))
        trainers = _Trainers(model, clips, Path(folder))
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found = {"differences": attempt(lambda: differences(trainers.compared()), device)}
        found["plain"] = largest_batch(lambda n: _plain(trainers(n, FLOAT32), scale, device), scale.batch, device)
        ways = {"float32": (FLOAT32, False), "bf16": (BF16, False), "bf16_compiled": (BF16, True)}
        flops: dict[int, int] = {}
        for way, (precision, compiled) in ways.items():

            def ours(batch: int, precision: str = precision, compiled: bool = compiled) -> dict[str, Any]:
                if batch not in flops:
                    flops[batch] = _operations(trainers(batch, precision))
                    free_memory(device)  # or it would count as the step's
                measured = _ours(trainers(batch, precision, compiled), scale, device)
                return measured | share_of_peak(flops[batch], measured, peak)

            found[way] = largest_batch(ours, scale.batch, device)
    plain = found["plain"].get("clips_per_second")
    ratios = {
        way: round(found[way]["clips_per_second"] / plain, 2) for way in ways if plain and "seconds" in found[way]
    }
    return {**found, "times_as_fast_as_plain": ratios, "image_size": model.image_size}


def _stance(scale: VideoScale) -> AbstractContextManager[Any]:
    """Whether torch.compile compiles."""
    return nullcontext() if scale.compiled else torch.compiler.set_stance("force_eager")


@dataclass(frozen=True)
class _Trainers:
    """Trainers of the paper's step on the same clips."""

    model: SeFARConfig
    clips: TrainingClips
    folder: Path

    def __call__(self, batch: int, precision: str, compiled: bool = False) -> Trainer:
        return self._made(replace(self._config(batch), precision=precision, compile=compiled))  # type: ignore[arg-type]

    def compared(self) -> Trainer:
        """One without dropout, to compare its step with the reference's."""
        return self._made(without_dropout(self._config(1)))

    def _config(self, batch: int) -> TrainConfig:
        return replace(PAPER, model=self.model, labelled_batch=batch, unlabelled_batch=batch)

    def _made(self, config: TrainConfig) -> Trainer:
        return Trainer(config, self.clips, self.folder / "run", {})


def _plain(trainer: Trainer, scale: VideoScale, device: torch.device) -> dict[str, Any]:
    reference, clips = reference_of(trainer), trainer.load(0)
    return timed(lambda: plain_step(reference, clips), device, scale.rounds, "clips", len(clips))


def _ours(trainer: Trainer, scale: VideoScale, device: torch.device) -> dict[str, Any]:
    clips = trainer.load(0)
    return timed(lambda: trainer.train_step(clips), device, scale.rounds, "clips", len(clips))


def _operations(trainer: Trainer) -> int:
    clips = trainer.load(0)
    return operations(lambda: trainer.train_step(clips))


def loading(scale: VideoScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """Clips/s decoded into a cache, and the share of a training's time that it waits for clips out of that cache."""
    model = scale.models["sefar_s"]
    with tempfile.TemporaryDirectory() as folder, accelerate_on(device.type):
        root = Path(folder)
        decoding = _decode(scale, root)
        clips = make_clips(Size(model, scale.batch, scale.cache_size, "jpeg", 1), root)
        trainer = _Trainers(model, clips, root)(scale.batch, BF16)
        with Prefetcher(trainer.load, 0, scale.steps, scale.workers) as ahead:
            trainer.train_step(ahead.next())  # starts the threads and warms up
            waited, began = ahead.loading.waited, time.perf_counter()
            for _ in range(1, scale.steps):
                trainer.train_step(ahead.next())
            seconds = time.perf_counter() - began
            stalled = (ahead.loading.waited - waited) / seconds
            one_thread = ahead.loading.clips / ahead.loading.busy
    return {
        **decoding,
        "loader_clips_per_second_of_a_thread": round(one_thread, 1),
        "training_clips_per_second": round(2 * scale.batch * (scale.steps - 1) / seconds, 2),
        "share_of_time_waiting": round(stalled, 4),
        "workers": scale.workers,
    }


def _decode(scale: VideoScale, folder: Path) -> dict[str, float]:
    """Clips/s of mp4 files into a JPEG cache, start of the processes included."""
    for number in range(CLIPS):
        write_video(folder / f"{number}.mp4", drifting_texture(number, scale.cache_size))
    paths = {f"{number}-{copy}": folder / f"{number}.mp4" for number in range(CLIPS) for copy in range(scale.copies)}
    began = time.perf_counter()
    FrameCache.build(
        folder / "decoded", paths, paths.__getitem__, scale.cache_size, workers=scale.decoders, format="jpeg"
    )
    return {"decoded_clips_per_second": round(len(paths) / (time.perf_counter() - began), 1), "frames_a_clip": FRAMES}


def extraction(scale: VideoScale, device: torch.device, peak: Peak) -> dict[str, Any]:
    """Clips/s of feature extraction by SeFAR-S, from the frame cache into a feature store."""
    model = scale.models["sefar_s"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = make_clips(Size(model, scale.batch, scale.cache_size, "jpeg", 1), root)
        model.build().save_pretrained(root / "recognizer")
        encoder = create_encoder(f"sefar:{root / 'recognizer'}", device=str(device))
        ids, found = [clip.id for clip in (*clips.labelled, *clips.unlabelled)], dict[str, Any]()
        for views in (1, 1 + scale.copies):  # the first warms up
            began = time.perf_counter()
            store = extract(encoder, clips.cache, ids, root / f"store{views}", views=views)
            found = {"clips_per_second": round(len(store) / (time.perf_counter() - began), 1), "clips": len(store)}
    return found
