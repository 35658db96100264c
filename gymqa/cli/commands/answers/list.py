"""`gymqa list`: list the names that options accept (recognizers, algorithms, encoders, adapters, benchmarks, …)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from json import dumps
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from recognizers.ssl.algorithms import Algorithm


def benchmarks() -> None:
    """List benchmarks by the source of their distractors or by what they ask (--benchmark)."""
    from gymqa.questions.benchmarks import BENCHMARKS

    _print({name: one.what for name, one in BENCHMARKS.entries.items()})


def elements(setting: Literal["gymsim24", "gymsim99"] = "gymsim24") -> None:
    """List the elements of GymSim with their sets.

    Args:
        setting: the demo's 24 elements or all 99.
    """
    from gymqa.sim.repertoire import REPERTOIRES

    repertoire = REPERTOIRES[setting]
    named = [(f"({one.event}) {one.name}", repertoire.sets[one.set_id]) for one in repertoire.elements]
    _print_rows(named)


def adapters(json: bool = False) -> None:
    """List adapters of answering models and what each needs (--adapter).

    Args:
        json: print name, description and requirements as JSON.
    """
    from eval.adapters.registry import ADAPTERS, describe

    if json:
        _print_json([{"name": name, "what": one.what, "needs": one.needs} for name, one in ADAPTERS.entries.items()])
    else:
        _print_rows(describe())


def datasets() -> None:
    """List the data sets that `gymqa dataset import` reads, with their official files and folds."""
    from gymqa.video_datasets.registry import DATASETS

    _print({name: one.files + (f"; fold: {one.folds}" if one.folds else "") for name, one in DATASETS.entries.items()})


def presets() -> None:
    """List question sets whose form is known (`gymqa questions import --preset`)."""
    from gymqa.questions.importing.presets import PRESETS

    _print({name: one.what for name, one in PRESETS.entries.items()})


def settings() -> None:
    """List sub-settings, subsets of a release's settings (--setting)."""
    from gymqa.finegym.settings import SUB_SETTINGS

    _print({name: f"{one.what} (of {one.base}, or of the only setting)" for name, one in SUB_SETTINGS.items()})


def algorithms(json: bool = False) -> None:
    """List semi-supervised training algorithms and their components (--algorithm).

    Args:
        json: print components and hyper-parameters as JSON.
    """
    from recognizers.ssl.algorithms import ALGORITHMS

    if json:
        _print_json([{**asdict(one), "composes": _parts(one)} for one in ALGORITHMS.entries.values()])
    else:
        _print({name: "; ".join(_parts(algorithm)) for name, algorithm in ALGORITHMS.entries.items()})


def _parts(algorithm: "Algorithm") -> list[str]:
    """Describe an algorithm's components: named parts, passes of the teacher, mixing, further objectives."""
    from gymqa.frames.modality import made_by
    from recognizers.ssl.objectives.registry import objective_modality

    if not algorithm.semi_supervised:
        return ["labelled clips only"]
    if algorithm.pretraining:
        taught = ", ".join(algorithm.objectives)
        return [f"first {algorithm.pretraining:.0%} of the steps: {taught} on unlabelled clips", "then labelled clips"]
    named = {name: value for name, value in asdict(algorithm).items() if isinstance(value, str)}
    named = {name: value for name, value in named.items() if name not in ("name", "image_network")}
    parts = [f"{name}: {value}" for name, value in named.items() if (name, value) != ("perturbation", "none")]
    passes = [f"passes: {algorithm.passes}"] * (algorithm.passes > 1)
    frames = objective_modality(algorithm.objectives)
    wanted = [f"trains on {made_by(frames)}"] if frames else []
    return [*parts, *passes, *["TokenMix"] * (algorithm.mix_weight > 0), *algorithm.objectives, *wanted]


def recognizers(json: bool = False) -> None:
    """List recognizers with their number of parameters at 99 classes and their input (--recognizer).

    Args:
        json: print parameters, input size (pixels), frames and the published number of parameters as JSON.
    """
    from recognizers.backbones.registry import describe, list_models

    found = [describe(name) for name in list_models()]
    if json:
        _print_json(found)
    else:
        _print({one["name"]: _sizes(one) for one in found})


def encoders(json: bool = False) -> None:
    """List kinds of video encoders with their default output (`gymqa extract`).

    Args:
        json: print classes, sources, tokens, widths, input sizes and options as JSON.
    """
    from encoders.video.registry import ENCODERS, describe

    found = [describe(kind) for kind in ENCODERS]
    if json:
        _print_json(found)
    else:
        _print({one["name"]: _tokens(one) for one in found})


def _tokens(one: Mapping[str, Any]) -> str:
    """Describe an encoder's tokens, input, model and source."""
    sizes = f"{one['n_tokens']} tokens of {one['dim']} from {one['frames']} frames of {one['input_size']} px"
    return f"{sizes}; {one['model']}; {one['source'] or 'name its folder'}"


def _sizes(one: Mapping[str, Any]) -> str:
    """Describe a recognizer's parameters and input."""
    elements = "-".join(map(str, one["elements"]))
    seen = "" if one["modality"] == "rgb" else f" of {one['modality']}"
    unit = f"{one['joints']} joints" if "joints" in one else f"{one['input_size']} px"
    frames = f"{one['frames']} frames {{{elements}}}{seen} of {unit}"
    published = f"; published: {one['published']}" if one["published"] else ""
    return f"{one['millions']:.2f} M parameters at {one['classes']} classes; {frames}{published}"


def _print_json(value: object) -> None:
    """Print a value as JSON."""
    print(dumps(value, indent=2, ensure_ascii=False))


def _print(names: Mapping[str, str]) -> None:
    """Print one name per line with its description."""
    _print_rows(list(names.items()))


def _print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print rows of two columns; a name may occur twice."""
    width = max(len(name) for name, _ in rows)
    for name, what in rows:
        print(f"{name:<{width}}  {what}".rstrip())


COMMAND = {
    "benchmarks": benchmarks,
    "adapters": adapters,
    "datasets": datasets,
    "presets": presets,
    "elements": elements,
    "settings": settings,
    "algorithms": algorithms,
    "recognizers": recognizers,
    "encoders": encoders,
}
