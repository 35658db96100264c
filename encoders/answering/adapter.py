"""Evaluation adapter `gymqa`: load a tuned multimodal model for `gymqa evaluate` (own file: one adapter a file)."""

from pathlib import Path

from encoders.answering.answerer import MLLMAnswerer
from encoders.answering.controlled_features import check_controls, features_under, without_video
from encoders.features.store import load_frame_indices
from encoders.mllm.files import read_config
from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import Turn, render, with_video
from encoders.tuning.config import SCORINGS
from eval.adapters.provenance import Provenance
from eval.adapters.registry import config_folder
from eval.adapters.request import Loaded, Request, scoring_name
from eval.run.prompts import CHOICES, TEXT
from eval.run.protocol import AnswerModel
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO
from gymqa.hub.client import names_a_repo, split_revision
from gymqa.questions.scoring import require_scoring
from gymqa.runtime.devices import choose_device


def load(request: Request) -> Loaded:
    """Load a model of `gymqa finetune`, from a folder or the Hub.

    Raises:
        GymQAError: no such model, an unknown scoring, or features of another encoder.
    """
    require_scoring("gymqa", request.scoring, SCORINGS)
    folder, (repo, revision) = Path(request.model), split_revision(request.model)
    if not folder.is_dir() and not names_a_repo(repo):
        raise GymQAError(f"{folder} is neither a folder of `gymqa finetune` nor one's name on the Hub; check --model")
    check_controls(request, read_config(config_folder(request.model)))
    model = GymMLLM.from_pretrained(folder if folder.is_dir() else repo, revision=revision)
    tokenizer = model.load_tokenizer()
    weights = model.fingerprint()["tuned"][:12]  # from the Hub or a folder, the same weights are the same revision
    model.to(choose_device(request.device))
    scoring, by_token = request.scoring or "texts", bool(request.options.length_normalised)

    def under(control: str) -> AnswerModel:
        blind = model.config.blind or control == NO_VIDEO
        asked = without_video(model) if blind else model
        store = None if blind else features_under(control, request, model.config.encoder)
        answerer = MLLMAnswerer(asked, tokenizer, store, scoring, request.batch_size, by_token, request.name)
        shown = {} if store is None else load_frame_indices(store.folder)
        return Provenance(answerer, weights, shown, answerer.prompt)

    text = CHOICES if scoring == "letters" else TEXT
    prompt = render([Turn(text if model.config.blind else with_video(text))])
    parameters = model.llm.num_parameters() + sum(one.numel() for one in model.projector.parameters())
    return Loaded(under, scoring_name(scoring, by_token), revision, None, parameters, prompt)
