"""A tuning small enough for a test: a feature store on a rendered release, its lists, and settings of seconds."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from encoders.features.extract import FeatureStore
from encoders.llm.lora import LoRASettings
from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from gymqa.finegym.annotations import Clip, open_release, write_element_list
from gymqa.runtime.runs import resolved
from tests.helpers.mllm_examples import tiny_llm
from tests.helpers.places import ROOT

SCRIPT = str(ROOT / "scripts" / "finetune_mllm.py")
SMALL = FinetuneSettings(
    llm=tiny_llm(),
    steps=6,
    batch_size=8,
    precision="float32",
    checkpoint_every=2,
    warmup=2,
    projector="mlp2",
    feature_noise=0.0,
    lora=LoRASettings(r=4),
    alignment=AlignmentSettings(method="captions", steps=4, batch_size=8, learning_rate=1e-3, noise=0.0),
)


@dataclass(frozen=True)
class TuningWorld:
    """A release, a store of its clips' features, and lists of clips."""

    release: Path
    store: Path
    labelled: Path
    unlabelled: Path
    predictions: Path

    def recipe(self, folder: Path, settings: FinetuneSettings, **options: object) -> Path:
        """A recipe of these settings, written into a folder."""
        values = {
            "features": str(self.store),
            "clips": str(self.labelled),
            "finegym": str(self.release),
            "tuning": resolved(settings),
            **options,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
        return folder / "recipe.yaml"

    @property
    def pseudo(self) -> dict[str, object]:
        """The options that add the pseudo-labelled clips."""
        return {"pseudo": str(self.predictions), "unlabelled": str(self.unlabelled)}


def make_tuning_world(release: Path, folder: Path) -> TuningWorld:
    """24 labelled clips, 12 without a label of which a recognizer is more or less sure, and features of all."""
    opened = open_release(release)
    clips = opened.read_clips(opened.train_list)
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(len(opened.taxonomy), 3, 16, generator=generator)
    store = FeatureStore.create_or_open(folder / "store", {"encoder": "example"}, 3, 16)
    tokens = [codes[clip.label or 0] + 0.1 * torch.randn(3, 16, generator=generator) for clip in clips]
    store.add([clip.id for clip in clips], torch.stack(tokens))
    labelled, hidden = clips[:24], clips[24:36]
    write_element_list(folder / "labelled.txt", labelled)
    write_element_list(folder / "unlabelled.txt", [replace(clip, label=None) for clip in hidden])
    write_predictions(folder / "predictions.jsonl", hidden, len(opened.taxonomy))
    return TuningWorld(
        release, folder / "store", folder / "labelled.txt", folder / "unlabelled.txt", folder / "predictions.jsonl"
    )


def write_predictions(path: Path, clips: list[Clip], classes: int) -> None:
    """A file as `gymqa predict` writes it: the right class at 0.5, 0.6, … 0.9, 0.5, …; the labels unknown."""
    lines = []
    for number, clip in enumerate(clips):
        sure = 0.5 + 0.1 * (number % 5)
        row = [(1 - sure) / (classes - 1)] * classes
        row[clip.label or 0] = sure
        lines.append(json.dumps({"clip_id": clip.id, "label": None, "probabilities": row}))
    path.write_text("\n".join(lines) + "\n")


def tuned(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a tuned model."""
    return {**load_file(folder / "adapter_model.safetensors"), **load_file(folder / "projector.safetensors")}


def same(a: Path, b: Path) -> bool:
    """Whether two tuned models are bit for bit the same."""
    mine, other = tuned(a), tuned(b)
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)
