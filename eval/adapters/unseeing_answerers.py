"""Answers that need no model: written down by people or a script, or following from a rule."""

from pathlib import Path

from eval.adapters import baselines
from eval.adapters.answerers import Request
from eval.adapters.human import Human
from eval.adapters.prior import Prior
from eval.adapters.scripted import Scripted
from eval.run.protocol import AnswerModel
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.hub.question_dataset import question_files
from gymqa.questions.schema import Question, load_questions


def make(adapter: str, request: Request) -> AnswerModel:
    """One of scripted, human, prior, chance, oracle-event and oracle-set.

    Raises:
        GymQAError: the file it needs is not named, missing or wrong.
    """
    options = request.options
    if adapter == "scripted":
        return Scripted.read(request.name, request.model)
    if adapter == "human":
        return Human.read(request.name, Path(request.model), options.annotator)
    if adapter == "prior":
        return Prior(request.name, training_questions(options.training))
    if adapter == "chance":
        return baselines.chance()
    if options.finegym is None:
        raise GymQAError(f"the adapter {adapter} needs the annotation files that it knows; give --options.finegym")
    taxonomy = open_release(options.finegym, options.setting).taxonomy
    return baselines.oracle_event(taxonomy) if adapter == "oracle-event" else baselines.oracle_set(taxonomy)


def training_questions(path: Path | None) -> list[Question]:
    """The questions of a file, or of all files below a folder.

    Raises:
        GymQAError: none was named, or a file is missing or wrong.
    """
    if path is None:
        raise GymQAError("the adapter prior needs training questions; name them with --options.training")
    return [question for file in question_files(path) for question in load_questions(file)]
