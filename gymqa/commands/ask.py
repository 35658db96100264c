"""`gymqa ask`: one question about one video."""

import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gymqa.annotations import open_release
from gymqa.errors import GymQAError
from gymqa.questions import LETTERS, Answer, Question
from gymqa.taxonomy import Taxonomy
from gymqa.video import Frames, decode, square

if TYPE_CHECKING:
    from torch import Tensor

ENCODER, MODEL, RELEASE = "recognizers/sefar", "mllm/sefar", "release"  # where `gymqa demo` leaves them


def ask(
    video: Path,
    question: str,
    run: Path = Path("runs/demo"),
    encoder: Path | None = None,
    model: Path | None = None,
    finegym: Path | None = None,
    setting: str | None = None,
    scoring: str = "letters",
    json: bool = False,
    *,
    choices: list[str],
) -> None:
    """Print how probable each choice is as the answer to a question about a video.

    Args:
        video: any video file; its frames are taken to show one move.
        question: as "What gymnastics move is this athlete performing?".
        run: folder of `gymqa demo`, whose SeFAR encoder and language model answer.
        encoder: folder of `gymqa train`, instead of the run's.
        model: folder of `gymqa finetune` with that encoder, instead of the run's.
        finegym: folder of annotation files; with it, every choice must be the name of an element in them.
        setting: gym99, gym288, …; may be left out where the release has only one.
        scoring: letters (likelihood of A, B, …) or texts (likelihood of each choice's text).
        json: print JSON.
        choices: two or more texts, all different.
    """
    from gymqa.demo import MAX_FRAMES  # imports torch, which --help does not need

    asked = make_question(video, question, choices)
    frames = decode(video, max_frames=MAX_FRAMES)
    check_names(choices, finegym, setting, run)
    answer = _answer(asked, frames, encoder or run / ENCODER, model or run / MODEL, scoring)
    probabilities = answer.probabilities or ()
    if json:
        named = dict(zip(choices, probabilities, strict=True))
        print(json_module.dumps({"answer": choices[answer.choice or 0], "probabilities": named}, indent=2))
        return
    for place, (choice, probability) in enumerate(zip(choices, probabilities, strict=True)):
        print(f"{LETTERS[place]}  {probability:.3f}  {choice}{'  <' if place == answer.choice else ''}")


def make_question(video: Path, text: str, choices: Sequence[str]) -> Question:
    """Return a question whose answer nobody knows: the first choice stands in for it, and is never looked at.

    Raises:
        GymQAError: fewer than two choices, or two that are equal.
    """
    labels, name = tuple(range(len(choices))), f"about {video}"
    return Question(name, video.stem, video.stem, text, tuple(choices), 0, "random", "random", labels, "", 0, 0)


def check_names(choices: Sequence[str], finegym: Path | None, setting: str | None, run: Path) -> None:
    """Check that the choices are elements: of `finegym` where it is given, else with a mere warning those of the run.

    Raises:
        GymQAError: a choice that is no element of `finegym`; the closest names are given.
    """
    if finegym is not None:
        taxonomy = open_release(finegym, setting).taxonomy
        for choice in choices:
            if not taxonomy.named(choice):
                taxonomy.find(choice)
    elif (run / RELEASE).is_dir():
        _warn(choices, open_release(run / RELEASE).taxonomy)


def _warn(choices: Sequence[str], taxonomy: Taxonomy) -> None:
    """Say which choices the run's model has never learned about."""
    strange = [choice for choice in choices if not taxonomy.named(choice)]
    if strange:
        names = ", ".join(map(repr, strange))
        print(f"gymqa: the model never saw {names}; expect little (gymqa list elements)", file=sys.stderr)


@dataclass(frozen=True)
class _OneVideo:
    """A feature store of one video."""

    tokens: "Tensor"  # [1, N, D]

    def __contains__(self, key: str) -> bool:
        return True

    def get(self, keys: Sequence[str]) -> "Tensor":
        """Return the video's tokens for every key: [len(keys), N, D]."""
        return self.tokens.expand(len(keys), -1, -1)


def _answer(asked: Question, frames: Frames, encoder_folder: Path, folder: Path, scoring: str) -> Answer:
    """Encode the video and let the language model answer.

    Raises:
        GymQAError: a folder is missing, or the model was tuned with another encoder.
    """
    for path in (encoder_folder, folder):
        if not path.is_dir():
            raise GymQAError(f"{path} does not exist; run gymqa demo first, or name --encoder and --model")
    import torch

    from encoders.answering import MLLMAnswerer
    from encoders.mllm import GymMLLM
    from encoders.sefar import SeFAREncoder
    from gymqa.demo import SIZE

    encoder, model = SeFAREncoder(encoder_folder), GymMLLM.from_pretrained(folder)
    if model.config.encoder.get("weights") not in (None, encoder.fingerprint()["weights"]):
        raise GymQAError(f"{folder} was tuned with another encoder than {encoder_folder}; give --encoder that one")
    chosen = square(frames[encoder.frame_indices(len(frames), None)], SIZE)
    tokens = encoder.encode(torch.from_numpy(chosen).unsqueeze(0))  # [1, N, D]
    return MLLMAnswerer(model, model.load_tokenizer(), _OneVideo(tokens), scoring).answer([asked])[0]


COMMAND = ask
