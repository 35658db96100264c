"""Time a tuning step of the language model with stored features and with the encoder in the loop: see `--help`.

A random Llama with LoRA takes the same step on the same clips, with visual tokens read from a feature store, computed
by a straightforward SeFAR-S, or by ours in bf16. Decoding is excluded: frames are in memory. The sources are timed in
turns; ratios are of medians, against the store.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import torch
from bench_ssl_step import disturb
from random_mllm import Lengths, MLLMSize, conversation, draw_clips
from reference_ssl_step import ReferenceSeFAR
from torch import Tensor

from encoders.features.extract import FeatureStore
from encoders.mllm.collate import collate
from encoders.mllm.model import GymMLLM
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment
from recognizers.backbones.sefar import SeFAR, SeFARConfig, sefar_s
from recognizers.ssl.augment import to_model

BATCH, PAD, STORE = 2, 0, "feature_store"
TOLERANCE = 1e-4  # largest difference of the float32 tokens, relative to the largest one
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Size:
    """Encoder, language model, lengths of the text, and number of timed rounds."""

    encoder: SeFARConfig
    model: MLLMSize
    lengths: Lengths
    rounds: int


FULL = Size(sefar_s(), MLLMSize(640, 1984, 12, 10, 32_000, 7, 256), Lengths(system=36, question=41, name=15), 9)
QUICK = Size(
    SeFARConfig(image_size=16, patch_size=8, dim=16, depth=2, heads=2, fusion_dim=8),
    MLLMSize(32, 64, 2, 4, 200, 7, 8),
    Lengths(system=5, question=4, name=3),
    2,
)


def plain_tokens(encoder: ReferenceSeFAR, frames: Tensor) -> Tensor:
    """Elements, pairs and fused of clips [B, N, 3, S, S], element after element, everything written out: [B, 7, F]."""
    features, first = [], 0
    for size in encoder.elements:
        features.append(encoder.backbone(frames[:, first : first + size], first))
        first += size
    pairs = [encoder.fusion.pair(torch.cat(both, -1)) for both in combinations(features, 2)]
    return torch.stack([*map(encoder.fusion.single, features), *pairs, encoder.fusion(features)], 1)


class Sources:
    """Sources of a batch's visual tokens [BATCH, N, D].

    Args:
        folder: an empty one, for the feature store.

    Raises:
        GymQAError: the straightforward encoder and ours do not agree in float32.
    """

    def __init__(self, size: Size, folder: Path, seed: int) -> None:
        torch.manual_seed(seed)
        self.encoder = SeFAR(size.encoder).eval().requires_grad_(False)
        disturb(self.encoder, seed)
        self.plain = ReferenceSeFAR(size.encoder).eval().requires_grad_(False)
        self.plain.load_state_dict(self.encoder.state_dict())
        side = size.encoder.image_size
        self.frames = torch.randint(0, 256, (BATCH, size.encoder.frames, side, side, 3), dtype=torch.uint8)
        tokens, expected = self.ours(torch.float32), self.straightforward()
        self.difference = float((tokens - expected).abs().max() / expected.abs().max())
        if not self.difference < TOLERANCE:
            raise GymQAError(f"the two encoders' tokens differ by {self.difference}; mend recognizers/ first")
        self.keys = [f"clip{index}" for index in range(BATCH)]
        self.store = FeatureStore.create_or_open(folder, {"encoder": "random"}, *tokens.shape[1:])
        self.store.add(self.keys, tokens)

    def stored(self) -> Tensor:
        """Read from the store."""
        return self.store.get(self.keys)

    @torch.inference_mode()
    def straightforward(self) -> Tensor:
        """Computed in float32, an element at a time, attention written out."""
        return plain_tokens(self.plain, to_model(self.frames, self.frames.shape[2]))

    @torch.inference_mode()
    def ours(self, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        """Computed by our recognizer."""
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return self.encoder.forward_features(to_model(self.frames, self.frames.shape[2])).tokens.float()

    def all(self) -> dict[str, Callable[[], Tensor]]:
        """Every source by name; the first is the baseline."""
        return {STORE: self.stored, "straightforward_encoder": self.straightforward, "bf16_encoder": self.ours}


class Step:
    """A tuning step on one batch of questions: projector and adapters, AdamW, frozen language model.

    Args:
        model: of the size.
        dtype: of the computation.
        batch: conversations.
        share_prefix: encode the system prompt once, which a model with gradient checkpointing cannot.
    """

    def __init__(
        self, model: GymMLLM, size: MLLMSize, lengths: Lengths, dtype: torch.dtype, seed: int,
        batch: int = BATCH, share_prefix: bool = True,
    ) -> None:  # fmt: skip
        self.model, self.dtype = model, dtype
        trainable = [one for one in model.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=1e-4)
        clips = draw_clips(lengths, size.vocabulary, batch, 1, seed)
        chats = [conversation(asked[0].lettered, asked[0].choices[0]) for asked in clips]
        self.batch = collate(chats, size.n_visual, PAD, share_prefix=share_prefix).to(model.device)

    def __call__(self, tokens: Callable[[], Tensor]) -> float:
        """Get the tokens and take one step; returns its loss."""
        self.model.train()
        batch = self.batch
        videos = tokens().clone().to(batch.ids.device)  # what inference mode made may not be trained on
        with torch.autocast(batch.ids.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out = self.model(batch.ids, batch.mask, videos, batch.labels, batch.prefix)
        loss: Tensor = out.loss
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


def time_steps(step: Step, sources: Sources, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round's steps by source, in turns, after one untimed round."""
    ways = {name: partial(step, tokens) for name, tokens in sources.all().items()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number:
                found[name].append(time.perf_counter() - began)
    return found


def measure(size: Size, seed: int) -> dict[str, Any]:
    """Compare the encoders, and time the steps of a language model in float32 and in bf16 autocast."""
    with tempfile.TemporaryDirectory() as folder:
        sources = Sources(size, Path(folder), seed)
        found: dict[str, Any] = {"difference": sources.difference}
        for name, dtype in PRECISIONS.items():
            model = size.model.build("eager", seed)  # as gymqa tunes on a CPU, see `load_llm`
            step = Step(model, size.model, size.lengths, dtype, seed)
            seconds = time_steps(step, sources, size.rounds)
            medians = {way: median(times) for way, times in seconds.items()}
            slower = {way: round(one / medians[STORE], 2) for way, one in medians.items()}
            parameters = sum(one.numel() for one in step.model.parameters())
            found |= {"parameters": parameters, name: {"times_as_long": slower, "seconds": seconds}}
            console.print(f"{name}: {slower}", highlight=False)
    return found


def main(json: Path | None = None, quick: bool = False, rounds: int | None = None, seed: int = 0) -> None:
    """Time tuning with features from a store against tuning with the encoder in the loop.

    Args:
        json: file of the figures.
        quick: tiny models, in seconds, to see that everything runs; their times mean nothing.
        rounds: times that every way is timed.
        seed: of weights, frames and questions.
    """
    size = QUICK if quick else FULL
    size = replace(size, rounds=size.rounds if rounds is None else rounds)
    if size.rounds < 1:
        raise GymQAError(f"{size.rounds} rounds time nothing; give 1 or more")
    figures = measure(size, seed)
    if json is not None:
        about = {"quick": quick, "baseline": STORE, "batch": BATCH, "size": asdict(size)}
        machine = {"threads": torch.get_num_threads(), "vectors": torch.backends.cpu.get_cpu_capability()}
        write_json(json, {**figures, **about, **machine, "environment": environment(seed)})
    for way in figures["float32"]["seconds"]:
        speeds = (f"{name} LLM {median(figures[name]['seconds'][way]):.3f} s a step, "
                  f"×{figures[name]['times_as_long'][way]}" for name in PRECISIONS)  # fmt: skip
        print(f"{way:<24} {'   '.join(speeds)}")


if __name__ == "__main__":
    sys.exit(run_script(main, "finetuning_speed.py"))
