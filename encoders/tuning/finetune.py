"""Fine-tuning of the multimodal model: the two-stage training loop on accelerate, resumable.

Alignment of the projector, then projector and LoRA on questions re-sampled every epoch. Every step is a function of the
seed and its index, so that a run killed at any moment resumes from its last checkpoint to the same weights.
"""

import math
import shutil
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from torch.distributed.tensor import DTensor

from encoders.features.extract import view_key
from encoders.llm.loading import llm_fingerprint
from encoders.mllm.model import conversation_losses
from encoders.tuning.alignment import align, pooled_text_embeddings
from encoders.tuning.batches import BatchMaker, StepBatches, TuningBatch
from encoders.tuning.clips import PseudoLabel, TuningMaterial
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.setup import build_model, learning_rate_factor, make_optimizer
from encoders.tuning.state import TuningState, is_sharded, prepare_deepspeed, trainable
from encoders.video.base import Features
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.io.console import console, progress_bar
from gymqa.io.files import only_writer
from gymqa.io.temporaries import remove_temporaries
from gymqa.runtime.precision import BF16
from gymqa.runtime.runs import require_writable
from gymqa.runtime.seeding import hash_key
from recognizers.loader import Prefetcher
from recognizers.training.checkpoint import (
    LAST,
    PRECISION,
    STOPPED,
    is_finished,
    load_checkpoint,
    mark_finished,
    save_checkpoint,
    writing_reported,
)
from recognizers.training.log import Training, TrainingLog
from recognizers.training.setup import start_accelerator, training_precision


def finetune(
    features: Features,
    clips: Sequence[Clip],
    taxonomy: Taxonomy,
    settings: FinetuneSettings,
    folder: Path,
    pseudo: Sequence[PseudoLabel] = (),
) -> Path:
    """Tune a language model on the labelled `clips`, or resume an interrupted tuning; returns the folder.

    A folder that is finished with the same settings, clips, features and language model is returned at once. Clips
    without features are left out and listed in left_out.txt.

    Args:
        features: tokens of the clips and their views.
        clips: labelled clips.
        taxonomy: their elements, for distractors and names.
        settings: of both stages.
        folder: for checkpoints, metrics.jsonl, training.json (the settings) and the tuned model.
        pseudo: pseudo-labelled clips with their weights.

    Raises:
        GymQAError: no labelled clip with features, a folder of other settings or in use, a damaged checkpoint, a loss
            or gradient that is not finite, or a full disk.
    """
    require_writable(folder)
    material = TuningMaterial(features, tuple(clips), taxonomy, tuple(pseudo)).with_features(settings.views)
    material.questions(settings.mix, settings.views, settings.blind, settings.seed)  # raises without usable clips
    if is_finished(folder, run_settings(material, settings)):
        shutil.rmtree(folder / LAST.parent, ignore_errors=True)  # left if the run was killed while it removed them
    else:
        Tuning(material, settings, folder).run()
    return folder


def run_settings(material: TuningMaterial, settings: FinetuneSettings) -> dict[str, Any]:
    """Everything the tuned model depends on, as JSON values; identifies checkpoints and finished folders."""
    taxonomy = material.taxonomy
    return settings.determines | {
        "clips": material.fingerprint,
        "elements": hash_key(taxonomy.setting, *(element.display_name for element in taxonomy.elements)).hex(),
        "encoder": dict(material.features.fingerprint),
        "llm_files": llm_fingerprint(settings.llm),
    }


