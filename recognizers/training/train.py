"""Training loop of recognizers for all algorithms: resumable at any step, on one or several processes."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Generator, Tensor
from torch.amp.grad_scaler import GradScaler

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.frames.source import FrameSource
from gymqa.io.console import console, progress_bar
from gymqa.io.files import only_writer
from gymqa.io.temporaries import remove_temporaries
from gymqa.runtime.precision import BF16, FP16
from gymqa.runtime.runs import require_writable
from gymqa.runtime.seeding import hash_key
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import broadcast_first, mean_values
from recognizers.factory import load_recognizer
from recognizers.loader import ClipBatch, ClipBatches, Prefetcher, StepClips
from recognizers.ssl.objectives.base import make_objectives
from recognizers.ssl.step import Guidance, ObjectiveInputs, guide, logged_values, require_finite, step_loss
from recognizers.ssl.weighting.base import make_weighting
from recognizers.training.checkpoint import (
    LAST,
    PRECISION,
    STOPPED,
    copy_buffers,
    is_finished,
    load_checkpoint,
    mark_finished,
    restore,
    save_checkpoint,
    writing_reported,
)
from recognizers.training.clips import TrainingClips, training_clips
from recognizers.training.log import Training, TrainingLog
from recognizers.training.optimization import (
    decay_at,
    freeze_batch_norm,
    frozen_parameters,
    make_optimizer,
    make_teacher,
    rate_factor,
    update_teacher,
    xi_at,
)
from recognizers.training.setup import build_student, prepare, start_accelerator, training_precision
from recognizers.training.validation import BEST, validate

LABELLED, UNLABELLED = 0, 1  # numbers of the pools in the seeds of their batches
Memory = Sequence[Mapping[str, Tensor]]  # state of weighting rule, objectives' and student's buffers


def train(config: TrainConfig, cache: FrameSource, splits: Splits, out: Path) -> Path:
    """Train a recognizer, or resume an interrupted training, and return its folder.

    The folder gets model.safetensors and config.json (for `load_recognizer`), metrics.jsonl, training.json (the
    settings) and checkpoints/. A folder whose training is finished with the same settings is returned at once.
    On a CPU, a killed and resumed run has bit for bit the weights of an uninterrupted one.

    Args:
        config: settings.
        cache: frames of the clips; clips that did not decode are left out, and their number is printed.
        splits: labelled and unlabelled clips; `val` is used with `validate_every` only, `test` never.
        out: the run's folder.

    Raises:
        GymQAError: clips, labels or frames do not fit the model, the folder is in use or holds another run, a loss or
            gradient is not finite, the validation clips are test clips, or the disk is full.
    """
    require_writable(out)
    clips = training_clips(config, cache, splits)
    settings = config.determines | {"cache_size": cache.size, "clips": clips.fingerprint}
    if not is_finished(out, settings):
        Trainer(config, clips, out, settings).run()
    return out


class Trainer:
    """State of a run: student, teacher, objectives, optimizer, loss scale, weighting rule, best weights, step.

    Everything else depends on seed and step alone: clips, frames, views, dropout, learning rate.

    Args:
        config: settings.
        clips: training and validation clips.
        out: the run's folder.
        settings: settings and data that a checkpoint must match to be resumed.
    """

    def __init__(self, config: TrainConfig, clips: TrainingClips, out: Path, settings: dict[str, Any]) -> None:
        self.clips, self.out, self.settings = clips, out, settings
        self._saved = load_checkpoint(out / LAST, settings)
        self.accelerator = start_accelerator(config, out)
        self.process = (self.accelerator.process_index, self.accelerator.num_processes)
        device = self.accelerator.device
        student = build_student(config, say=self.accelerator.is_main_process).to(device)
        self.precision = training_precision(config.precision, self.accelerator, self._saved, student)
        self._given = config
        self.config = config = replace(config, precision=self.precision.name)  # type: ignore[arg-type]
        if self._saved is None:
            prepare(student, config, clips)
        self.teacher = make_teacher(student)
        self.objectives = make_objectives(config, student).to(device)
        self.optimizer = make_optimizer(config, student, self.objectives.optimized())
        self.scaler = GradScaler(device.type, enabled=config.precision == FP16)
        self.weighting = make_weighting(config.algorithm, len(clips.unlabelled), config.model.n_classes)
        self.best: dict[str, float] = {}
        self.step = self._resume(student)
        if config.compile:
            student.compile(dynamic=False)
            self.teacher.compile(dynamic=False)
        self.student = self.accelerator.prepare(student)
        self.labelled = self._batches(clips.labelled, config.labelled_batch, LABELLED)
        self.unlabelled: ClipBatches | None = None
        if config.algorithm.semi_supervised:
            self.unlabelled = self._batches(clips.unlabelled, config.unlabelled_batch, UNLABELLED)

    def run(self) -> None:
        """Train to the last step and write the model."""
        steps, main = self.config.steps, self.accelerator.is_main_process
        with ExitStack() as stack:
            log = self._open_log(stack) if main else None
            ahead = stack.enter_context(Prefetcher(self.load, self.step, steps, self.config.workers))
            while self.step < steps:
                clips = ahead.next()
                values = self.train_step(clips)
                self.step += 1
                found = self._validate()
                if log:
                    with writing_reported(self.out):
                        log.step(self.step, values, found, len(clips) * self.process[1], ahead.loading)
                if main and (self.step % self.config.checkpoint_every == 0 or self.step == steps):
                    self._save(LAST)
            if log:
                with writing_reported(self.out):
                    self._finish()
                    log.finish()
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()  # gloo may abort a process that exits with open connections

    def _open_log(self, stack: ExitStack) -> TrainingLog:
        """Lock the folder and start the log and progress bar; all are closed with `stack`."""
        checkpoints = require_writable(self.out / LAST.parent)
        stack.enter_context(only_writer(checkpoints, "the checkpoints in"))
        remove_temporaries(self.out)
        bar = progress_bar(f"training {self.config.algorithm.name}", self.config.steps, self.step)
        training = Training(self.config.algorithm.name, self._given, self.config.steps, self.precision)
        return TrainingLog(training, self.out, self.accelerator, self.step, stack.enter_context(bar))

    def load(self, step: int) -> StepClips:
        """The clips of a step in this process."""
        used = self.config.loads_unlabelled(step)
        clips = StepClips(self.labelled.at(step), self.unlabelled.at(step) if self.unlabelled and used else None)
        return clips.map(Tensor.pin_memory) if self.accelerator.device.type == "cuda" else clips

    def train_step(self, clips: StepClips) -> dict[str, float]:
        """One update of student and teacher; returns the values to log."""
        config, step = self.config, self.step
        seed = step_seed(config.seed, step, self.process[0])
        torch.manual_seed(seed)  # dropout and drop-path
        rng = Generator().manual_seed(seed)
        memory = self._memory()
        parts = [self._learn(part, rng, memory) for part in clips.parts(config.accumulation)]
        rate = self._update(clips.ids, memory)
        student = self.accelerator.unwrap_model(self.student)
        broadcast_first((*student.buffers(), *self.objectives.buffers()))  # batch norm's differ between processes
        update_teacher(self.teacher, student, decay_at(step, config.ema_decay, config.ema_warm_up))
        values = {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}
        return {**values, "rate": rate, "xi": xi_at(config, step)}

    def _learn(self, clips: StepClips, rng: Generator, memory: Memory) -> dict[str, float]:
        """Accumulate the gradient of some clips' loss; `memory` is the state before the step."""
        clips = clips.to(self.accelerator.device)
        guidance = self._guide(clips.unlabelled if self.config.uses_pseudo_labels(self.step) else None, rng)
        self.student.train()
        with self.accelerator.accumulate(self.student):
            student = self.accelerator.unwrap_model(self.student)
            freeze_batch_norm(student, self.config, self.step)
            inputs = ObjectiveInputs(self.objectives.train(), student, self.teacher, clips.unlabelled, self.step)
            xi = xi_at(self.config, self.step)
            loss = step_loss(self.config, self.student, clips.labelled, guidance, xi, rng, inputs)
            values = mean_values(logged_values(loss, guidance), self.accelerator)
            ids = clips.ids if math.isfinite(values["loss"]) else self._keep_state(clips.ids, memory)
            require_finite("loss", values["loss"], self.step, ids)  # the mean, so that all processes stop together
            self.accelerator.backward(self.scaler.scale(loss.total))
        return values

    def _memory(self) -> Memory:
        """Copies of the states of weighting rule and buffers (of objectives and student) before a step."""
        weighting = {name: tensor.clone() for name, tensor in self.weighting.state_dict().items()}
        return weighting, *map(copy_buffers, (self.objectives, self.accelerator.unwrap_model(self.student)))

    def _keep_state(self, clip_ids: Sequence[str], memory: Memory) -> tuple[str, ...]:
        """Save the state before a failed step; returns the clip ids of all processes."""
        self.weighting.load_state_dict(memory[0])
        self.objectives.load_state_dict(memory[1], strict=False)
        self.accelerator.unwrap_model(self.student).load_state_dict(memory[2], strict=False)
        if self.accelerator.is_main_process:
            self._save(STOPPED)
            console.print(f"the state before the step is kept in {self.out / STOPPED}", highlight=False)
        return tuple(gather_object(list(clip_ids)))  # the others wait here until it is saved

    def _guide(self, batch: ClipBatch | None, rng: Generator) -> Guidance | None:
        """Views and pseudo-labels of the unlabelled clips; None while they are not used."""
        if batch is None:
            return None
        own = self.config.algorithm.teacher == "student"
        labeller = self.accelerator.unwrap_model(self.student) if own else self.teacher
        return guide(self.config, labeller, batch, self.weighting, rng, self.objectives)

    def _update(self, clip_ids: Sequence[str], memory: Memory) -> float:
        """Optimiser step on the gradient of all parts; returns the learning rate."""
        config = self.config
        factor = rate_factor(config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * factor
        self.objectives.average_gradients()
        for parameter in frozen_parameters(self.accelerator.unwrap_model(self.student), config, self.step):
            parameter.grad = None
        self.scaler.unscale_(self.optimizer)
        parameters = [*self.student.parameters(), *self.objectives.parameters()]
        norm = self.accelerator.clip_grad_norm_(parameters, config.clip_norm or math.inf)
        if norm is not None and not self.scaler.is_enabled() and not math.isfinite(norm):  # the scaler skips such steps
            require_finite("gradient's norm", float(norm), self.step, self._keep_state(clip_ids, memory))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return config.learning_rate * factor

    @property
    def _final(self) -> Recognizer:
        """The network that is saved as the trained model."""
        student: Recognizer = self.accelerator.unwrap_model(self.student)
        return self.teacher if self.config.final == "teacher" else student

    def _validate(self) -> dict[str, float]:
        """Accuracies on the val clips at validation steps, else empty; saves the best weights so far."""
        config, every = self.config, self.config.validate_every
        if not every or (self.step % every and self.step != config.steps):
            return {}
        found = validate(self._final, self.clips.cache, self.clips.val, config.precision == BF16, self.process)
        value = found[config.validate_metric]
        if value > self.best.get("value", -1.0):
            self.best = {"value": value, "step": self.step}
            if self.accelerator.is_main_process:
                with writing_reported(self.out):
                    self._final.save_pretrained(self.out / BEST)
        return {f"val_{name}": accuracy for name, accuracy in found.items()}

    def _finish(self) -> None:
        """Write the trained model: the best weights if validated, else the last."""
        final = load_recognizer(self.out / BEST) if self.best else self._final
        final.save_pretrained(self.out)
        mark_finished(self.out, self.settings)

    def _batches(self, clips: Sequence[Clip], size: int, pool: int) -> ClipBatches:
        """The stream of batches of one pool."""
        parts = self.process[1] * self.config.accumulation
        if size % parts:
            raise GymQAError(f"a batch of {size} clips cannot be cut into {parts} equal parts; change the batch size")
        return ClipBatches(self.clips.cache, clips, self.config.model, size, (self.config.seed, pool), self.process)

    def _resume(self, student: Recognizer) -> int:
        """Load the last checkpoint, if there is one, and return the first step."""
        state, self._saved = self._saved, None
        if state is None:
            return 0
        restore(self._holders(student), state, self.out / LAST)
        self.best = state["best"]
        return int(state["step"])

    def _holders(self, student: Recognizer) -> dict[str, Any]:
        """The parts with a state, by name in the checkpoint."""
        objectives = {"objectives": self.objectives} if len(self.objectives) else {}
        return objectives | {
            "student": student, "teacher": self.teacher, "optimizer": self.optimizer, "scaler": self.scaler,
            "weighting": self.weighting,
        }  # fmt: skip

    def _save(self, name: Path) -> None:
        """Write the checkpoint of the current step."""
        holders = self._holders(self.accelerator.unwrap_model(self.student))
        state: dict[str, Any] = {part: holder.state_dict() for part, holder in holders.items()}
        state |= {"step": self.step, "best": self.best, PRECISION: self.precision.name}
        save_checkpoint(self.out / name, self.settings, state)


def step_seed(seed: int, step: int, process: int) -> int:
    """The seed of one step's random numbers in one process."""
    return int.from_bytes(hash_key("recognizer", seed, step, process)[:7], "big")
