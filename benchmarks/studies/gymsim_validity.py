"""Validity study: FineGym's findings reproduced on GymSim, with plots: `python benchmarks/studies/gymsim_validity.py`.

Table 5 and section 4 of FineGym (CVPR'20): an event shows in one frame, an element does not; accuracy rises with the
number of frames; their order matters; motion says more about elements than about events.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from validity_inputs import Examples, frame_features, read_examples, segments
from validity_models import IntArray, cnn_right, right, train_cnn, train_head
from validity_plots import draw_plots

from eval.stats.bootstrap import mean_interval
from gymqa.cli.main import run_script
from gymqa.finegym.annotations import open_release
from gymqa.frames.cache import FrameCache
from gymqa.io.files import read_json, write_json
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run
from gymqa.sim.release import FORMAT, ReleaseConfig, render_release

RESULT = Path("benchmarks/results/gymsim_validity.json")
FRAMES = (1, 3, 5, 7, 12)
ORDERS = ("ordered", "shuffled", "reversed")


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the study.

    Attributes:
        release: the videos.
        seeds: of the heads on frame features.
        epochs: of the networks from scratch.
    """

    release: ReleaseConfig = field(
        default_factory=lambda: ReleaseConfig(
            train_videos=90, val_videos=30, raw_videos=0, size=96, seed=0, setting="gymsim99"
        )
    )
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 30


@dataclass(frozen=True)
class Features:
    """Frame features of one part: [N, T, D], how many of the T are real [N], and the labels."""

    values: torch.Tensor
    lengths: IntArray
    examples: Examples


def main(
    out: Path = Path("runs/validity"),
    json: Path = RESULT,
    plots: Path = Path("docs/gymsim"),
    workers: int | None = None,
    *,
    study: StudyConfig = StudyConfig(),
) -> None:
    """Render, train, measure and draw; a stopped study goes on with the same command.

    Args:
        out: folder of the run.
        json: file of the figures.
        plots: folder of the plots.
        workers: processes that render and compute flow; one for each core when not given.
        study: what is rendered and trained.
    """
    run = Run(out, study, study.release.seed, precision=choose_precision("auto", "cpu"))
    _inputs(run, study, workers)
    heads = {"seeds": list(study.seeds)}
    run.step("frames-study", heads, ["frames.json"], partial(_frames_study, run, study), ["features"])
    for name in ("rgb", "flow"):
        work = partial(_stream_study, run, study, name)
        run.step(f"{name}-study", {"epochs": study.epochs}, [f"{name}.json"], work, ["segments"])
    figures = {
        **read_json(run.folder / "frames.json"),
        "streams": _streams(run, _examples(run, "val")),
        "release": {**asdict(study.release), "format": FORMAT},
        "environment": run.environment,
    }
    write_json(json, figures)
    draw_plots(figures, plots)
    print({name: figures[name] for name in ("one_frame", "frames", "orders")})
    print(figures["streams"])


def _inputs(run: Run, study: StudyConfig, workers: int | None) -> None:
    """Videos, cached frames, their features, segments and flow."""
    release, folder = run.folder / "release", run.folder
    rendered = {**asdict(study.release), "format": FORMAT}
    render = partial(render_release, release, study.release, workers)
    run.step("render", rendered, ["release"], lambda: _nothing(render()))
    ids = [clip for part in ("train", "val") for clip in _examples(run, part).ids]
    path_of = open_release(release).clip_path
    cache = partial(FrameCache.build, folder / "frames", ids, path_of, 48, 32, workers)
    run.step("frames", {"size": 48}, ["frames"], lambda: _nothing(cache()), ["render"])
    features = lambda: frame_features(FrameCache(folder / "frames"), ids, folder / "features.npy")  # noqa: E731
    run.step("features", {}, ["features.npy"], features, ["frames"])
    files = folder / "rgb.npy", folder / "flow.npy"
    cut = partial(segments, open_release(release), ids, *files, workers or torch.get_num_threads())
    run.step("segments", {}, ["rgb.npy", "flow.npy"], cut, ["render"])


def _nothing(_: object) -> None:
    return None


def _examples(run: Run, part: str) -> Examples:
    return read_examples(open_release(run.folder / "release"), part)


def _features(run: Run) -> tuple[Features, Features]:
    """Features of the training and the val clips."""
    parts = _examples(run, "train"), _examples(run, "val")
    cache, values = FrameCache(run.folder / "frames"), torch.from_numpy(np.load(run.folder / "features.npy"))
    first = len(parts[0].ids)
    return (
        Features(values[:first], cache.lengths(parts[0].ids), parts[0]),
        Features(values[first:], cache.lengths(parts[1].ids), parts[1]),
    )