class Tuning:
    """One tuning run in one folder.

    Args:
        material: the training clips.
        settings: of both stages.
        folder: of the run.
    """

    def __init__(self, material: TuningMaterial, settings: FinetuneSettings, folder: Path) -> None:
        self.material, self._given, self.folder = material, settings, folder
        self.steps = settings.caption_steps + settings.steps
        self._made_of = run_settings(material, settings)
        self._saved = load_checkpoint(folder / LAST, self._made_of)
        self.step = int(self._saved["step"]) if self._saved else 0
        self.accelerator = start_accelerator(settings, folder, "tuning")
        self._process = (self.accelerator.process_index, self.accelerator.num_processes)
        self._sharded = is_sharded(self.accelerator)
        torch.manual_seed(settings.seed)
        self.model, self.tokenizer = build_model(material, settings)
        self.precision = training_precision(settings.precision, self.accelerator, self._saved, self.model)
        self.settings = settings = replace(settings, precision=self.precision.name)  # type: ignore[arg-type]
        whole = not (self._sharded or settings.gradient_checkpointing)  # both are incompatible with a prefix cache
        data = material.questions(settings.mix, settings.views, settings.blind, settings.seed)
        self._batches = BatchMaker(
            material.features, data, self.tokenizer, settings, self.model.config.n_visual, self._process, whole
        )
        self._frozen: dict[str, Tensor] = {}  # frozen projector weights, if sharded

    def run(self, until: int | None = None) -> None:
        """Train to the last step (or stop at step `until`, for tests) and write the tuned model."""
        main, last = self.accelerator.is_main_process, min(until or self.steps, self.steps)
        with ExitStack() as stack:
            log = self._open_log(stack) if main else None
            self._begin()
            ahead = stack.enter_context(Prefetcher(self._batches.at, self.step, last, self.settings.workers))
            while self.step < last:
                batches = ahead.next()
                values = self._train_step(batches)
                self.step += 1
                if log:
                    with writing_reported(self.folder):
                        log.step(self.step, values, {}, len(batches) * self._process[1], ahead.loading)
                if self.step % self.settings.checkpoint_every == 0 or self.step == self.steps:
                    self._save(LAST)
            if self.step == self.steps:
                self._finish(log)
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()  # gloo may abort a process that exits with open connections

    def _open_log(self, stack: ExitStack) -> TrainingLog:
        """Lock the folder for this run, and open its log and progress bar; all are closed with `stack`."""
        checkpoints = require_writable(self.folder / LAST.parent)
        stack.enter_context(only_writer(checkpoints, "the checkpoints in"))
        remove_temporaries(self.folder)
        self.material.report_missing(self.folder)
        bar = stack.enter_context(progress_bar("tuning the language model", self.steps, self.step))
        training = Training(self.settings.llm, self._given, self.steps, self.precision, "tuning")
        return TrainingLog(training, self.folder, self.accelerator, self.step, bar)

    def _begin(self) -> None:
        """Align the projector or load the last checkpoint, and prepare model and optimizer with accelerate."""
        settings, device = self.settings, self.accelerator.device
        if not self._sharded:
            self.model.to(device)
        if self._saved is None and not settings.blind and settings.alignment.method == "names":
            self._align_to_names()  # before weights are sharded
        if settings.gradient_checkpointing:
            with warnings.catch_warnings():  # about an argument renamed within transformers 5
                warnings.simplefilter("ignore", FutureWarning)
                self.model.llm.gradient_checkpointing_enable({"use_reentrant": False})
        if self._sharded:  # a blind model's projector is frozen, sharded, and in no checkpoint
            frozen = {name: one for name, one in self.model.named_parameters() if name.startswith("projector.")}
            self._frozen = {name: one.detach().cpu().clone() for name, one in frozen.items() if not one.requires_grad}
        samples = settings.batch_size // (self._process[1] * settings.accumulation)
        prepare_deepspeed(self.accelerator, samples, settings.max_gradient_norm)
        self._prepared, self._optimizer = self.accelerator.prepare(self.model, make_optimizer(self.model, settings))
        self._state = TuningState(self.accelerator, self.model, self._prepared, self._optimizer)
        if self._saved is not None:
            self._state.load(self._saved, self.folder / LAST)
            self._saved = None

    def _align_to_names(self) -> None:
        """First stage by regression on names, identical on every process."""
        settings, taxonomy, features = self.settings, self.material.taxonomy, self.material.features
        torch.manual_seed(settings.seed)
        clips, views = self.material.labelled, settings.views
        keys = [view_key(clip.id, view) for clip in clips for view in range(views)]
        labels = torch.tensor([clip.label for clip in clips for _ in range(views)])
        names = [f"({element.event}) {element.name}" for element in taxonomy.elements]
        targets = pooled_text_embeddings(names, self.model.embeddings, self.tokenizer, self.model.config.n_visual)
        videos = features.get(keys).float().to(targets.device)
        broken = sorted({key for key, video in zip(keys, videos, strict=True) if not video.isfinite().all()})
        if broken:
            raise GymQAError(f"the features of {', '.join(broken)} are not all numbers; extract them again")
        groups = torch.arange(len(keys)).to(labels) // views
        align(
            self.model.projector, videos, labels.to(videos.device), groups, targets, settings.alignment, settings.seed
        )

    def _train_step(self, batches: StepBatches) -> dict[str, float]:
        """One optimiser step; returns the values to log."""
        settings = self.settings
        captions = self.step < settings.caption_steps
        if self.step == settings.caption_steps:
            self._state.reset_optimizer()  # the second stage starts afresh
        scale = self._set_rates(captions)
        losses = [self._learn(batch, number, captions) for number, batch in enumerate(batches.parts)]
        if captions:
            self._drop_adapter_gradients()
        norm = self.accelerator.clip_grad_norm_(list(trainable(self.model).values()), settings.max_gradient_norm)
        if norm is not None and not math.isfinite(_whole(norm)):  # None under DeepSpeed; otherwise over all processes
            self._refuse("gradient", [clip for batch in batches.parts for clip in batch.clip_ids])
        self._optimizer.step()
        self._optimizer.zero_grad()
        return {"loss": sum(losses) / len(losses), "rate": scale, "stage": 1.0 if captions else 2.0}

    def _drop_adapter_gradients(self) -> None:
        """Drop all gradients but the projector's, the only weights of the first stage."""
        for name, weights in trainable(self.model).items():
            if not name.startswith("projector."):
                weights.grad = None

    def _set_rates(self, captions: bool) -> float:
        """Set this step's learning rates and weight decay; returns the rates' fraction of their peaks."""
        settings = self.settings
        first, steps = (0, settings.caption_steps) if captions else (settings.caption_steps, settings.steps)
        scale = learning_rate_factor(self.step - first, steps, settings.warmup, settings.schedule, settings.lowest_rate)
        alignment = settings.alignment
        for group in self._optimizer.param_groups:
            group["lr"] = (alignment.learning_rate * group["aligned"] if captions else group["base"]) * scale
            group["weight_decay"] = alignment.weight_decay if captions else settings.weight_decay
        return scale

    def _learn(self, batch: TuningBatch, number: int, captions: bool) -> float:
        """Accumulate the gradient of one micro-batch; returns its loss, averaged over all processes."""
        settings = self.settings
        index = self._process[0] * settings.accumulation + number
        torch.manual_seed(settings.seed * 1_000_003 + self.step + (index << 32))  # dropout and noise
        chats = (batch := batch.to(self.accelerator.device)).chats
        self._prepared.train()
        with self.accelerator.accumulate(self._prepared):
            with self._autocast():
                out = self._prepared(
                    input_ids=chats.ids,
                    attention_mask=chats.mask,
                    videos=batch.videos,
                    prefix=chats.prefix,
                    noise=settings.alignment.noise if captions else settings.feature_noise,
                )
                loss = (conversation_losses(out.logits, chats.labels) * batch.weights).mean()
            mean_loss = self._mean(loss.detach())
            if not math.isfinite(mean_loss):
                self._refuse("loss", batch.clip_ids)
            self.accelerator.backward(loss)
        return mean_loss

    def _mean(self, loss: Tensor) -> float:
        """The loss averaged over all processes, so that all stop together if it is not finite."""
        if self._process[1] > 1:
            loss = self.accelerator.reduce(loss, "mean")
        return float(loss.item())

    def _refuse(self, what: str, clip_ids: Sequence[str]) -> None:
        """Save the state before a failed step, and stop.

        Raises:
            GymQAError: always, naming the step and all processes' clips.
        """
        named = ", ".join(sorted(set(gather_object(list(clip_ids)))))
        self._save(STOPPED)
        if self.accelerator.is_main_process:
            console.print(f"the state before the step is saved in {self.folder / STOPPED}", highlight=False)
        raise GymQAError(
            f"the {what} of step {self.step} is not a number; look at the features of its clips ({named}), or lower "
            "the learning rates"
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.settings.precision == BF16)

    def _save(self, name: Path) -> None:
        """Write the checkpoint of the current step; all processes take part if weights are sharded."""
        checkpoints = self.folder / name.parent
        main = self.accelerator.is_main_process
        state = self._state.collect(checkpoints, self.step) if main or self._sharded else {}
        if main:
            state = {"step": self.step, PRECISION: self.precision.name, **state}
            save_checkpoint(self.folder / name, self._made_of, state)
            if name == LAST:
                self._state.remove_old_parts(checkpoints, self.step)

    def _finish(self, log: TrainingLog | None) -> None:
        """Write the tuned model."""
        self.model.eval()
        weights = {**self._frozen, **self._state.weights()} if self._sharded else None
        if log:
            with writing_reported(self.folder):
                self.model.save_pretrained(self.folder, state_dict=weights)
                mark_finished(self.folder, self._made_of)
                log.finish()
            shutil.rmtree(self.folder / LAST.parent, ignore_errors=True)


def _whole(norm: Any) -> float:
    """A norm as a float; FSDP2's is a sharded tensor."""
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
