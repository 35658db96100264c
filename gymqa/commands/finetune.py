"""`gymqa finetune`: a language model learns to read a video encoder's features."""

from dataclasses import replace
from pathlib import Path

from encoders.config import FinetuneSettings
from encoders.features import FeatureStore
from encoders.finetune import finetune as tune
from gymqa.annotations import open_release, read_element_list
from gymqa.runs import Run


def finetune(
    features: Path,
    out: Path = Path("runs/mllm"),
    llm: str | None = None,
    blind: bool = False,
    setting: str | None = None,
    *,
    clips: Path,
    finegym: Path,
    tuning: FinetuneSettings,
) -> None:
    """Tune projector and LoRA adapters on questions about labelled clips; language model and encoder stay frozen.

    Stopped, the same command goes on from the last checkpoint.

    Args:
        features: folder of `gymqa extract`.
        out: folder of the tuned model.
        llm: takes the place of tuning.llm: tiny-vicuna, a name on the Hub (lmsys/vicuna-7b-v1.5), or a local folder.
        blind: leave the video out of every prompt, for the baseline that knows the questions only.
        setting: gym99, gym288, …; may be left out where the release has only one.
        clips: element list of the labelled clips, such as labelled.txt of `gymqa split`.
        finegym: folder of FineGym's (or GymSim's) annotation files.
        tuning: everything else.
    """
    tuning = replace(tuning, llm=llm or tuning.llm, blind=blind or tuning.blind)
    taxonomy = open_release(finegym, setting).taxonomy
    store = FeatureStore(features)
    tune(store, read_element_list(clips, len(taxonomy)), taxonomy, tuning, out)
    run = Run(out, tuning, tuning.seed)  # after tuning, which refuses a folder of other settings
    run.log(f"{out}: {tuning.llm}, {tuning.steps} steps")


COMMAND = finetune
