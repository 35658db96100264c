"""One training loop for every algorithm: resumable at any step, on one process or several (`accelerate launch`)."""

import math
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Generator
from torch.optim import Optimizer

from gymqa.annotations import Clip
from gymqa.draws import hash_key
from gymqa.errors import GymQAError
from gymqa.frames import FrameCache
from gymqa.progress import console, progress_bar
from gymqa.runs import MetricsLog, require_writable
from gymqa.splits import Splits
from recognizers.backbones.image_vit import read_weights
from recognizers.backbones.vit_weights import start_from_image_vit
from recognizers.batches import ClipBatch, ClipBatches
from recognizers.checkpoint import is_finished, load_checkpoint, mark_finished, save_checkpoint
from recognizers.config import TrainConfig
from recognizers.ema import decay_at, make_teacher, update_teacher
from recognizers.losses import StepLoss, ramp
from recognizers.optimization import make_optimizer, rate_factor
from recognizers.sefar import SeFAR
from recognizers.semi_supervised import Guidance, guide, require_finite, step_loss
from recognizers.weighting import make_weighting

LABELLED, UNLABELLED = 0, 1  # names of the pools in the seeds of their draws


def train(config: TrainConfig, cache: FrameCache, splits: Splits, out: Path) -> Path:
    """Train a recognizer, or go on with a training that was stopped, and return its folder.

    The folder gets model.safetensors and config.json (for SeFAR.from_pretrained), metrics.jsonl, training.json (the
    settings) and checkpoints/. A folder whose training is finished with the same settings is returned at once.
    On a CPU, a run that was killed and started again gives bit for bit the weights of one that was not.

    Args:
        config: settings.
        cache: frames of the clips; clips that did not decode are left out, and their number is said.
        splits: labelled and unlabelled clips; `val` is not looked at.
        out: the run's folder.

    Raises:
        GymQAError: labels outside the classes, a class without labelled clips, a folder of another run, a loss that
            is not finite.
    """
    require_writable(out)
    labelled, unlabelled = usable_clips(config, cache, splits)
    settings = asdict(config) | {
        "initial_weights": config.initial_weights,
        "cache_size": cache.size,
        "clips": _clips_hash(labelled, unlabelled),
    }
    if is_finished(out, settings):
        return out
    trainer = Trainer(config, cache, labelled, unlabelled, out, settings)
    trainer.run()
    return out


def usable_clips(config: TrainConfig, cache: FrameCache, splits: Splits) -> tuple[list[Clip], list[Clip]]:
    """Labelled and unlabelled clips that are in the cache.

    Raises:
        GymQAError: labels outside the classes, or a class without labelled clips.
    """
    labelled = [clip for clip in splits.labelled if clip.id in cache]
    unlabelled = [replace(clip, label=None) for clip in splits.unlabelled if clip.id in cache]
    lost = len(splits.labelled) + len(splits.unlabelled) - len(labelled) - len(unlabelled)
    if lost:
        console.print(f"{lost} clips are not in the frame cache (they did not decode); training goes on without them")
    classes = config.model.n_classes
    for clip in labelled:
        if clip.label is None or not 0 <= clip.label < classes:
            raise GymQAError(f"clip {clip.id} has label {clip.label}, but the model has classes 0 to {classes - 1}")
    absent = sorted(set(range(classes)) - {clip.label for clip in labelled if clip.label is not None})
    if absent:
        raise GymQAError(f"classes {absent} have no labelled clip; label at least one of each, or set model.n_classes")
    return labelled, unlabelled


