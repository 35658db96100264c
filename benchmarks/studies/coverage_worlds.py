"""Worlds with known truth for `statistics_check.py`: means and class metrics of unequal videos, equal models."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit, ndtr, ndtri, softmax
from scipy.stats import gamma

from eval.metrics.recognition import ClassPredictions, mean_average_precision, mean_class, recognition_intervals
from eval.stats.bootstrap import FloatArray, IntArray, mean_ends
from eval.stats.comparison import compare_all
from gymqa.finegym.annotations import read_element_list

Counts = Sequence[int] | IntArray
Worlds = dict[str, dict[str, tuple[float, float]]]
ACCURACIES = (0.5, 0.8, 0.9, 0.97, 0.99)
CLASSES = 8


def other_worlds(
    rng: np.random.Generator, repeats: int, resamples: int, element_list: Path | None
) -> dict[str, Worlds]:
    """Coverage of means and of class metrics, and the error of all decisions on equal models, by kind and world.

    Args:
        rng: of the data.
        repeats: data sets of ten equal models; more of means, fewer of what is slow.
        resamples: splits of each sign-flip test (at least).
        element_list: FineGym's, whose clips per video are a world, too.

    Returns:
        Each statement's mean and standard error.
    """
    sizes = video_sizes(element_list)
    means = {
        f"{name} videos, {world}, accuracy {truth}": mean_coverage(rng, world, truth, of, 10 * repeats)
        for name, of in sizes.items()
        for world in ("normal", "beta")
        for truth in ACCURACIES
    }
    classes = {
        f"{name} videos, margin {margin}": class_coverage(rng, margin, sizes[name], max(2, 2 * repeats // 5))
        for name in ("65 even", "15 unequal", "5")
        for margin in (1.0, 2.5, 4.0)
    }
    decisions = {
        f"{models} equal models": {
            "any_wrong_decision": mean_and_error(family_error(rng, models, sizes["65 even"], resamples, n))
        }
        for models, n in ((10, repeats), (25, max(2, 3 * repeats // 10)))
    }
    return {"coverage of means": means, "coverage of class metrics": classes, "decisions": decisions}


def video_sizes(element_list: Path | None) -> dict[str, Counts]:
    """Questions per video of each world; with a list of FineGym's, its clips per video are one of them.

    "65 skewed" has about as many questions, and they are about as unequal, as FineGym's Gym99 val clips:
    quantiles of a gamma distribution of shape 1.2, Kish's effective number of videos is 36 (of Gym99's, 35).
    """
    worlds: dict[str, Counts] = {
        "65 skewed": np.ceil(gamma.ppf((np.arange(65) + 0.5) / 65, 1.2, scale=110)).astype(np.int64),
        "65 even": [10] * 65,
        "15 unequal": [5, 8, 12, 18, 25, 30, 36, 42, 48, 55, 60, 66, 74, 80, 91],
        "5": [20, 40, 55, 60, 75],
        "3": [40, 70, 90],
        "2": [50, 70],
    }
    if element_list is None:
        return worlds
    clips = Counter(clip.video_id for clip in read_element_list(element_list))
    return {f"{len(clips)} of {element_list.name}": sorted(clips.values()), **worlds}


def mean_coverage(
    rng: np.random.Generator, world: str, truth: float, sizes: Counts, repeats: int
) -> dict[str, tuple[float, float]]:
    """How often the interval of a mean holds the truth, and its length, each with its standard error.

    The videos' own accuracies have mean `truth`: "normal" ones are normal on the probit scale, with a fifth of the
    variance of an answer; "beta" ones are beta-distributed with an intraclass correlation of 0.1, so that at high
    accuracy few videos have nearly all errors.
    """
    shape = (len(sizes), repeats)
    if world == "normal":
        chance = ndtr((ndtri(truth) - np.sqrt(0.2) * rng.normal(size=shape)) / np.sqrt(0.8))
    else:
        chance = rng.beta(9 * truth, 9 * (1 - truth), size=shape)
    counts = np.repeat(np.asarray(sizes, dtype=np.float64)[:, None], repeats, axis=1)  # [G, r]
    right = rng.binomial(counts.astype(np.int64), chance).astype(np.float64)  # [G, r]
    low, high = mean_ends(right, right.sum(axis=0), counts)
    return {"holds": mean_and_error((low <= truth) & (truth <= high)), "length": mean_and_error(high - low)}


def classified(rng: np.random.Generator, sizes: Counts, margin: float) -> ClassPredictions:
    """Class probabilities of clips whose videos shift the scores of all classes, and differ in how hard they are."""
    video = np.repeat(np.arange(len(sizes)), sizes)
    labels = rng.integers(0, CLASSES, len(video))
    scores = np.sqrt(0.8) * rng.normal(size=(len(video), CLASSES))
    scores += np.sqrt(0.2) * rng.normal(size=(len(sizes), CLASSES))[video]
    scores[np.arange(len(video)), labels] += margin + 0.5 * np.sin(labels) + 0.5 * rng.normal(size=len(sizes))[video]
    names = tuple(f"v{one:05}" for one in video)
    clips = tuple(f"c{number}" for number in range(len(video)))
    return ClassPredictions(clips, names, labels, softmax(2 * scores, axis=1), {})


def class_coverage(
    rng: np.random.Generator, margin: float, sizes: Counts, repeats: int
) -> dict[str, tuple[float, float]]:
    """How often the intervals of mean-class accuracy and mAP hold the value of 3,000 videos; and these values."""
    everything = classified(rng, [10] * 3000, margin)
    truth = {"mean_class": mean_class(everything), "mAP": mean_average_precision(everything)}
    held: Mapping[str, list[bool]] = {name: [] for name in truth}
    for _ in range(repeats):
        found = recognition_intervals(classified(rng, sizes, margin))
        for name, value in truth.items():
            held[name].append(found[name].low <= value <= found[name].high)
    shares = {f"{name} holds": mean_and_error(np.array(one)) for name, one in held.items()}
    return shares | {name: (round(value, 4), 0.0) for name, value in truth.items()}


def equal_models(rng: np.random.Generator, models: int, sizes: Counts) -> tuple[dict[str, FloatArray], list[str]]:
    """Scores of equally good models [n], and the questions' videos; questions are hard, videos each model's own."""
    video = np.repeat(np.arange(len(sizes)), sizes)
    hard, own = rng.normal(size=len(video)), 0.8 * rng.normal(size=(models, len(sizes)))
    right = rng.random((models, len(video))) < expit(0.4 + hard + own[:, video])
    return {f"m{index}": one.astype(np.float64) for index, one in enumerate(right)}, [f"v{one}" for one in video]


def family_error(rng: np.random.Generator, models: int, sizes: Counts, resamples: int, repeats: int) -> FloatArray:
    """Whether any of equally good models is called better than another, of each data set; float [repeats]."""
    data = (equal_models(rng, models, sizes) for _ in range(repeats))
    return np.array([any(one.better for one in compare_all(*each, resamples)) for each in data], dtype=np.float64)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error, rounded."""
    return round(float(values.mean()), 4), round(float(values.std() / np.sqrt(len(values))), 4)
