"""Check coverage, error rates and power of our statistics by simulation: `benchmarks/studies/statistics_check.py`.

Simulates data sets in which questions of one video are correlated, as clips of one competition are, and counts how
often the intervals, tests, ranks and detectable differences are right; here and in the worlds of `coverage_worlds`.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from coverage_worlds import mean_and_error, other_worlds
from scipy.special import ndtri

from eval.stats.bootstrap import FloatArray, mean_interval
from eval.stats.comparison import compare_all, minimum_detectable_difference, ranges_of
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.console import progress_bar
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment

VIDEOS, QUESTIONS = 65, 650
Data = tuple[dict[str, FloatArray], list[str]]


def simulate(
    rng: np.random.Generator,
    truths: Sequence[float],
    videos: int = VIDEOS,
    questions: int = QUESTIONS,
    shared: float = 0.1,
    own: float = 0.1,
) -> Data:
    """Right and wrong answers of several models, whose true accuracies are exactly `truths`.

    An answer is right where a normal variable of variance 1 is below a threshold. Its parts: what makes a video hard
    for every model (fraction `shared` of the variance), what a video means to this model (`own`), how hard the question
    is for every model (0.3), and the rest. Videos have unequal numbers of questions, as FineGym's have.

    Returns:
        Scores of each model, 0 or 1, [n], and the video of each question, [n].
    """
    sizes = rng.multinomial(questions - videos, rng.dirichlet(np.full(videos, 2.0))) + 1
    video = np.repeat(np.arange(videos), sizes)
    common = math.sqrt(shared) * rng.normal(size=videos)[video] + math.sqrt(0.3) * rng.normal(size=questions)
    rest = math.sqrt(0.7 - shared - own)
    scores = {}
    for index, truth in enumerate(truths):
        personal = math.sqrt(own) * rng.normal(size=videos)[video] + rest * rng.normal(size=questions)
        scores[f"m{index}"] = (common + personal < ndtri(truth)).astype(np.float64)
    return scores, [f"v{one}" for one in video]


def coverage(rng: np.random.Generator, truth: float, videos: int) -> dict[str, float]:
    """Whether one data set's clustered interval holds the truth, and the one that takes questions as independent."""
    scores, names = simulate(rng, [truth], videos)
    clustered = mean_interval(scores["m0"], names)
    half = 1.96 * scores["m0"].std() / math.sqrt(len(names))
    return {
        "clustered": clustered.low <= truth <= clustered.high,
        "questions_as_independent": abs(clustered.value - truth) <= half,
    }


def false_alarms(rng: np.random.Generator, own: float, videos: int, resamples: int) -> dict[str, float]:
    """Whether the tests find a difference of two models that are equally good, and the interval misses zero."""
    scores, names = simulate(rng, [0.6, 0.6], videos, own=own)
    (found,) = compare_all(scores, names, resamples)
    return {
        "sign_flip": found.p_flip < 0.05,
        "bootstrap": found.p_bootstrap < 0.05,
        "mcnemar": float(found.p_mcnemar is not None and found.p_mcnemar < 0.05),
        "interval_misses_zero": not found.difference.low <= 0 <= found.difference.high,
    }


def ranking(rng: np.random.Generator, truths: Sequence[float], resamples: int) -> dict[str, float]:
    """Whether any decision between models is wrong, and whether all rank ranges hold the true ranks."""
    scores, names = simulate(rng, truths)
    found = compare_all(scores, names, resamples)
    truth = dict(zip(scores, truths, strict=True))
    wrong = [one for one in found if one.better and truth[one.better] <= min(truth[one.first], truth[one.second])]
    ranges = ranges_of(scores, found)
    held = [
        best <= 1 + sum(other > truth[name] for other in truths)
        and worst >= len(truths) - sum(other < truth[name] for other in truths)
        for name, (best, worst) in ranges.items()
    ]
    return {"any_wrong_decision": bool(wrong), "all_ranks_held": all(held)}


def power(rng: np.random.Generator, gap: float, resamples: int) -> dict[str, float]:
    """Whether a true difference of `gap` is found, and what difference this data set calls detectable."""
    scores, names = simulate(rng, [0.6 - gap / 2, 0.6 + gap / 2])
    (found,) = compare_all(scores, names, resamples)
    return {"found": found.p_flip < 0.05, "detectable": minimum_detectable_difference(scores, names)}


def detectable(rng: np.random.Generator, repeats: int = 300) -> float:
    """The detectable difference of such data, on average over many data sets: that of one varies by a tenth."""
    return float(np.mean([minimum_detectable_difference(*simulate(rng, [0.55, 0.65])) for _ in range(repeats)]))


def main(
    json: Path = Path("benchmarks/results/statistics_check.json"),
    repeats: int = 1000,
    resamples: int = 1000,
    seed: int = 0,
    element_list: Path | None = None,
) -> None:
    """Simulate every check many times; write how often each statement held, with its standard error.

    Args:
        json: file of the figures.
        repeats: data sets a check; ten times as many for the coverage of means in other worlds, and fewer for the
            slow ones (class metrics, 10 and 25 models).
        resamples: of each bootstrap, and splits of each sign-flip test (at least).
        seed: of the data.
        element_list: FineGym's gym99_val_element.txt, whose clips per video are then a world, too.
    """
    if repeats < 2:
        raise GymQAError(f"{repeats} data sets tell no share; give 2 or more")
    rng = np.random.default_rng(seed)
    others = other_worlds(np.random.default_rng(seed + 1), repeats, resamples, element_list)
    gap = detectable(rng)
    checks = {
        "coverage of a mean, accuracy 0.5, 65 videos": lambda: coverage(rng, 0.5, 65),
        "coverage of a mean, accuracy 0.9, 65 videos": lambda: coverage(rng, 0.9, 65),
        "coverage of a mean, accuracy 0.5, 15 videos": lambda: coverage(rng, 0.5, 15),
        "false alarms, two equal models, 65 videos": lambda: false_alarms(rng, 0.1, 65, resamples),
        "false alarms, two equal models, 15 videos": lambda: false_alarms(rng, 0.1, 15, resamples),
        "false alarms, two equal models, 8 videos": lambda: false_alarms(rng, 0.1, 8, resamples),
        "false alarms, no model has videos of its own": lambda: false_alarms(rng, 0.0, 65, resamples),
        "five equal models, Holm": lambda: ranking(rng, [0.6] * 5, resamples),
        "ranks of 0.5, 0.6, 0.6, 0.62, 0.8": lambda: ranking(rng, [0.5, 0.6, 0.6, 0.62, 0.8], resamples),
        "power at the detectable difference": lambda: power(rng, gap, resamples),
    }
    found = {}
    with progress_bar("simulating", len(checks) * repeats) as bar:
        for name, check in checks.items():
            drawn = []
            for _ in range(repeats):
                drawn.append(check())
                bar.advance(1)
            found[name] = {key: mean_and_error(np.array([one[key] for one in drawn], float)) for key in drawn[0]}
    figures = {"detectable_difference": gap, "repeats": repeats, "resamples": resamples, "checks": found}
    write_json(json, {**figures, **others, "environment": environment(seed)})
    others["here"] = found
    for kind, worlds in others.items():
        for name, shares in worlds.items():
            listed = ", ".join(f"{key} {mean:.3f} ± {error:.3f}" for key, (mean, error) in shares.items())
            print(f"{kind}, {name}: {listed}")


if __name__ == "__main__":
    sys.exit(run_script(main, "statistics_check.py"))
