"""SeFAR against supervised training over seeds: `python benchmarks/studies/recognition_seeds.py --run runs/demo`.

Each seed draws another labelled part of the demo's training clips and trains both models for the same number of steps;
both are tested on the demo's val clips (unseen athletes and halls).
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from eval.metrics.recognition import read_class_predictions
from eval.stats.bootstrap import mean_interval
from gymqa.cli.commands.models.predict import predict
from gymqa.cli.demo import ALGORITHMS, DemoConfig
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.finegym.splits import make_splits
from gymqa.frames.cache import FrameCache
from gymqa.io.files import read_json, write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import environment
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.train import train

RESULT = Path("benchmarks/results/recognition_seeds.json")


def top1_points(run: Path, out: Path, seed: int) -> dict[str, tuple[list[float], list[str]]]:
    """Train both models with `seed`; 1 or 0 for each val clip, and the clips' videos, by algorithm."""
    release, demo = open_release(run / "release"), DemoConfig()
    lists = {part: release.annotations / f"{release.taxonomy.setting}_{part}_element.txt" for part in ("train", "val")}
    train_clips, val_clips = (read_element_list(lists[part]) for part in ("train", "val"))
    splits = make_splits(train_clips, val_clips, demo.labelled_fraction, seed)
    folder, cache, points = out / f"seed-{seed}", FrameCache(run / "frames"), {}
    splits.write(folder / "splits")
    for algorithm in ALGORITHMS:
        config = replace(demo.training, algorithm=algorithm_named(algorithm), seed=seed)
        own = run / "recognizers" if seed == demo.seed else folder  # the demo has trained with its seed
        model = train(config, cache, splits, own / algorithm)
        found = folder / f"{algorithm}.jsonl"
        predict(model, run / "frames", found, clips=folder / "splits" / "val.txt")
        read = read_class_predictions(found)
        points[algorithm] = ((read.predicted == read.labels).astype(float).tolist(), list(read.video_ids))
    return points


def main(
    run: Path = Path("runs/demo"),
    out: Path = Path("runs/seeds"),
    seeds: tuple[int, ...] = (1, 2, 3),
    json: Path = RESULT,
) -> None:
    """Train both models with every seed and write the figures.

    Args:
        run: a finished `gymqa demo`, for its videos and frame cache.
        out: folder of the models; a stopped study goes on from there.
        seeds: of the labelled clips and the trainings.
        json: file of the figures.
    """
    if not (run / "frames").is_dir():
        raise GymQAError(f"{run} holds no finished demo; run gymqa demo first")
    device = choose_device()
    by_seed = [top1_points(run, out, seed) for seed in seeds]
    videos = by_seed[0][ALGORITHMS[0]][1]
    mean = {name: np.mean([points[name][0] for points in by_seed], axis=0) for name in ALGORITHMS}
    half = mean_interval((1 + mean["sefar"] - mean["supervised"]) / 2, videos)  # intervals are of numbers in [0, 1]
    difference = {"mean": 2 * half.value - 1, "ci_low": 2 * half.low - 1, "ci_high": 2 * half.high - 1}
    figures = {
        "top1": {name: [float(np.mean(points[name][0])) for points in by_seed] for name in ALGORITHMS},
        "mean": {name: float(values.mean()) for name, values in mean.items()},
        "standard_deviation": {
            name: float(np.std([np.mean(points[name][0]) for points in by_seed], ddof=1)) for name in ALGORITHMS
        },
        "sefar_minus_supervised": difference,
        "seeds": list(seeds),
        "val_clips": len(videos),
        "val_videos": len(set(videos)),
        "release": read_json(run / "release" / "release.json"),
        "environment": environment(None, device, choose_precision(DemoConfig().training.precision, device)),
    }
    write_json(json, figures)
    print({key: figures[key] for key in ("top1", "mean", "sefar_minus_supervised")})


if __name__ == "__main__":
    sys.exit(run_script(main, "recognition_seeds.py"))
