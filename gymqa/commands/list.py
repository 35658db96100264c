"""`gymqa list`: the names that options take."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recognizers.algorithms import Algorithm
    from recognizers.sefar import SeFARConfig


def benchmarks() -> None:
    """Sets of questions, by where their wrong choices come from (--benchmark)."""
    from gymqa.questions import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS

    asked = {kind: f"asks for: {kind}" for kind in KINDS[1:]}
    pairs = {MINIMAL_PAIRS: "two clips, one question, two answers"}
    _print({name: f"wrong choices: {tier}" for name, tier in ELEMENT_BENCHMARKS.items()} | asked | pairs)


def elements(setting: Literal["gymsim24", "gymsim99"] = "gymsim24") -> None:
    """Elements that GymSim performs, with their sets.

    Args:
        setting: the demo's 24 elements or all 99.
    """
    from gymqa.sim.repertoire import REPERTOIRES

    repertoire = REPERTOIRES[setting]
    named = [(f"({one.event}) {one.name}", repertoire.sets[one.set_id]) for one in repertoire.elements]
    _print_rows(named)


def datasets() -> None:
    """Data sets that `gymqa dataset import` reads, with their official files and folds."""
    from gymqa.video_datasets.registry import FORMATS

    _print({name: one.files + (f"; fold: {one.folds}" if one.folds else "") for name, one in FORMATS.items()})


def settings() -> None:
    """Settings inside a release's own, for --setting."""
    from gymqa.settings import SUB_SETTINGS

    _print({name: f"{one.what} (of {one.base}, or of the only setting)" for name, one in SUB_SETTINGS.items()})


def algorithms() -> None:
    """Ways to learn from unlabelled clips (--algorithm)."""
    from recognizers.algorithms import ALGORITHMS

    _print({name: _what(algorithm) for name, algorithm in ALGORITHMS.items()})


def _what(algorithm: "Algorithm") -> str:
    """Say what an algorithm is composed of."""
    if not algorithm.semi_supervised:
        return "labelled clips only"
    parts = [f"teacher: {algorithm.teacher}, {algorithm.passes} passes", f"weighting: {algorithm.weighting}"]
    parts += [f"perturbation: {algorithm.perturbation}"] * (algorithm.perturbation != "none")
    return "; ".join([*parts, *["TokenMix"] * (algorithm.mix_weight > 0)])


def recognizers() -> None:
    """Recognizers by name (--recognizer)."""
    from recognizers.backbones.registry import list_models, model_config

    _print({name: _sizes(model_config(name)) for name in list_models()})


def _sizes(config: "SeFARConfig") -> str:
    """Say how large a recognizer is."""
    frame = f"{config.image_size} px in patches of {config.patch_size}"
    return f"{frame}, {config.depth} layers of {config.dim}, {config.heads} heads"


def _print(names: Mapping[str, str]) -> None:
    """Print a name a line, and a word on what it is."""
    _print_rows(list(names.items()))


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print rows of two columns; a name may stand there twice."""
    width = max(len(name) for name, _ in rows)
    for name, what in rows:
        print(f"{name:<{width}}  {what}".rstrip())


COMMAND = {
    "benchmarks": benchmarks,
    "datasets": datasets,
    "elements": elements,
    "settings": settings,
    "algorithms": algorithms,
    "recognizers": recognizers,
}
