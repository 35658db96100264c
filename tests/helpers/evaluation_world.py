"""A world small enough to evaluate in: moving clips of six elements, a recognizer, and a language model of its tokens.

Nothing is trained; the answers are worth nothing, but they depend on every frame.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from encoders.features.extract import extract
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.video.sefar import SeFAREncoder
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import save_questions
from recognizers.backbones.sefar import SeFAR
from tests.helpers.mllm_examples import clips, taxonomy
from tests.helpers.training_world import MODEL

LOST = "V0_E_000000_000010_A_0000_0001"


@dataclass(frozen=True)
class EvaluationWorld:
    """Where everything lies; the clip LOST does not decode."""

    root: Path

    @property
    def frames(self) -> Path:
        return self.root / "frames"

    @property
    def recognizer(self) -> Path:
        return self.root / "recognizers" / "sefar"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def mllm(self) -> Path:
        return self.root / "mllm" / "sefar"

    @property
    def questions(self) -> Path:
        return self.root / "questions"


def make_world(root: Path) -> EvaluationWorld:
    world, rng = EvaluationWorld(root), np.random.default_rng(0)
    for clip in clips():
        moving = np.cumsum(rng.integers(0, 40, (12, 32, 32, 3)), 0).astype(np.uint8)
        write_video(root / "videos" / f"{clip.id}.mp4", moving)
    (root / "videos" / f"{LOST}.mp4").write_bytes(b"")
    ids = [clip.id for clip in clips()]
    cache = FrameCache.build(world.frames, ids, lambda clip: root / "videos" / f"{clip}.mp4", 16, 12, workers=1)
    torch.manual_seed(0)
    SeFAR(replace(MODEL, n_classes=6)).save_pretrained(world.recognizer)
    encoder = SeFAREncoder(world.recognizer)
    store = extract(encoder, cache, ids, world.features)
    config = GymMLLMConfig(encoder=store.fingerprint, visual_dim=store.dim, n_visual=store.n_tokens)
    mllm = GymMLLM(config)
    for name, parameter in mllm.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    mllm.save_pretrained(world.mllm)
    for benchmark in ("gym-qa", "gym-qa-hard"):
        asked = build_questions(clips()[::2], taxonomy(), benchmark, 1)
        save_questions(world.questions / f"{benchmark}.jsonl", asked)
    return world
