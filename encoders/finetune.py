"""Tuning: alignment of the projector, then projector and LoRA on questions re-drawn every epoch.

One loop on accelerate, on one process or several; every step is a function of the seed and the step's number, so that
a run killed at any moment goes on from its last checkpoint to the same weights.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from encoders.alignment import align, spoken
from encoders.base import Features
from encoders.collation import ChatBatch, collate, length_buckets
from encoders.config import FinetuneSettings
from encoders.features import view_key
from encoders.llm_identity import llm_fingerprint
from encoders.mllm import GymMLLM, GymMLLMConfig
from encoders.prompts import encode_chat
from encoders.question_data import QuestionData, Sample
from gymqa.annotations import Clip
from gymqa.draws import hash_key
from gymqa.errors import GymQAError
from gymqa.progress import console, progress_bar
from gymqa.runs import MetricsLog, require_writable
from gymqa.taxonomy import Taxonomy
from recognizers.checkpoint import is_finished, load_checkpoint, mark_finished, save_checkpoint

_WINDOW = 4  # batches drawn together and cut by length


def finetune(
    features: Features,
    clips: Sequence[Clip],
    taxonomy: Taxonomy,
    settings: FinetuneSettings,
    folder: Path,
) -> Path:
    """Tune a language model on the labelled `clips`, or go on with a tuning that was stopped; returns the folder.

    A folder whose tuning is finished with the same settings, clips, features and language model is returned at once.
    Clips without features are left out, and their number is said.

    Args:
        features: tokens of the clips and their views.
        clips: labelled clips.
        taxonomy: their elements, for distractors and names.
        settings: everything that can be set.
        folder: of the checkpoint, metrics.jsonl, training.json (the settings) and the tuned model.

    Raises:
        GymQAError: no labelled clip with features, a folder of other settings, a damaged checkpoint, a loss that is
            not a number.
    """
    require_writable(folder)
    usable = [clip for clip in clips if all(view_key(clip.id, view) in features for view in range(settings.views))]
    data = QuestionData(usable, taxonomy, settings.mix, settings.views, settings.blind, settings.seed)
    if len(usable) < len(clips):
        console.print(
            f"{len(clips) - len(usable)} of {len(clips)} clips lack features of some view; tuning goes on without them"
        )
    if not is_finished(folder, run_settings(features, usable, taxonomy, settings)):
        Tuning(features, usable, data, taxonomy, settings, folder).run()
    return folder


def run_settings(
    features: Features, clips: Sequence[Clip], taxonomy: Taxonomy, settings: FinetuneSettings
) -> dict[str, Any]:
    """Everything the tuned model depends on, as JSON values; a checkpoint and a finished folder are known by it."""
    return asdict(settings) | {
        "clips": hash_key(*(f"{clip.id} {clip.label}" for clip in clips)).hex(),
        "elements": hash_key(taxonomy.setting, *(element.display_name for element in taxonomy.elements)).hex(),
        "encoder": dict(features.fingerprint),
        "llm_files": llm_fingerprint(settings.llm),
    }


class Tuning:
    """One tuning run in one folder."""

    def __init__(
        self,
        features: Features,
        clips: Sequence[Clip],
        data: QuestionData,
        taxonomy: Taxonomy,
        settings: FinetuneSettings,
        folder: Path,
    ) -> None:
        self.settings, self.folder, self.step = settings, folder, 0
        self._features, self._clips, self._data, self._taxonomy = features, clips, data, taxonomy
        self._accelerator = Accelerator()  # precision is ours: accelerate allows one for the life of a process
        torch.manual_seed(settings.seed)
        n_tokens, dim = features.get([clips[0].id]).shape[1:]
        config = GymMLLMConfig(
            llm=settings.llm,
            llm_dtype=settings.llm_dtype,
            encoder=dict(features.fingerprint),
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
        self._made_of = run_settings(features, clips, taxonomy, settings)
        self.model = GymMLLM(config).to(self._accelerator.device)
        self.tokenizer = self.model.load_tokenizer()
        self._trainable = {name: one for name, one in self.model.named_parameters() if one.requires_grad}
        self._optimizer = self._make_optimizer()
        self._resume()
        self._prepared, self._optimizer = self._accelerator.prepare(self.model, self._optimizer)

    def run(self, until: int | None = None) -> None:
        """Go to the last step (or to step `until`, as a kill would) and write the tuned model."""
        if self.step == 0 and not self.settings.blind:
            self._align()
        last = min(until or self.settings.steps, self.settings.steps)
        log = MetricsLog(self.folder / "metrics.jsonl", self.step)
        with progress_bar("tuning the language model", self.settings.steps, self.step) as bar:
            while self.step < last:
                loss = self._train_step()
                self.step += 1
                bar.advance(note=f"loss {loss:.3f}")
                if self._accelerator.is_main_process:
                    log.add(self.step, loss=loss)
                    if self.step % self.settings.checkpoint_every == 0:
                        self._save_checkpoint()
        self.model.eval()
        if self.step == self.settings.steps and self._accelerator.is_main_process:
            self.model.save_pretrained(self.folder)
            mark_finished(self.folder, self._made_of)
            self._checkpoint_path().unlink(missing_ok=True)

    def _align(self) -> None:
        """First stage, the same on every process."""
        torch.manual_seed(self.settings.seed)
        keys = [view_key(clip.id, view) for clip in self._clips for view in range(self.settings.views)]
        labels = torch.tensor([clip.label for clip in self._clips for _ in range(self.settings.views)])
        names = [f"({element.event}) {element.name}" for element in self._taxonomy.elements]
        targets = spoken(names, self.model.embeddings, self.tokenizer, self.model.config.n_visual)
        videos = self._features.get(keys).float().to(targets.device)
        broken = sorted({key for key, video in zip(keys, videos, strict=True) if not video.isfinite().all()})
        if broken:
            raise GymQAError(f"the features of {', '.join(broken)} are not all numbers; extract them again")
        settings = self.settings
        groups = torch.arange(len(keys)).to(labels) // settings.views
        align(
            self.model.projector, videos, labels.to(videos.device), groups, targets, settings.alignment, settings.seed
        )

    def _train_step(self) -> float:
        samples = self._batch_samples(self.step)
        batch, videos = self._batch(samples)
        for group in self._optimizer.param_groups:
            group["lr"] = group["base"] * _schedule(self.step, self.settings)
        torch.manual_seed(self.settings.seed * 1_000_003 + self.step)
        self._prepared.train()
        with self._autocast():
            out = self._prepared(batch.ids, batch.mask, videos, batch.labels, batch.prefix, self.settings.feature_noise)
        loss = out.loss
        if not math.isfinite(loss.item()):
            named = ", ".join(sorted({sample.clip_id for sample in samples}))
            raise GymQAError(
                f"the loss of step {self.step} is not a number; look at the features of its clips ({named}), or lower "
                "the learning rates"
            )
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._trainable.values(), self.settings.max_gradient_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.item())

    def _batch_samples(self, step: int) -> list[Sample]:
        """Samples of a step, those of this process: windows of batches cut by length, in an order of their own."""
        size = self.settings.batch_size
        window, within = divmod(step, _WINDOW)
        first = window * _WINDOW * size
        samples = [self._sample(index) for index in range(first, first + _WINDOW * size)]
        buckets = length_buckets([len(sample.turn.user) + len(sample.turn.answer or "") for sample in samples], size)
        order = torch.randperm(len(buckets), generator=torch.Generator().manual_seed(window)).tolist()
        rows = buckets[order[within]]
        return [samples[row] for row in rows[self._accelerator.process_index :: self._accelerator.num_processes]]

    def _sample(self, index: int) -> Sample:
        epoch, row = divmod(index, len(self._data))
        if getattr(self, "_epoch", (None, []))[0] != epoch:
            self._epoch: tuple[int, list[Sample]] = (epoch, self._data.epoch(epoch))
        return self._epoch[1][row]

    def _batch(self, samples: Sequence[Sample]) -> tuple[ChatBatch, Tensor | None]:
        device = self._accelerator.device
        chats = [encode_chat(self.tokenizer, [sample.turn]) for sample in samples]
        batch = collate(chats, self.model.config.n_visual, self.tokenizer.pad_token_id, share_prefix=True)
        if self.settings.blind:
            return batch.to(device), None
        return batch.to(device), self._features.get([sample.key for sample in samples]).float().to(device)

    def _autocast(self) -> torch.autocast:
        kind = {"bf16": torch.bfloat16, "no": torch.float32}[self.settings.precision]
        return torch.autocast(self._accelerator.device.type, kind, enabled=self.settings.precision != "no")

    def _make_optimizer(self) -> torch.optim.Optimizer:
        settings = self.settings
        projector = [one for name, one in self._trainable.items() if name.startswith("projector.")]
        adapters = [one for name, one in self._trainable.items() if not name.startswith("projector.")]
        groups = [
            {"params": adapters, "lr": 0.0, "base": settings.lora_learning_rate},
            {"params": projector, "lr": 0.0, "base": settings.projector_learning_rate},
        ]
        return torch.optim.AdamW(groups, weight_decay=settings.weight_decay)

    def _checkpoint_path(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save_checkpoint(self) -> None:
        state = {
            "step": self.step,
            "model": {name: one.detach().cpu() for name, one in self._trainable.items()},
            "optimizer": self._optimizer.state_dict(),
        }
        save_checkpoint(self._checkpoint_path(), self._made_of, state)

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint_path(), self._made_of)
        if state is None:
            return
        with torch.no_grad():
            for name, one in self._trainable.items():
                one.copy_(state["model"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _schedule(step: int, settings: FinetuneSettings) -> float:
    """Share of the learning rate: linear warm-up, then a cosine down to 2 %."""
    warm = min(1.0, (step + 1) / max(settings.warmup, 1))
    return warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / settings.steps)))