def _frames_study(run: Run, study: StudyConfig) -> None:
    """Events and elements from one frame; elements against the number of frames, and against their order."""
    train, val = _features(run)
    twins = _has_twin(run)[val.examples.elements]
    points: dict[str, list[NDArray[np.bool_]]] = {}
    for seed in study.seeds:
        for name, correct in _one_seed(train, val, seed).items():
            points.setdefault(name, []).append(correct)
    summary = {name: _top1(values, val.examples.videos) for name, values in points.items()}
    turned = {order: float(np.mean([p[twins] for p in points[f"trn {order}"]])) for order in ORDERS}
    figures = {
        "one_frame": {name: summary[f"{name} from one frame"] for name in ("event", "element")},
        "frames": {str(n): summary[f"{n} frames"] for n in FRAMES},
        "orders": {order: summary[f"trn {order}"] for order in ORDERS} | {"tsn_shuffled": summary["tsn shuffled"]},
        "orders_of_elements_with_a_twin": turned,
        "train_clips": len(train.lengths),
        "val_clips": len(val.lengths),
        "elements": int(val.examples.elements.max()) + 1,
    }
    write_json(run.folder / "frames.json", figures)


def _one_seed(train: Features, val: Features, seed: int) -> dict[str, NDArray[np.bool_]]:
    """Train every head with a seed; which val clips are right, by head."""
    rng = np.random.default_rng(seed)
    elements, events = (torch.from_numpy(x) for x in (train.examples.elements, train.examples.events))
    truth, places = torch.from_numpy(val.examples.elements), torch.from_numpy(val.examples.events)
    found: dict[str, NDArray[np.bool_]] = {}

    def seen(count: int, kind: str = "ordered") -> IntArray:
        order = np.tile(np.arange(count), (len(truth), 1))
        return {"ordered": order, "reversed": order[:, ::-1], "shuffled": rng.permuted(order, axis=1)}[kind]

    one = train_head("tsn", train.values, events, train.lengths, 1, seed)
    found["event from one frame"] = right(one, val.values, places, val.lengths, seen(1))
    for count in FRAMES:
        head = train_head("tsn", train.values, elements, train.lengths, count, seed)
        found[f"{count} frames"] = right(head, val.values, truth, val.lengths, seen(count))
    found["element from one frame"] = found["1 frames"]
    found["tsn shuffled"] = right(head, val.values, truth, val.lengths, seen(FRAMES[-1], "shuffled"))
    ordered = train_head("trn", train.values, elements, train.lengths, FRAMES[-1], seed)
    for kind in ORDERS:
        found[f"trn {kind}"] = right(ordered, val.values, truth, val.lengths, seen(FRAMES[-1], kind))
    return found


def _has_twin(run: Run) -> NDArray[np.bool_]:
    """Whether an element, by label, has another that differs in direction only."""
    taxonomy = open_release(run.folder / "release").taxonomy
    return np.array([taxonomy.twin(label) is not None for label in range(len(taxonomy))])


def _top1(points: Sequence[NDArray[np.bool_]], videos: Sequence[str]) -> dict[str, float]:
    """Mean over the seeds with its interval (clustered by video), and the seeds' standard deviation if several."""
    interval = mean_interval(np.mean(points, axis=0), videos)
    found = {"top1": interval.value, "ci_low": interval.low, "ci_high": interval.high}
    if len(points) > 1:
        found["seeds_sd"] = float(np.std([values.mean() for values in points], ddof=1))
    return found


def _stream_study(run: Run, study: StudyConfig, name: str) -> None:
    """Train the small network from scratch on RGB or flow and say which val clips it gets right."""
    train, val = _examples(run, "train"), _examples(run, "val")
    inputs, first = np.load(run.folder / f"{name}.npy", mmap_mode="r"), len(train.ids)
    model = train_cnn(inputs[:first], train.elements, train.events, name == "flow", study.release.seed, study.epochs)
    write_json(run.folder / f"{name}.json", cnn_right(model, inputs[first:], val.elements, val.events))


def _streams(run: Run, val: Examples) -> dict[str, Any]:
    """Top-1 of both streams at both levels, and flow's lead over RGB with its paired interval."""
    points: Mapping[str, Mapping[str, list[bool]]] = {n: read_json(run.folder / f"{n}.json") for n in ("rgb", "flow")}
    figures: dict[str, Any] = {}
    for level in ("event", "element"):
        rgb, flow = (np.array(points[name][level], float) for name in ("rgb", "flow"))
        half = mean_interval((1 + flow - rgb) / 2, val.videos)  # intervals are of numbers in [0, 1]
        lead = {"mean": 2 * half.value - 1, "ci_low": 2 * half.low - 1, "ci_high": 2 * half.high - 1}
        figures[level] = {
            "rgb": _top1([rgb > 0], val.videos),
            "flow": _top1([flow > 0], val.videos),
            "flow_minus_rgb": lead,
        }
    return figures


if __name__ == "__main__":
    sys.exit(run_script(main, "gymsim_validity.py"))
