"""`gymqa ask`: one question about one video."""

import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.frames.video import Frames, decode, square
from gymqa.io.files import read_json
from gymqa.questions.attributes import SALTOS_TEXT, TEXTS, TURNS_TEXT
from gymqa.questions.schema import LETTERS, Answer, Question

if TYPE_CHECKING:
    from torch import Tensor

ENCODER, MODEL = "recognizers/sefar", "mllm/sefar"  # where `gymqa demo` leaves them


def ask(
    video: Path,
    question: str,
    run: Path = Path("runs/demo"),
    encoder: str | None = None,
    model: Path | None = None,
    finegym: Path | None = None,
    setting: str | None = None,
    scoring: str = "texts",
    json: bool = False,
    *,
    choices: list[str],
) -> None:
    """Print how probable each choice is as the answer to a question about a video.

    Every choice must be the name of an element that the model was tuned on (or of `finegym`), unless they are yes and
    no or the question is one of `gymqa questions build` that asks for something else. A model that does not say what
    it was tuned on takes any text: there is no list that a name could be wrong by, and the elements of another
    release would be the wrong one.

    Args:
        video: any video file; its frames are taken to show one move.
        question: as "What gymnastics move is this athlete performing?".
        run: folder of `gymqa demo`, whose SeFAR encoder and language model answer.
        encoder: what `gymqa extract` was given: folder of `gymqa train`, or kind:source; instead of the run's.
        model: folder of `gymqa finetune` with that encoder, instead of the run's.
        finegym: folder of annotation files, whose elements the choices must be instead of the model's.
        setting: gym99, gym288, …; may be left out where the release has only one.
        scoring: texts (likelihood of each choice) or letters (likelihood of A, B, …; faster, less often right here).
        json: print JSON.
        choices: two or more texts, all different.
    """
    asked, folder = make_question(video, question, choices), model or run / MODEL
    tuned = _Tuned.read(folder) if (folder / "config.json").is_file() else None
    frames = decode(video, max_frames=tuned.max_frames if tuned else 1)  # before a model that is not there is missed
    known = open_release(finegym, setting).taxonomy if finegym is not None else tuned and tuned.taxonomy
    if known:
        check_names(asked, known)
    if tuned is None:
        raise GymQAError(f"{folder / 'config.json'} does not exist; run gymqa demo first, or name --model")
    answer = _answer(asked, frames, tuned, encoder, str(run / ENCODER), scoring)
    if json:
        named = dict(zip(choices, answer.probabilities or [None] * len(choices), strict=True))
        chosen = None if answer.choice is None else choices[answer.choice]
        print(json_module.dumps({"answer": chosen, "probabilities": named}, indent=2))
        return
    for place, (choice, probability) in enumerate(zip(choices, answer.probabilities or (), strict=False)):
        print(f"{LETTERS[place]}  {probability:.3f}  {choice}{'  <' if place == answer.choice else ''}")
    if answer.choice is None:
        print(f"unanswered: {answer.error}")


def make_question(video: Path, text: str, choices: Sequence[str]) -> Question:
    """Return a question whose answer nobody knows: the first choice stands in for it, and is never looked at.

    Raises:
        GymQAError: fewer than two choices, or two that are equal.
    """
    labels, name = tuple(range(len(choices))), f"about {video}"
    return Question(name, video.stem, video.stem, text, tuple(choices), 0, "random", "random", labels, "", 0, 0)


def check_names(asked: Question, taxonomy: Taxonomy) -> None:
    """Check that the choices are elements, unless the question asks for a decision, a count, a direction or a shape.

    Raises:
        GymQAError: a choice that is no element; the closest names are given.
    """
    asks_attribute = asked.text in (TURNS_TEXT, SALTOS_TEXT, *TEXTS.values())
    if asks_attribute or {choice.casefold() for choice in asked.choices} <= {"yes", "no"}:
        return
    for choice in asked.choices:
        if not taxonomy.named(choice):
            taxonomy.find(choice)


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
    import torch

    from encoders.answering.answerer import MLLMAnswerer
    from encoders.mllm.model import GymMLLM
    from encoders.video.base import modality_of
    from encoders.video.registry import create_encoder, options_of, own_source, parse

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
        raise GymQAError(f"{tuned.folder} was tuned with another encoder than {spec}; give --encoder that one")
    chosen = square(frames[seeing.frame_indices(len(frames), None)], tuned.size)
    tokens = seeing.encode(torch.from_numpy(chosen).unsqueeze(0))  # [1, N, D]
    model = GymMLLM.from_pretrained(tuned.folder)
    return MLLMAnswerer(model, model.load_tokenizer(), _OneVideo(tokens), scoring).answer([asked])[0]


COMMAND = ask
