"""`gymqa finetune`: tune a projector and LoRA adapters of a language model on video features and questions."""

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

    An interrupted run resumes from its last checkpoint with the same command. For several processes run accelerate
    launch scripts/finetune_mllm.py with these options.

        gymqa finetune --config recipes/mllm_sefar_b_vicuna7b_gymqa99_5.yaml            a column of a paper's table
        gymqa finetune --config recipes/mllm_sefar_b_vicuna7b_gymqa99_5.yaml --plan     the memory it takes

    Args:
        features: folder of `gymqa extract`.
        out: folder of the tuned model.
        llm: language model instead of tuning.llm: tiny-vicuna, smollm2, a name on the Hub (lmsys/vicuna-7b-v1.5), or a
            local folder.
        blind: omit the video from every prompt, for the question-only baseline.
        setting: gym99, gym288, …; may be omitted if the release has only one.
        encoder: kind of encoder that the features must be of (sefar, clip, …, package.module:function of your own);
            features of another are refused.
        epochs: passes over the clips in the second stage, instead of tuning.steps; 0 uses tuning.steps.
        alignment_epochs: passes in the first stage, instead of tuning.alignment.steps; 0 uses those steps.
        warm_up_share: fraction of the steps for learning-rate warm-up, instead of tuning.warmup; 0 uses tuning.warmup.
        pseudo: file of `gymqa predict` on the unlabelled clips; confident ones become pseudo-labelled training clips,
            weighted by confidence (see tuning.pseudo_threshold).
        unlabelled: list of these clips, such as unlabelled.txt of `gymqa split`; labels in it are ignored.
        plan: print the memory that tuning needs on several machines, and exit; loads neither weights nor data.
        json: with --plan, print JSON.
        clips: element list of the labelled clips, such as labelled.txt of `gymqa split`.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        tuning: all other settings of the tuning.
        memory: settings of --plan.
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
    pseudo_labelled = _pseudo_labelled(pseudo, unlabelled, labelled, len(taxonomy), tuning.pseudo_threshold)
    if epochs or alignment_epochs or warm_up_share:
        usable = TuningMaterial(store, tuple(labelled), taxonomy, tuple(pseudo_labelled)).with_features(tuning.views)
        clips_used = len(usable.labelled) + len(usable.pseudo)
        tuning = tune_for_epochs(tuning, epochs, alignment_epochs, warm_up_share, clips_used)
    tune(store, labelled, taxonomy, tuning, out, pseudo_labelled)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{out}: {tuning.llm}, {tuning.steps} steps")


def _require_inputs(finegym: Path, clips: Path, features: Path, pseudo: Path | None, unlabelled: Path | None) -> None:
    """Check that the inputs exist; the message names the command that creates a missing one."""
    makers = {
        "finegym": (finegym, f"gymqa finegym download --out {finegym}"),
        "clips": (clips, f"gymqa split {finegym} --out {clips.parent}"),
        "features": (features, f"gymqa extract … --out {features}"),
        "pseudo": (pseudo, f"gymqa predict … --out {pseudo}"),
        "unlabelled": (unlabelled, f"gymqa split {finegym}"),
    }
    for option, (path, maker) in makers.items():
        if path is not None and not path.exists():
            raise GymQAError(f"{path} does not exist; create it with `{maker}`, or name another with --{option}")


def _require_encoder(store: FeatureStore, encoder: str | None) -> None:
    """Check that the features are those of the requested encoder."""
    found = store.fingerprint.get("encoder")
    if encoder is not None and found != encoder:
        raise GymQAError(
            f"{store.folder} holds features of the encoder {found}, not of {encoder}; name the folder of {encoder}'s, "
            "or change --encoder"
        )


def _pseudo_labelled(
    predictions: Path | None, unlabelled: Path | None, labelled: Sequence[Clip], n_classes: int, threshold: float
) -> list[PseudoLabel]:
    """The pseudo-labelled clips, if requested; prints their number."""
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
