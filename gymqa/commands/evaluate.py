"""`gymqa evaluate`: a model answers every question."""

from pathlib import Path

from encoders.answering import MLLMAnswerer
from encoders.features import FeatureStore
from encoders.mllm import GymMLLM
from eval.adapters.recognizer import RecognizerAnswerer
from eval.metrics import read_class_predictions
from eval.protocol import AnswerModel
from eval.runner import run
from gymqa.devices import choose_device
from gymqa.errors import GymQAError
from gymqa.questions import load_questions


def evaluate(
    model: Path,
    out: Path = Path("runs/predictions.jsonl"),
    features: Path | None = None,
    name: str | None = None,
    encoder: str = "",
    scoring: str = "texts",
    batch_size: int = 64,
    device: str = "cpu",
    *,
    questions: Path,
) -> None:
    """Ask a model every question of a file; answers are kept as they come.

    Stopped, the same command goes on with the questions still open. A clip that cannot be seen is left unanswered,
    and counts as wrong.

    Args:
        model: folder of `gymqa finetune`, or the .jsonl of `gymqa predict`, which answers by its class probabilities.
        out: file to write, one JSON object a line.
        features: folder of `gymqa extract`, of the encoder that the model was tuned with; not for a blind model.
        name: of the model in the leaderboard; by default its file or folder.
        encoder: name of the encoder in the leaderboard.
        scoring: texts (likelihood of each choice) or letters (likelihood of A, B, …; faster, less often right here).
        batch_size: questions at a time.
        device: cpu, cuda, cuda:1, …
        questions: .jsonl of `gymqa questions build`.
    """
    name = name or model.stem
    if model.suffix == ".jsonl":
        answerer: AnswerModel = recognizer_answerer(name, model)
    else:
        answerer = mllm_answerer(name, model, features, scoring, batch_size, device)
    settings = {"encoder": encoder, "scoring": scoring}
    predictions = run(answerer, load_questions(questions), out, batch_size, settings)
    right = sum(prediction.choice == prediction.answer for prediction in predictions)
    unanswered = sum(prediction.choice is None for prediction in predictions)
    print(f"{out}: {right} of {len(predictions)} right, {unanswered} unanswered")


def recognizer_answerer(name: str, predictions: Path) -> RecognizerAnswerer:
    """Return a recognizer that answers from its saved class probabilities."""
    found = read_class_predictions(predictions)
    return RecognizerAnswerer(name, found.by_clip(), found.errors)


def mllm_answerer(
    name: str, folder: Path, features: Path | None, scoring: str, batch_size: int, device: str
) -> MLLMAnswerer:
    """Return a tuned language model that answers from a feature store.

    Raises:
        GymQAError: a missing folder, or features of another encoder than the model was tuned with.
    """
    if not folder.is_dir():
        raise GymQAError(f"{folder} is neither a folder of `gymqa finetune` nor a .jsonl of `gymqa predict`")
    model = GymMLLM.from_pretrained(folder)
    store = FeatureStore(features) if features is not None and not model.config.blind else None
    if store is not None and model.config.encoder not in ({}, store.fingerprint):
        raise GymQAError(f"{features} holds another encoder's features than {folder} was tuned with; give that one's")
    tokenizer = model.load_tokenizer()
    return MLLMAnswerer(model.to(choose_device(device)), tokenizer, store, scoring, batch_size, name=name)


COMMAND = evaluate
