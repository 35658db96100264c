"""Time answering by generation, full passes, shared prefixes; check they agree: `benchmarks/speed/answering_speed.py`.

A Llama with random weights answers the same questions by every method, in turns; ratios are of medians. Before timing,
all methods that score the same texts must agree on the likelihoods in float32.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import torch
from random_mllm import N_CHOICES, DrawnQuestion, Lengths, MLLMSize, conversation, draw_clips
from torch import Tensor
from transformers import DynamicCache

from encoders.answering.shared_prefix import SharedPrefixReader, separate_log_likelihoods
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import EncodedChat
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment

BASELINE, QUESTIONS, NEW_TOKENS, PAD = "generate", 4, 16, 0
TOLERANCE = 1e-5  # largest difference in float32, relative to the largest log-likelihood
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Size:
    """Config of the model, lengths of the prompts, and number of timed rounds."""

    model: MLLMSize
    lengths: Lengths
    clips: int
    rounds: int


FULL = Size(MLLMSize(640, 1712, 12, 10, 32_000, 64, 256), Lengths(system=36, question=41, name=15), clips=2, rounds=7)
QUICK = Size(MLLMSize(32, 64, 2, 4, 200, 6, 8), Lengths(system=5, question=4, name=3), clips=2, rounds=2)


class Ways:
    """Every method of answering all questions about some clips; scores are [clips, QUESTIONS, N_CHOICES] nats.

    Args:
        model: with merged adapters, so that they cost nothing.
        videos: encoder tokens [clips, N, D].
    """

    def __init__(self, model: GymMLLM, clips: Sequence[Sequence[DrawnQuestion]], videos: Tensor) -> None:
        self.model, self.clips, self.videos = model, clips, videos
        self._reader = SharedPrefixReader(model, PAD)
        letters = [[3 + index] for index in range(N_CHOICES)]
        self._letters = [[[conversation(one.lettered, a) for a in letters] for one in asked] for asked in clips]
        self._texts = [[[conversation(one.lettered, a) for a in one.choices] for one in asked] for asked in clips]
        self._names = [[[conversation(one.plain, a) for a in one.choices] for one in asked] for asked in clips]

    def generate(self) -> list[Tensor]:
        """Continue one question at a time by NEW_TOKENS, greedily, with the cache of keys and values."""
        return [self._generate(clip, [one]) for clip, asked in enumerate(self.clips) for one in asked]

    def generate_batch(self) -> list[Tensor]:
        """Continue the questions of a clip together."""
        return [self._generate(clip, asked) for clip, asked in enumerate(self.clips)]

    def full_passes(self) -> Tensor:
        """Read the whole conversation once for each choice, one at a time."""
        return self._separately(self._texts)

    def full_letters(self) -> Tensor:
        """The letters' likelihoods from whole conversations: the reference of the fast methods."""
        return self._separately(self._letters)

    def full_names(self) -> Tensor:
        """The choices' likelihoods after the plain question from whole conversations, a reference as well."""
        return self._separately(self._names)

    def cached_prefix(self) -> Tensor:
        """Read a question once, and its choices as a batch behind its keys and values."""
        return self._shaped([self._cached(clip, one) for clip, asked in enumerate(self.clips) for one in asked])

    def choices_in_one_pass(self) -> Tensor:
        """One question's choices in one pass."""
        return self._shaped([self._read([clip], [row]) for clip, rows in enumerate(self._texts) for row in rows])

    def letters_in_one_pass(self) -> Tensor:
        """One question's letters in one pass."""
        return self._shaped([self._read([clip], [row]) for clip, rows in enumerate(self._letters) for row in rows])

    def letters_of_a_clip(self) -> Tensor:
        """The letters of all questions about a clip in one pass."""
        return self._shaped([self._read([clip], [_joined(rows)]) for clip, rows in enumerate(self._letters)])

    def letters_of_all_clips(self) -> Tensor:
        """The letters of all questions about all clips in one pass."""
        return self._shaped([self._read(range(len(self.clips)), [_joined(rows) for rows in self._letters])])

    def names_of_a_clip(self) -> Tensor:
        """The choices of all questions about a clip after the plain question, in one pass: texts, as gymqa asks."""
        return self._shaped([self._read([clip], [_joined(rows)]) for clip, rows in enumerate(self._names)])

    def names_of_all_clips(self) -> Tensor:
        """The same for all clips in one pass."""
        return self._shaped([self._read(range(len(self.clips)), [_joined(rows) for rows in self._names])])

    def _shaped(self, scores: Sequence[Sequence[float]]) -> Tensor:
        return torch.tensor([*chain(*scores)], dtype=torch.float64).reshape(len(self.clips), QUESTIONS, N_CHOICES)

    def _generate(self, clip: int, asked: Sequence[DrawnQuestion]) -> Tensor:
        chats = [EncodedChat(one.lettered, [-100] * len(one.lettered)) for one in asked]
        batch = collate(chats, self.model.config.n_visual, PAD, pad_left=True).to(self.model.device)
        videos = self.videos[clip].expand(len(asked), -1, -1)
        length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
        return self.model.generate(
            batch.ids, batch.mask, videos, **length, do_sample=False, use_cache=True, pad_token_id=PAD
        )

    def _separately(self, chats: Sequence[Sequence[Sequence[EncodedChat]]]) -> Tensor:
        found = [
            separate_log_likelihoods(self.model, PAD, [chat], self.videos[clip : clip + 1])
            for clip, rows in enumerate(chats)
            for row in rows
            for chat in row
        ]
        return self._shaped(found)

    def _read(self, clips: Sequence[int], rows: Sequence[Sequence[EncodedChat]]) -> list[float]:
        return [*chain(*self._reader.log_likelihoods(rows, self.videos[list(clips)]))]

    @torch.inference_mode()
    def _cached(self, clip: int, asked: DrawnQuestion) -> list[float]:
        llm = self.model.llm
        prompt = collate([conversation(asked.lettered, [])], self.model.config.n_visual, PAD, pad_left=True)
        prompt = prompt.to(llm.device)
        cache = DynamicCache(config=llm.config)
        embedded = self.model.embed(prompt.ids, self.videos[clip : clip + 1])
        positions = (prompt.mask.cumsum(1) - 1).clamp(min=0)
        first = llm(
            inputs_embeds=embedded,
            attention_mask=prompt.mask,
            position_ids=positions,
            past_key_values=cache,
            logits_to_keep=1,
        ).logits  # [1, 1, V]
        cache.batch_repeat_interleave(N_CHOICES)
        answers = torch.tensor(asked.choices, device=llm.device)  # [C, A]
        behind = positions[:, -1:] + torch.arange(1, answers.shape[1], device=llm.device)
        mask = torch.cat([prompt.mask.expand(N_CHOICES, -1), torch.ones_like(answers[:, :-1])], 1)
        rest = llm(
            input_ids=answers[:, :-1],
            attention_mask=mask,
            position_ids=behind.expand(N_CHOICES, -1),
            past_key_values=cache,
        ).logits  # [C, A - 1, V]
        logits = torch.cat([first.expand(N_CHOICES, -1, -1), rest], 1).float()
        found: list[float] = logits.log_softmax(-1).gather(-1, answers[..., None]).sum((1, 2)).tolist()
        return found


