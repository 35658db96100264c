"""Try hf-vlm on every image-text family of transformers with a tiny random model: `python -m benchmarks.vlm_families`.

Prints docs/adapters.md's table. Of every family that a tiny model can be built of it is measured how a clip is shown,
where its times go (the same frames are shown at two frame rates: what differs holds them), how many tokens a question
with 4 frames takes, and how far scores of questions asked together are from those asked one by one. All others are
refused by hf-vlm.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.utils import is_torchvision_available

from eval.adapters.clip_frames import ClipFrames
from eval.adapters.vlm.families import family_of
from eval.adapters.vlm.hf_vlm import HfVlm
from eval.adapters.vlm.loading import LoadedVlm, load_vlm
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.controls import REVERSED, ControlledFrames
from gymqa.io.files import write_json
from gymqa.questions.schema import Question
from gymqa.runtime.runs import environment
from tests.helpers.image_vlms import IMAGE_FAMILIES
from tests.helpers.questions import question
from tests.helpers.tiny_vlms import FAMILIES, save_tiny
from tests.helpers.video_vlms import VIDEO_FAMILIES

BUILT = {**FAMILIES, **VIDEO_FAMILIES, **IMAGE_FAMILIES}
CLIPS, FRAMES, SHOWN = 3, 40, 4
RATES = (10.0, 5.0)
FAR = 1e-4  # log-probability by which a batch may differ from single questions


def make_caches(folder: Path) -> list[FrameCache]:
    """Caches of the same clips of 16:9, of which each takes its frames to be of another rate."""
    rng = np.random.default_rng(0)
    for clip in range(CLIPS):
        start = cv2.resize(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8), (128, 72))
        (folder / f"c{clip}").mkdir()
        for number in range(FRAMES):
            cv2.imwrite(str(folder / f"c{clip}" / f"{number:03d}.png"), np.roll(start, 3 * number, 1))
    clips = [f"c{clip}" for clip in range(CLIPS)]
    return [
        FrameCache.build(folder / f"at-{rate}", clips, lambda clip: folder / clip, 64, FRAMES, 1, image_fps=rate)
        for rate in RATES
    ]


def try_family(family: str, caches: Sequence[FrameCache], folder: Path) -> dict[str, Any]:
    """What hf-vlm does with a tiny model of a family."""
    if family not in BUILT:
        try:
            family_of(family, family)
        except GymQAError:
            return {"shown": "refused", "why": "not tried"}
        raise GymQAError(f"{family} is said to have been tried, and no tiny model of it can be built")
    try:
        loaded = load_vlm(str(save_tiny(family, folder / family, families=BUILT)))
        return measure(loaded, caches)
    except GymQAError as error:
        return {"shown": "refused", "why": str(error).replace(str(folder / family), family)}


def measure(loaded: LoadedVlm, caches: Sequence[FrameCache]) -> dict[str, Any]:
    """How a model is shown clips, and whether it answers the same in a batch."""
    frames = [ClipFrames(cache, SHOWN) for cache in caches]
    asked = [question(f"q{i}", (0, 1, 2)[: 2 + i % 2], 0, f"c{i % CLIPS}") for i in range(5)]
    together, alone = (HfVlm("tiny", loaded, frames[0], "texts", size).choice_logprobs(asked) for size in (8, 1))
    backward = ClipFrames(ControlledFrames(caches[0], REVERSED), SHOWN)
    turned = HfVlm("tiny", loaded, backward, "texts", 8).choice_logprobs(asked)
    slow, fast = (inputs_of(HfVlm("tiny", loaded, one, "texts"), asked[0], one) for one in frames)
    return {
        "shown": "native video" if loaded.family.as_video else "images",
        "times": where_times_are(slow, fast),
        "tokens": slow["input_ids"].shape[1],
        "batch_difference": furthest(together, alone),
        "sees_order": furthest(together, turned) > 0,
        "processor": type(loaded.processor).__name__,
    }


def furthest(some: Sequence[tuple[float, ...] | None], others: Sequence[tuple[float, ...] | None]) -> float:
    """The largest difference between log-probabilities of choices."""
    rows = zip(some, others, strict=True)
    return max(abs(a - b) for x, y in rows for a, b in zip(x or (), y or (), strict=True))


def inputs_of(model: HfVlm, asked: Question, frames: ClipFrames) -> dict[str, Any]:
    """What a model is given for one question."""
    return model._inputs([asked], [model._asked(asked)], [frames.take(asked.clip_id)])


def where_times_are(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Where the inputs of the same frames at two frame rates differ."""
    if not torch.equal(one["input_ids"], other["input_ids"]):
        return "text"
    numbers = [name for name in one if not np.array_equal(np.asarray(one[name]), np.asarray(other[name]))]
    return "positions" if numbers else "none"


def table(found: dict[str, dict[str, Any]]) -> str:
    """The families that are shown clips, and the reasons of those that are refused, as Markdown."""
    lines = ["| `model_type` | a clip is | times | tokens | batch = single to 1e-4 |", "|---|---|---|---|---|"]
    for name, one in found.items():
        if one["shown"] != "refused":
            same = "yes" if one["batch_difference"] < FAR else f"no, {one['batch_difference']:.0e}"
            lines.append(f"| {name} | {one['shown']} | {one['times']} | {one['tokens']} | {same} |")
        elif one["why"] != "not tried":
            lines.append(f"| {name} | refused: {one['why']} | | | |")
    untried = [name for name, one in found.items() if one.get("why") == "not tried"]
    return "\n".join([*lines, "", f"Refused, since they were not tried ({len(untried)}): {', '.join(untried)}."])


def main(only: list[str] | None = None, json: Path = Path("benchmarks/results/vlm_families.json")) -> None:
    """Try the families, print the table and write what it was made from.

    Args:
        only: model types to try; by default every one that transformers has an image-text-to-text class for.
        json: file of what was found.
    """
    families = only or sorted(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    with tempfile.TemporaryDirectory() as folder:
        caches = make_caches(Path(folder))
        found = {family: try_family(family, caches, Path(folder)) for family in families}
    versions = {"transformers": transformers.__version__, "torchvision": is_torchvision_available()}
    write_json(json, {"families": found, "versions": versions, "environment": environment(0)})
    print(table(found))


if __name__ == "__main__":
    sys.exit(run_script(main, "vlm_families.py"))
