"""`gymqa finetune`: a language model learns to read a video encoder's features."""

import json as json_module
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoders.features.extract import FeatureStore
from encoders.tuning.clips import PseudoLabel, TuningMaterial, pseudo_labels, read_probabilities
from encoders.tuning.config import FinetuneSettings
from encoders.tuning.finetune import finetune as tune
from encoders.tuning.memory_plan import PlanSettings, as_json, make_plan, table
from encoders.tuning.setup import tune_for_epochs
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, open_release, read_element_list

_MEMORY = PlanSettings()


def finetune(
    features: Path,
    out: Path = Path("runs/mllm"),
    llm: str | None = None,
    blind: bool = False,
    setting: str | None = None,
    encoder: str | None = None,
    epochs: float = 0.0,
    alignment_epochs: float = 0.0,
    warm_up_share: float = 0.0,
    pseudo: Path | None = None,
    unlabelled: Path | None = None,
    plan: bool = False,
    json: bool = False,
    *,
    clips: Path,
    finegym: Path,
    tuning: FinetuneSettings,
    memory: PlanSettings = _MEMORY,
) -> None:
    """Tune projector and LoRA adapters on questions about labelled clips; language model and encoder stay frozen.

    Stopped, the same command goes on from the last checkpoint. Several processes: accelerate launch
    scripts/finetune_mllm.py with these options.

        gymqa finetune --config recipes/mllm_sefar_b_vicuna7b_gymqa99_5.yaml            a column of a paper's table
        gymqa finetune --config recipes/mllm_sefar_b_vicuna7b_gymqa99_5.yaml --plan     the memory it takes

    Args:
        features: folder of `gymqa extract`.
        out: folder of the tuned model.
        llm: takes the place of tuning.llm: tiny-vicuna, a name on the Hub (lmsys/vicuna-7b-v1.5), or a local folder.
        blind: leave the video out of every prompt, for the baseline that knows the questions only.
        setting: gym99, gym288, …; may be left out where the release has only one.
        encoder: kind of encoder that the features must be of (sefar, clip, …); features of another are refused.
        epochs: passes over the clips in the second stage, instead of tuning.steps; 0 keeps those.
        alignment_epochs: passes in the first stage, instead of tuning.alignment.steps; 0 keeps those.
        warm_up_share: share of the steps over which the learning rates rise, instead of tuning.warmup; 0 keeps that.
        pseudo: file of `gymqa predict` on the unlabelled clips; the sure ones are learned from, each with its weight
            (see tuning.pseudo_threshold).
        unlabelled: list of those clips, such as unlabelled.txt of `gymqa split`; labels in it are not read.
        plan: print how much memory the tuning takes on several machines, and stop; loads neither weights nor data.
        json: with --plan, print JSON.
        clips: element list of the labelled clips, such as labelled.txt of `gymqa split`.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        tuning: everything else.
        memory: what --plan reckons with.
    """
    tuning = replace(tuning, llm=llm or tuning.llm, blind=blind or tuning.blind)
    if plan:
        rows = make_plan(tuning, memory)
        print(json_module.dumps(as_json(rows), indent=2) if json else table(rows))
        return
    _require_inputs(finegym, clips, features, pseudo, unlabelled)
    taxonomy = open_release(finegym, setting).taxonomy
    labelled = read_element_list(clips, len(taxonomy))
    store = FeatureStore(features)
    _require_encoder(store, encoder)
    guessed = _guessed(pseudo, unlabelled, labelled, len(taxonomy), tuning.pseudo_threshold)
    if epochs or alignment_epochs or warm_up_share:
        usable = TuningMaterial(store, tuple(labelled), taxonomy, tuple(guessed)).with_features(tuning.views)
        clips_used = len(usable.labelled) + len(usable.pseudo)
        tuning = tune_for_epochs(tuning, epochs, alignment_epochs, warm_up_share, clips_used)
    tune(store, labelled, taxonomy, tuning, out, guessed)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{out}: {tuning.llm}, {tuning.steps} steps")


def _require_inputs(finegym: Path, clips: Path, features: Path, pseudo: Path | None, unlabelled: Path | None) -> None:
    """Refuse to begin where an input is not there; the sentence names what makes it."""
    makers = {
        "finegym": (finegym, f"gymqa finegym download --out {finegym}"),
        "clips": (clips, f"gymqa split {finegym} --out {clips.parent}"),
        "features": (features, f"gymqa extract … --out {features}"),
        "pseudo": (pseudo, f"gymqa predict … --out {pseudo}"),
        "unlabelled": (unlabelled, f"gymqa split {finegym}"),
    }
    for option, (path, maker) in makers.items():
        if path is not None and not path.exists():
            raise GymQAError(f"{path} is not there; make it with `{maker}`, or name another with --{option}")


def _require_encoder(store: FeatureStore, encoder: str | None) -> None:
    """Refuse features of another encoder than the one that was asked for."""
    found = store.fingerprint.get("encoder")
    if encoder is not None and found != encoder:
        raise GymQAError(
            f"{store.folder} holds features of the encoder {found}, not of {encoder}; name the folder of {encoder}'s, "
            "or change --encoder"
        )


def _guessed(
    predictions: Path | None, unlabelled: Path | None, labelled: Sequence[Clip], n_classes: int, threshold: float
) -> list[PseudoLabel]:
    """The pseudo-labelled clips that were asked for; their number is said."""
    if predictions is None and unlabelled is None:
        return []
    if predictions is None or unlabelled is None:
        raise GymQAError(
            "pseudo-labels need --pseudo, a file of gymqa predict, and --unlabelled, the list of its clips"
        )
    hidden = read_element_list(unlabelled)
    found = pseudo_labels(read_probabilities(predictions, n_classes), hidden, labelled, threshold)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{len(found)} of {len(hidden)} unlabelled clips have a pseudo-label of weight {threshold:g} or more")
    return found


COMMAND = finetune