TIMED: dict[str, Callable[[Ways], object]] = {
    BASELINE: Ways.generate,
    "generate_4_a_batch": Ways.generate_batch,
    "four_full_passes": Ways.full_passes,
    "cached_prefix_four_suffixes": Ways.cached_prefix,
    "choices_in_one_pass": Ways.choices_in_one_pass,
    "letters_in_one_pass": Ways.letters_in_one_pass,
    "letters_4_questions_of_a_clip": Ways.letters_of_a_clip,
    "letters_4_questions_of_2_clips": Ways.letters_of_all_clips,
    "plain_texts_4_questions_of_a_clip": Ways.names_of_a_clip,
    "plain_texts_4_questions_of_2_clips": Ways.names_of_all_clips,
}
SAME: dict[str, tuple[Callable[[Ways], Tensor], ...]] = {  # in each row the first is the plain one
    "texts": (Ways.full_passes, Ways.cached_prefix, Ways.choices_in_one_pass),
    "letters": (Ways.full_letters, Ways.letters_in_one_pass, Ways.letters_of_a_clip, Ways.letters_of_all_clips),
    "plain_texts": (Ways.full_names, Ways.names_of_a_clip, Ways.names_of_all_clips),
}


def differences(ways: Ways) -> dict[str, float]:
    """For each scored text: the largest difference to the reference method, relative to the largest log-likelihood.

    Raises:
        GymQAError: it is more than TOLERANCE.
    """
    found = {}
    for name, (plain, *others) in SAME.items():
        expected = plain(ways)
        apart = max(float((other(ways) - expected).abs().max()) for other in others)
        found[name] = apart / float(expected.abs().max())
    if not max(found.values()) < TOLERANCE:
        raise GymQAError(
            f"the ways to score the same answers differ by {found}; mend encoders/answering/shared_prefix.py first"
        )
    return found


