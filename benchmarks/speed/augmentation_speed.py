"""Time strong augmentation of clips against kornia's (needs pip install kornia).

`python benchmarks/speed/augmentation_speed.py`

Both crop, flip and apply five operations to the same clips, equal in all frames of a clip; neither perturbs time.
"""

import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from torch import Generator, Tensor

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment
from recognizers.ssl.augment import AugmentConfig, strong_view

ELEMENTS = (2, 2, 4)


def kornia_view(size: int, operations: int) -> Callable[[Tensor], Tensor]:
    """Strong views by kornia: uint8 [B, N, S', S', 3] -> float [B, N, 3, size, size] in [-1, 1].

    Its RandAugment does not support clips, so `operations` single operations are sampled for each batch.

    Raises:
        GymQAError: kornia is not installed.
    """
    try:
        from kornia import augmentation as K  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise GymQAError("kornia is not here; pip install kornia, which only this comparison needs") from error
    half = {"p": 0.5}
    changes = [
        K.RandomRotation(30.0, **half),
        K.RandomShear(17.0, **half),
        K.RandomTranslate((-0.45, 0.45), (-0.45, 0.45), **half),
        K.RandomBrightness((0.1, 1.9), **half),
        K.RandomContrast((0.1, 1.9), **half),
        K.RandomSaturation((0.1, 1.9), **half),
        K.RandomSharpness(0.9, **half),
        K.RandomPosterize((1, 4), **half),
        K.RandomSolarize(0.1, 0.1, **half),
        K.RandomInvert(**half),
        K.RandomAutoContrast(**half),
    ]
    crop = K.VideoSequential(
        K.RandomResizedCrop((size, size), scale=(0.5, 1.0)), K.RandomHorizontalFlip(), data_format="BTCHW"
    )
    change = K.VideoSequential(*changes, data_format="BTCHW", random_apply=operations)

    def view(frames: Tensor) -> Tensor:
        pixels = frames.permute(0, 1, 4, 2, 3).float() / 255
        changed: Tensor = change(crop(pixels))
        return changed * 2 - 1

    return view


def alternate(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each implementation, in turns; the first round is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: median(all_of_it[1:]) for name, all_of_it in seconds.items()}


def main(
    clips: int = 16,
    sizes: tuple[int, ...] = (48, 112, 224),
    rounds: int = 30,
    seed: int = 0,
    json: Path = Path("benchmarks/results/augmentation_speed.json"),
) -> None:
    """Time both, and write clips/s and their ratio.

    Args:
        clips: of a batch, eight frames each.
        sizes: of the views, pixels; the clips are a seventh larger.
        rounds: measured in turn.
        seed: of pixels and draws.
        json: file of the figures.
    """
    torch.manual_seed(seed)
    rng, config = Generator().manual_seed(seed), AugmentConfig()
    found = {}
    for size in sizes:
        frames = torch.randint(0, 256, (clips, sum(ELEMENTS), size * 8 // 7, size * 8 // 7, 3), dtype=torch.uint8)
        theirs = kornia_view(size, config.operations)
        ways: dict[str, Callable[[], object]] = {
            "ours": lambda: strong_view(frames, size, config, ELEMENTS, "none", rng),  # noqa: B023
            "kornia": lambda: theirs(frames),  # noqa: B023
        }
        seconds = alternate(ways, rounds)
        speeds = {name: round(clips / one, 1) for name, one in seconds.items()}
        found[str(size)] = {"clips_per_second": speeds, "ratio": round(seconds["kornia"] / seconds["ours"], 2)}
    figures = {"by_size": found, "clips": clips, "rounds": rounds, "seed": seed, "kornia": version("kornia")}
    write_json(json, figures | {"environment": environment()})
    print({size: one["ratio"] for size, one in found.items()})


if __name__ == "__main__":
    sys.exit(run_script(main, "augmentation_speed.py"))
