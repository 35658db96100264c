"""`gymqa list`: the names that options take."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from json import dumps
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from recognizers.ssl.algorithms import Algorithm


def benchmarks() -> None:
    """Sets of questions, by where their wrong choices come from (--benchmark)."""
    from gymqa.questions.schema import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS

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


def adapters(json: bool = False) -> None:
    """Kinds of answering models (--adapter), and what each needs.

    Args:
        json: print name, what it is and what it needs as JSON.
    """
    from eval.adapters.registry import ADAPTERS, describe

    if json:
        _print_json([{"name": name, "what": one.what, "needs": one.needs} for name, one in ADAPTERS.entries.items()])
    else:
        _print_rows(describe())


def datasets() -> None:
    """Data sets that `gymqa dataset import` reads, with their official files and folds."""
    from gymqa.video_datasets.registry import FORMATS

    _print({name: one.files + (f"; fold: {one.folds}" if one.folds else "") for name, one in FORMATS.items()})


def settings() -> None:
    """Settings inside a release's own, for --setting."""
    from gymqa.finegym.settings import SUB_SETTINGS

    _print({name: f"{one.what} (of {one.base}, or of the only setting)" for name, one in SUB_SETTINGS.items()})


def algorithms(json: bool = False) -> None:
    """Ways to learn from unlabelled clips (--algorithm).

    Args:
        json: print every algorithm's parts and hyper-parameters as JSON.
    """
    from recognizers.ssl.algorithms import ALGORITHMS

    if json:
        _print_json([{**asdict(one), "composes": _parts(one)} for one in ALGORITHMS.values()])
    else:
        _print({name: "; ".join(_parts(algorithm)) for name, algorithm in ALGORITHMS.items()})


def _parts(algorithm: "Algorithm") -> list[str]:
    """Say what an algorithm is composed of: its settings that name a part, the teacher's passes, and mixing."""
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
    """Recognizers by name (--recognizer), with their parameters at 99 classes.

    Args:
        json: print parameters, input size (pixels), frames and the published number as JSON.
    """
    from recognizers.backbones.registry import describe, list_models

    found = [describe(name) for name in list_models()]
    if json:
        _print_json(found)
    else:
        _print({one["name"]: _sizes(one) for one in found})


def encoders(json: bool = False) -> None:
    """Video encoders by kind, with what they give when no option is set (`gymqa extract`).

    Args:
        json: print classes, sources, tokens, widths, input sizes and options as JSON.
    """
    from encoders.video.registry import KINDS, describe

    found = [describe(kind) for kind in KINDS]
    if json:
        _print_json(found)
    else:
        _print({one["name"]: _tokens(one) for one in found})


def _tokens(one: Mapping[str, Any]) -> str:
    """Say what an encoder makes of a clip."""
    sizes = f"{one['n_tokens']} tokens of {one['dim']} from {one['frames']} frames of {one['input_size']} px"
    return f"{sizes}; {one['model']}; {one['source'] or 'name its folder'}"


def _sizes(one: Mapping[str, Any]) -> str:
    """Say how large a recognizer is."""
    elements = "-".join(map(str, one["elements"]))
    seen = "" if one["modality"] == "rgb" else f" of {one['modality']}"
    unit = f"{one['joints']} joints" if "joints" in one else f"{one['input_size']} px"
    frames = f"{one['frames']} frames {{{elements}}}{seen} of {unit}"
    published = f"; published: {one['published']}" if one["published"] else ""
    return f"{one['millions']:.2f} M parameters at {one['classes']} classes; {frames}{published}"


def _print_json(value: object) -> None:
    """Print JSON for a program to read."""
    print(dumps(value, indent=2, ensure_ascii=False))


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
    "adapters": adapters,
    "datasets": datasets,
    "elements": elements,
    "settings": settings,
    "algorithms": algorithms,
    "recognizers": recognizers,
    "encoders": encoders,
}