def time_ways(ways: Ways, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round by method, in turns, after one untimed round."""
    found: dict[str, list[float]] = {name: [] for name in TIMED}
    for number in range(rounds + 1):
        for name, way in TIMED.items():
            began = time.perf_counter()
            way(ways)
            if number:
                found[name].append(time.perf_counter() - began)
    return found


def measure(size: Size, attention: str, seed: int) -> dict[str, Any]:
    """Compare all methods in float32, and time them in float32 and bf16."""
    model = size.model.build(attention, seed).eval()
    model.llm.merge_adapter()
    clips = draw_clips(size.lengths, size.model.vocabulary, size.clips, QUESTIONS, seed)
    videos = torch.randn(size.clips, size.model.n_visual, size.model.visual_dim)
    found: dict[str, Any] = {"differences": differences(Ways(model, clips, videos))}
    for name, dtype in DTYPES.items():
        seconds = time_ways(Ways(model.to(dtype), clips, videos), size.rounds)
        medians = {way: median(times) for way, times in seconds.items()}
        found[name] = {
            "ratios": {way: round(medians[BASELINE] / one, 2) for way, one in medians.items()},
            "questions_per_second": {way: round(size.clips * QUESTIONS / one, 3) for way, one in medians.items()},
            "seconds": seconds,
        }
        console.print(f"{name}: {found[name]['ratios']}", highlight=False)
    return found


def main(
    json: Path | None = None, quick: bool = False, rounds: int | None = None, attention: str = "eager", seed: int = 0
) -> None:
    """Time answering by generation, full passes and shared prefixes, in questions a second.

    Args:
        json: file of the figures.
        quick: a tiny model, in seconds, to see that everything runs; its times mean nothing.
        rounds: times that every way is timed.
        attention: transformers' implementation of it, for all ways; eager is what `load_llm` chooses on a CPU.
        seed: of weights and questions.
    """
    size = QUICK if quick else FULL
    size = replace(size, rounds=size.rounds if rounds is None else rounds)
    if size.rounds < 1:
        raise GymQAError(f"{size.rounds} rounds time nothing; give 1 or more")
    figures = measure(size, attention, seed)
    if json is not None:
        tokens = {"visual": size.model.n_visual, "text": size.lengths.lettered, "new": NEW_TOKENS}
        about = {"quick": quick, "baseline": BASELINE, "size": asdict(size), "tokens": tokens, "attention": attention}
        machine = {"threads": torch.get_num_threads(), "vectors": torch.backends.cpu.get_cpu_capability()}
        write_json(json, {**figures, **about, **machine, "environment": environment(seed)})
    for way in TIMED:
        speeds = "  ".join(
            f"{name} {figures[name]['questions_per_second'][way]:>9.2f}/s ×{figures[name]['ratios'][way]:<6}"
            for name in DTYPES
        )
        print(f"{way:<36} {speeds}")


def _joined(rows: Sequence[Sequence[EncodedChat]]) -> list[EncodedChat]:
    return [*chain(*rows)]


if __name__ == "__main__":
    sys.exit(run_script(main, "answering_speed.py"))
