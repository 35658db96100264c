"""Training batches of tuning: samples, conversations and videos of each step, as a function of its index alone."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from encoders.mllm.collate import ChatBatch, collate, length_buckets
from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat, encode_chat
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.question_data import QuestionData, Sample
from encoders.video.base import Features
from gymqa.errors import GymQAError
from gymqa.runtime.seeding import hash_key

_WINDOW = 4  # batches sampled together and bucketed by length
_KEPT = 3  # cached epochs: threads may work on different ones


@dataclass(frozen=True, slots=True)
class TuningBatch:
    """B conversations, their videos [V, N, D] (None for a blind model), and loss weights [B]."""

    chats: ChatBatch
    videos: Tensor | None
    weights: Tensor
    clip_ids: tuple[str, ...]

    def to(self, device: torch.device) -> "TuningBatch":
        """The same batch on `device`."""
        videos = None if self.videos is None else self.videos.to(device)
        return TuningBatch(self.chats.to(device), videos, self.weights.to(device), self.clip_ids)


@dataclass(frozen=True, slots=True)
class StepBatches:
    """A process's shard of a step, in micro-batches whose gradients are accumulated; its length counts samples."""

    parts: tuple[TuningBatch, ...]

    def __len__(self) -> int:
        return sum(len(part.clip_ids) for part in self.parts)


class BatchMaker:
    """Makes this process's batches of every step: first captions, then questions.

    Args:
        features: tokens of the clips and their views.
        data: samples of every epoch.
        tokenizer: the language model's.
        settings: batch sizes, steps, accumulation.
        n_visual: embeddings per video.
        process: index of this process and number of processes; each takes its shard of every batch.
        share_prefix: encode the common prefix of a micro-batch only once.

    Raises:
        GymQAError: a batch size that is not divisible among the processes.
    """

    def __init__(
        self,
        features: Features,
        data: QuestionData,
        tokenizer: PreTrainedTokenizerBase,
        settings: FinetuneSettings,
        n_visual: int,
        process: tuple[int, int] = (0, 1),
        share_prefix: bool = True,
    ) -> None:
        self._features, self._data, self._tokenizer, self._settings = features, data, tokenizer, settings
        self._n_visual, self._process, self._share_prefix = n_visual, process, share_prefix
        parts = process[1] * settings.accumulation
        sizes = [settings.batch_size, *([settings.alignment.batch_size] if settings.caption_steps else [])]
        for size in sizes:
            if size % parts:
                raise GymQAError(
                    f"a batch of {size} cannot be shared evenly by {process[1]} processes in {settings.accumulation} "
                    f"parts each; make it a multiple of {parts}"
                )
        self._epochs: dict[tuple[bool, int], list[Sample]] = {}
        self._lock = threading.Lock()

    def at(self, step: int) -> StepBatches:
        """The batches of one step, from 0."""
        captions = step < self._settings.caption_steps
        size = self._settings.alignment.batch_size if captions else self._settings.batch_size
        samples = self._step_samples(step if captions else step - self._settings.caption_steps, size, captions)
        own = samples[self._process[0] :: self._process[1]]
        each = len(own) // self._settings.accumulation
        return StepBatches(tuple(self._batch(own[start : start + each]) for start in range(0, len(own), each)))

    def _step_samples(self, step: int, size: int, captions: bool) -> list[Sample]:
        """All processes' samples of a step: a window of batches, bucketed by length and shuffled."""
        window, within = divmod(step, _WINDOW)
        first = window * _WINDOW * size
        samples = [self._sample(index, captions) for index in range(first, first + _WINDOW * size)]
        buckets = length_buckets([len(sample.turn.user) + len(sample.turn.answer or "") for sample in samples], size)
        seed = int.from_bytes(hash_key("buckets", self._settings.seed, window)[:7], "big")
        order = torch.randperm(len(buckets), generator=torch.Generator().manual_seed(seed)).tolist()
        return [samples[row] for row in buckets[order[within]]]

    def _sample(self, index: int, captions: bool) -> Sample:
        epoch, row = divmod(index, len(self._data))
        with self._lock:
            if (captions, epoch) not in self._epochs:
                draw = self._data.captions if captions else self._data.epoch
                self._epochs[captions, epoch] = draw(epoch)
                while len(self._epochs) > _KEPT:
                    del self._epochs[next(iter(self._epochs))]
            return self._epochs[captions, epoch][row]

    def _batch(self, samples: Sequence[Sample]) -> TuningBatch:
        chats = [self._encoded(sample) for sample in samples]
        pad_id = self._tokenizer.pad_token_id
        return TuningBatch(
            collate(chats, self._n_visual, pad_id, share_prefix=self._share_prefix),
            None if self._settings.blind else self._features.get([sample.key for sample in samples]).float(),
            torch.tensor([sample.weight for sample in samples]),
            tuple(sample.clip_id for sample in samples),
        )

    def _encoded(self, sample: Sample) -> EncodedChat:
        if sample.caption:
            return encode_caption(self._tokenizer, sample.turn.answer or "")
        return encode_chat(self._tokenizer, [sample.turn])


def encode_caption(tokenizer: PreTrainedTokenizerBase, caption: str) -> EncodedChat:
    """The video, then its caption, without a conversation template.

    Source: LLaVA's first stage (Liu et al. 2023, `preprocess_plain`); `</s>` ends the caption here.
    """
    before = ([] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]) + [VIDEO_ID]
    answer = [*tokenizer(caption, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    return EncodedChat(before + answer, [IGNORED] * len(before) + answer)