class Trainer:
    """The state of a run: model, teacher, optimizer, weighting, step. Everything else follows from seed and step.

    Args:
        config: settings.
        cache: frames.
        labelled: clips with labels.
        unlabelled: clips without.
        out: the run's folder.
        settings: what a checkpoint must have been made with to be taken up.
    """

    def __init__(
        self,
        config: TrainConfig,
        cache: FrameCache,
        labelled: Sequence[Clip],
        unlabelled: Sequence[Clip],
        out: Path,
        settings: dict[str, Any],
    ) -> None:
        self.config, self.out, self.settings = config, out, settings
        self.accelerator = Accelerator()
        require_one_world(self.accelerator.num_processes)
        student = build_student(config)
        self.teacher = make_teacher(student)
        optimizer = make_optimizer(config, student)
        self.weighting = make_weighting(config.algorithm, len(unlabelled), config.model.n_classes)
        self.step = self._take_up(student, optimizer)
        self.student, self.optimizer = self.accelerator.prepare(student, optimizer)
        self.teacher.to(self.accelerator.device)
        self.labelled = self._batches(cache, labelled, config.labelled_batch, LABELLED)
        self.unlabelled: ClipBatches | None = None
        if config.algorithm.semi_supervised:
            self.unlabelled = self._batches(cache, unlabelled, config.unlabelled_batch, UNLABELLED)

    def run(self) -> None:
        """Train to the last step and write the model."""
        config, main = self.config, self.accelerator.is_main_process
        log = MetricsLog(self.out / "metrics.jsonl", self.step) if main else None
        what = f"training {config.algorithm.name}"
        with progress_bar(what, config.steps, self.step) if main else nullcontext() as bar:
            while self.step < config.steps:
                values = self._train_step()
                self.step += 1
                if bar:
                    bar.advance(note=f"loss {values['loss']:.3f}")
                if log and (self.step % config.log_every == 0 or self.step == config.steps):
                    log.add(self.step, **values)
                if main and (self.step % config.checkpoint_every == 0 or self.step == config.steps):
                    self._save()
        if main:
            final = self.teacher if config.final == "teacher" else self.accelerator.unwrap_model(self.student)
            final.save_pretrained(self.out)
            mark_finished(self.out, self.settings)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()  # gloo now and then aborts a process that leaves with its connections open

    def _train_step(self) -> dict[str, float]:
        """One optimiser step and one of the teacher; returns what is logged."""
        config, step = self.config, self.step
        seed = step_seed(config.seed, step, self.accelerator.process_index)
        torch.manual_seed(seed)  # dropout and drop-path
        rng = Generator().manual_seed(seed)
        guidance, ids = self._guide(rng)
        batch = self._on_device(self.labelled.at(step))
        self.student.train()
        loss = step_loss(config, self.student, batch, guidance, self._xi(), rng)
        values = self._mean({"loss": float(loss.total.detach()), **_details(loss, guidance)})
        require_finite(values["loss"], step, batch.clip_ids + ids)  # the mean, so that all processes stop together
        rate = self._update(loss)
        decay = decay_at(step, config.ema_decay, config.ema_warm_up)
        update_teacher(self.teacher, self.accelerator.unwrap_model(self.student), decay)
        return {**values, "rate": rate, "xi": self._xi()}

    def _mean(self, values: dict[str, float]) -> dict[str, float]:
        """The values averaged over all processes; their batches are equally large."""
        if self.accelerator.num_processes == 1:
            return values
        together = torch.tensor(list(values.values()), device=self.accelerator.device)
        return dict(zip(values, self.accelerator.reduce(together, "mean").tolist(), strict=True))

    def _guide(self, rng: Generator) -> tuple[Guidance | None, tuple[str, ...]]:
        """The unlabelled clips' guidance and their ids; None and nothing while they are not used."""
        if self.unlabelled is None or self.step < self.config.warm_up_steps:
            return None, ()
        batch = self._on_device(self.unlabelled.at(self.step))
        own = self.config.algorithm.teacher == "student"
        labeller = self.accelerator.unwrap_model(self.student) if own else self.teacher
        return guide(self.config, labeller, batch, self.weighting, rng), batch.clip_ids

    def _update(self, loss: StepLoss) -> float:
        """Backward pass and optimiser step; returns the learning rate."""
        config = self.config
        factor = rate_factor(config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * factor
        self.accelerator.backward(loss.total)
        if config.clip_norm:
            self.accelerator.clip_grad_norm_(self.student.parameters(), config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return config.learning_rate * factor

    def _xi(self) -> float:
        """ξ of the current step."""
        config = self.config
        if not config.algorithm.ramp:
            return float(self.step >= config.warm_up_steps)
        unit = config.steps_per_epoch
        return ramp(self.step // unit, math.ceil(config.warm_up_steps / unit), math.ceil(config.steps / unit))

    def _batches(self, cache: FrameCache, clips: Sequence[Clip], size: int, pool: int) -> ClipBatches:
        """The stream of batches of one pool."""
        process = (self.accelerator.process_index, self.accelerator.num_processes)
        return ClipBatches(cache, clips, self.config.model.elements, size, (self.config.seed, pool), process)

    def _on_device(self, batch: ClipBatch) -> ClipBatch:
        """The batch's tensors on the model's device."""
        device = self.accelerator.device
        frames, labels, positions = (x.to(device) for x in (batch.frames, batch.labels, batch.positions))
        return ClipBatch(frames, labels, positions, batch.clip_ids)

    @property
    def _checkpoint(self) -> Path:
        return self.out / "checkpoints" / "last.pt"

    def _take_up(self, student: SeFAR, optimizer: Optimizer) -> int:
        """Load the checkpoint, if there is one, and return the step to go on from."""
        state = load_checkpoint(self._checkpoint, self.settings)
        if state is None:
            return 0
        student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        optimizer.load_state_dict(state["optimizer"])
        self.weighting.load_state_dict(state["weighting"])
        return int(state["step"])

    def _save(self) -> None:
        """Write the checkpoint of the current step."""
        state = {
            "step": self.step,
            "student": self.accelerator.unwrap_model(self.student).state_dict(),
            "teacher": self.teacher.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "weighting": self.weighting.state_dict(),
        }
        save_checkpoint(self._checkpoint, self.settings, state)


def build_student(config: TrainConfig) -> SeFAR:
    """The untrained recognizer, its backbone started from the image ViT that the settings name."""
    torch.manual_seed(config.seed)
    model = SeFAR(config.model)
    folder = config.initial_folder
    if folder is not None:
        report = start_from_image_vit(model.backbone, read_weights(folder), config.copy_attention)
        console.print(f"backbone from {folder.name}: {report.sentence()}", highlight=False)
    return model


def require_one_world(processes: int) -> None:
    """Refuse to be one of several processes that do not know of each other and would write the same folder.

    Raises:
        GymQAError: the launcher started more processes than share the training.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise GymQAError(
            f"{started} processes were started, but each trains by itself; "
            "on CPUs set ACCELERATE_USE_CPU=true before torchrun, or start one process"
        )


def step_seed(seed: int, step: int, process: int) -> int:
    """The seed of one step's draws in one process."""
    return int.from_bytes(hash_key("recognizer", seed, step, process)[:7], "big")


def _details(loss: StepLoss, guidance: Guidance | None) -> dict[str, float]:
    """The parts of the loss and what the teacher thinks, as numbers."""
    values = {"supervised": float(loss.supervised)}
    if guidance is not None:
        values |= {
            "unlabelled": float(loss.unlabelled),
            "mixed": float(loss.mixed),
            "confidence": float(guidance.labels.confidence.mean()),
            "spread": float(guidance.labels.spread.mean()),
            "weight": float(guidance.weights.mean()),
        }
    return values


def _clips_hash(labelled: Sequence[Clip], unlabelled: Sequence[Clip]) -> str:
    """What the clips and labels of a run hash to."""
    return hash_key(*(f"{clip.id} {clip.label}" for clip in (*labelled, *unlabelled))).hex()
