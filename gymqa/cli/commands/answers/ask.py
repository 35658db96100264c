"""`gymqa ask`: answer a multiple-choice question about one video file with a tuned language model."""

import json as json_module
from collections.abc import Sequence
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.frames.video import decode
from gymqa.questions.attributes import SALTOS_TEXT, TEXTS, TURNS_TEXT
from gymqa.questions.schema import LETTERS, Question

ENCODER, MODEL = "recognizers/sefar", "mllm/sefar"  # paths in the run folder of `gymqa demo`


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
    """Print the probability of each choice as the answer to a question about a video.

    Every choice must be the name of an element that the model was tuned on (or of `finegym`), unless the choices are
    yes and no or the question is one of `gymqa questions build` that asks for something else. A model that does not
    record its elements accepts any text.

    Args:
        video: video file of a single element.
        question: the question, such as "What gymnastics move is this athlete performing?".
        run: folder of `gymqa demo`, whose SeFAR encoder and language model answer.
        encoder: what `gymqa extract` was given: folder of `gymqa train`, kind:source, or package.module:function;
            instead of the run's.
        model: folder of `gymqa finetune` with that encoder, instead of the run's.
        finegym: folder of annotation files; the choices must be elements of it instead of the model's.
        setting: gym99, gym288, …; may be omitted if the release has only one.
        scoring: texts (likelihood of each choice) or letters (likelihood of A, B, …; faster, but less accurate here).
        json: print JSON.
        choices: two or more different texts.
    """
    from encoders.answering.one_video import TunedFolder, answer_video  # --help need not wait for torch

    asked_question, folder = make_question(video, question, choices), model or run / MODEL
    tuned = TunedFolder.read(folder) if (folder / "config.json").is_file() else None
    frames = decode(video, max_frames=tuned.max_frames if tuned else 1)  # a wrong video is reported first
    known = open_release(finegym, setting).taxonomy if finegym is not None else tuned and tuned.taxonomy
    if known:
        check_names(asked_question, known)
    if tuned is None:
        raise GymQAError(f"{folder / 'config.json'} does not exist; run gymqa demo first, or name --model")
    answer = answer_video(asked_question, frames, tuned, encoder, str(run / ENCODER), scoring)
    if json:
        named = dict(zip(choices, answer.probabilities or [None] * len(choices), strict=True))
        chosen = None if answer.choice is None else choices[answer.choice]
        print(json_module.dumps({"answer": chosen, "probabilities": named}, indent=2))
        return
    for index, (choice, probability) in enumerate(zip(choices, answer.probabilities or (), strict=False)):
        print(f"{LETTERS[index]}  {probability:.3f}  {choice}{'  <' if index == answer.choice else ''}")
    if answer.choice is None:
        print(f"unanswered: {answer.error}")


def make_question(video: Path, text: str, choices: Sequence[str]) -> Question:
    """Build a Question without a known answer: the first choice stands in for it, and that is never used.

    Raises:
        GymQAError: there are fewer than two choices, or two are equal.
    """
    labels, name = tuple(range(len(choices))), f"about {video}"
    return Question(name, video.stem, video.stem, text, tuple(choices), 0, "random", "random", labels, "", 0, 0)


def check_names(asked_question: Question, taxonomy: Taxonomy) -> None:
    """Check that the choices are elements, unless the question asks for a decision, a count, a direction or a shape.

    Raises:
        GymQAError: a choice is not an element; the message gives the closest names.
    """
    asks_attribute = asked_question.text in (TURNS_TEXT, SALTOS_TEXT, *TEXTS.values())
    if asks_attribute or {choice.casefold() for choice in asked_question.choices} <= {"yes", "no"}:
        return
    for choice in asked_question.choices:
        if not taxonomy.named(choice):
            taxonomy.find(choice)


COMMAND = ask
