"""`gymqa list`: the names that options take."""

from collections.abc import Mapping


def benchmarks() -> None:
    """Sets of questions, by where their wrong choices come from (--benchmark)."""
    from gymqa.questions import BENCHMARKS

    _print({name: f"wrong choices: {tier}" for name, tier in BENCHMARKS.items()})


def elements() -> None:
    """Elements that GymSim performs, with their sets."""
    from gymqa.sim.elements import ELEMENTS, SETS

    _print({f"({element.event}) {element.name}": SETS[element.set_id] for element in ELEMENTS})


def _print(names: Mapping[str, str]) -> None:
    """Print a name a line, and a word on what it is."""
    width = max(map(len, names))
    for name, what in names.items():
        print(f"{name:<{width}}  {what}".rstrip())


COMMAND = {"benchmarks": benchmarks, "elements": elements}
