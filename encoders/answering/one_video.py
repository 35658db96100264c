"""Answer to one multiple-choice question about one video file, without a feature store (`gymqa ask`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from encoders.answering.answerer import MLLMAnswerer
from encoders.mllm.files import read_config
from encoders.mllm.model import GymMLLM
from encoders.video.base import modality_of
from encoders.video.factory import create_encoder
from encoders.video.registry import default_spec, options_of, parse
from gymqa.errors import GymQAError
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.frames.video import Frames, square
from gymqa.questions.schema import Answer, Question

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TunedFolder:
    """Metadata of a tuned model's folder: fingerprint and frame size of its features, and its elements."""

    folder: Path
    encoder: Mapping[str, Any]  # fingerprint of the features
    size: int
    max_frames: int
    taxonomy: Taxonomy | None

    @classmethod
    def read(cls, folder: Path) -> "TunedFolder":
        """Read the folder's config.json.

        Raises:
            GymQAError: it is not that of a tuned model, or does not name the features the model was tuned on.
        """
        config = read_config(folder)
        elements = [
            Element(label, label, 0, event, name, shown, ())
            for label, (event, name, shown) in enumerate(config.elements)
        ]
        taxonomy = Taxonomy(config.setting or "the model", tuple(elements), ()) if elements else None
        try:
            encoder = dict(config.encoder)
            return cls(folder, encoder, int(encoder["size"]), int(encoder["max_frames"]), taxonomy)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise GymQAError(
                f"{folder} does not say which features its model was tuned on; give a folder of `gymqa finetune`"
            ) from error


@dataclass(frozen=True)
class SingleVideoFeatures:
    """Features (see `encoders.video.base`) that return one video's tokens for every clip id."""

    tokens: "Tensor"  # [1, N, D]
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return True

    def keys(self) -> Sequence[str]:
        """Return no keys."""
        return ()

    def get(self, keys: Sequence[str]) -> "Tensor":
        """Return the video's tokens for every key: [len(keys), N, D]."""
        return self.tokens.expand(len(keys), -1, -1)


def answer_video(
    asked: Question, frames: Frames, tuned: TunedFolder, encoder: str | None, recognizer: str, scoring: str
) -> Answer:
    """Encode the video as the features the model was tuned on, and answer with the language model.

    Without a named encoder the model's is used if its kind has default weights, else the recognizer.

    Raises:
        GymQAError: no such encoder, one that does not take RGB, or not the one the model was tuned with.
    """

    spec = encoder or default_spec(str(tuned.encoder.get("encoder"))) or recognizer
    kind, source = parse(spec)
    if kind == "sefar" and not Path(source).is_dir():
        raise GymQAError(f"{source} does not exist; run gymqa demo first, or name --encoder")
    video_encoder = create_encoder(spec, options_of(kind, tuned.encoder))
    if modality_of(video_encoder) != "rgb":
        raise GymQAError(
            f"{spec} sees {modality_of(video_encoder)}, which `gymqa ask` does not compute; name an --encoder of rgb"
        )
    made = video_encoder.fingerprint()
    if {name: tuned.encoder.get(name) for name in made} != made:
        own = tuned.encoder.get("encoder")
        raise GymQAError(f"{tuned.folder} was tuned with the encoder {own}, other than {spec}; give --encoder that one")
    chosen = square(frames[video_encoder.frame_indices(len(frames), None)], tuned.size)
    tokens = video_encoder.encode(torch.from_numpy(chosen).unsqueeze(0))  # [1, N, D]
    model = GymMLLM.from_pretrained(tuned.folder)
    return MLLMAnswerer(model, model.load_tokenizer(), SingleVideoFeatures(tokens), scoring).answer([asked])[0]
