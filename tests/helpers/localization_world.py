"""A release of made-up competitions for localization: annotation and features, or videos, that show what happens."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from gymqa.io.files import write_json
from gymqa.sim.elements import EVENTS
from gymqa.sim.release_files import write_annotations
from gymqa.sim.repertoire import DEMO, REPERTOIRES
from recognizers.localization.config import LocalizationConfig

FPS, DIM = 4.0, 12
TINY = LocalizationConfig(
    seconds=0.25,
    hidden=32,
    dropout=0.2,
    actionness_steps=60,
    steps=150,
    batch=4,
    learning_rate=1e-2,
    checkpoint_every=50,
)
KILLED = replace(TINY, actionness_steps=6, steps=10, checkpoint_every=2)
IDS = [f"gymsim{part}{number:04d}" for part, count in (("T", 6), ("V", 3)) for number in range(count)]
Manifest = dict[str, object]


def manifests(seed: int = 0) -> list[Manifest]:
    """Competitions of four actions on two apparatus, with three sub-actions of two elements each."""
    rng = np.random.default_rng(seed)
    repertoire = REPERTOIRES[DEMO]
    found: list[Manifest] = []
    for video_id in IDS:
        clock, events = int(rng.integers(2, 5)), []
        for event in rng.permutation([*EVENTS[:2], *EVENTS[:2]]).tolist():
            length, clips = int(rng.integers(9, 14)), []
            for number in range(3):
                label = repertoire.labels(event)[int(rng.integers(2))]
                start = length * number / 3 + rng.uniform(0.3, 0.9)
                span = [round(float(start), 2), round(float(start + rng.uniform(1.2, 2.0)), 2)]
                key = f"{int(span[0]):04d}_{int(np.ceil(span[1])):04d}"
                clip_id = f"{video_id}_E_{clock:06d}_{clock + length:06d}_A_{key}"
                clips.append({"id": clip_id, "key": key, "label": label, "timestamps": [span]})
            events.append({"event": event, "start": clock, "stop": clock + length, "clips": clips})
            clock += length + int(rng.integers(4, 8))
        found.append({"video_id": video_id, "events": events, "seconds": clock})
    return found


def write_root(root: Path, made: list[Manifest]) -> Path:
    """The annotation of made-up competitions, in FineGym's format."""
    write_annotations(root / "annotations", REPERTOIRES[DEMO], made)
    return root


def features_of(manifest: Manifest, seed: int = 0) -> torch.Tensor:
    """Features [T, DIM] that show, beside noise, the event (first four) and the element (of its label modulo eight)."""
    count = int(FPS * int(manifest["seconds"]))  # type: ignore[call-overload]
    rng = np.random.default_rng((seed, IDS.index(str(manifest["video_id"]))))
    values, seconds = rng.normal(0, 0.3, (count, DIM)), (np.arange(count) + 0.5) / FPS
    for action in manifest["events"]:  # type: ignore[attr-defined]
        inside = (action["start"] <= seconds) & (seconds < action["stop"])
        values[inside, EVENTS.index(action["event"])] += 2.0
        for clip in action["clips"]:
            ((start, end),) = clip["timestamps"]
            within = (action["start"] + start <= seconds) & (seconds < action["start"] + end)
            values[within, 4 + clip["label"] % 8] += 2.0
    return torch.from_numpy(values).half()


def write_store(folder: Path, made: list[Manifest]) -> Path:
    """A store of such features, as `extract_snippets` would leave it."""
    folder.mkdir(parents=True)
    write_json(folder / "snippets.json", {"fingerprint": {"encoder": "made up"}, "fps": FPS, "dim": DIM})
    for manifest in made:
        save_file({"features": features_of(manifest)}, folder / f"{manifest['video_id']}.safetensors")
    return folder
