"""One question with choices about one video file, answered by our model: what `gymqa ask` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from encoders.answering.answerer import MLLMAnswerer
from encoders.mllm.model import GymMLLM
from encoders.video.base import modality_of
from encoders.video.factory import create_encoder
from encoders.video.registry import options_of, own_source, parse
from gymqa.errors import GymQAError
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.frames.video import Frames, square
from gymqa.io.files import read_json
from gymqa.questions.schema import Answer, Question

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Tuned:
    """What a tuned model's folder says of itself: its elements, and the frames that its features were made of."""

    folder: Path
    encoder: Mapping[str, Any]  # fingerprint of the features
    size: int
    max_frames: int
    taxonomy: Taxonomy | None

    @classmethod
    def read(cls, folder: Path) -> "_Tuned":
        """Read the folder's config.json.

        Raises:
            GymQAError: it is not that of a tuned model, or does not say which features the model was tuned on.
        """
        config = read_json(folder / "config.json")
        try:
            encoder, named = dict(config["encoder"]), config.get("elements") or []
            elements = [
                Element(label, label, 0, event, name, shown, ()) for label, (event, name, shown) in enumerate(named)
            ]
            taxonomy = Taxonomy(config.get("setting") or "the model", tuple(elements), ()) if elements else None
            return cls(folder, encoder, int(encoder["size"]), int(encoder["max_frames"]), taxonomy)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise GymQAError(
                f"{folder} does not say which features its model was tuned on; give a folder of `gymqa finetune`"
            ) from error


@dataclass(frozen=True)
class _OneVideo:
    """The features of one video, whatever clip is asked for."""

    tokens: "Tensor"  # [1, N, D]
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return True

    def keys(self) -> Sequence[str]:
        """Return no clip of its own."""
        return ()

    def get(self, keys: Sequence[str]) -> "Tensor":
        """Return the video's tokens for every key: [len(keys), N, D]."""
        return self.tokens.expand(len(keys), -1, -1)


def _answer(
    asked: Question, frames: Frames, tuned: _Tuned, encoder: str | None, recognizer: str, scoring: str
) -> Answer:
    """Encode the video as the features were that the model was tuned on, and let the language model answer.

    Without a named encoder it is the model's, where its kind says which weights to take, else the recognizer.

    Raises:
        GymQAError: there is no such encoder, it does not see colours, or the model was tuned with another.
    """

    spec = encoder or own_source(str(tuned.encoder.get("encoder"))) or recognizer
    kind, source = parse(spec)
    if kind == "sefar" and not Path(source).is_dir():
        raise GymQAError(f"{source} does not exist; run gymqa demo first, or name --encoder")
    seeing = create_encoder(spec, options_of(kind, tuned.encoder))
    if modality_of(seeing) != "rgb":
        raise GymQAError(
            f"{spec} sees {modality_of(seeing)}, which `gymqa ask` does not compute; name an --encoder of colours"
        )
    made = seeing.fingerprint()
    if {name: tuned.encoder.get(name) for name in made} != made:
        own = tuned.encoder.get("encoder")
        raise GymQAError(f"{tuned.folder} was tuned with the encoder {own}, other than {spec}; give --encoder that one")
    chosen = square(frames[seeing.frame_indices(len(frames), None)], tuned.size)
    tokens = seeing.encode(torch.from_numpy(chosen).unsqueeze(0))  # [1, N, D]
    model = GymMLLM.from_pretrained(tuned.folder)
    return MLLMAnswerer(model, model.load_tokenizer(), _OneVideo(tokens), scoring).answer([asked])[0]
