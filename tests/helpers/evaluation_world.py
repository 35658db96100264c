"""A world small enough to evaluate in: moving clips of six elements, questions, a recognizer, and language models.

Nothing is trained; the answers are worth nothing, but they depend on every frame.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from encoders.features.extract import extract
from encoders.mllm.config import GymMLLMConfig
from encoders.mllm.model import GymMLLM
from encoders.video.sefar import SeFAREncoder
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import write_video
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import load_questions, save_questions
from recognizers.backbones.sefar import SeFAR
from tests.helpers.mllm_examples import clips, shake, taxonomy
from tests.helpers.tiny_vlms import save_tiny
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
    def vlm(self) -> Path:
        """A tiny LLaVA, as a folder of transformers."""
        return self.root / "tiny-llava"

    @property
    def questions(self) -> Path:
        return self.root / "questions"

    @property
    def alike(self) -> Path:
        """Questions of one element, whose clips have no other to be mismatched with."""
        return self.root / "alike.jsonl"


def make_world(root: Path) -> None:
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
    shake(GymMLLM(config)).save_pretrained(world.mllm)
    for benchmark in ("gym-qa", "gym-qa-hard"):
        asked = build_questions(clips()[::2], taxonomy(), benchmark, 1)
        save_questions(world.questions / f"{benchmark}.jsonl", asked)
    asked = load_questions(world.questions / "gym-qa.jsonl")
    save_questions(world.alike, [one for one in asked if one.element == asked[0].element])
    save_tiny("llava", world.vlm)
