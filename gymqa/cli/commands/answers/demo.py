"""`gymqa demo`: the whole road, from rendered video to leaderboard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gymqa.cli.demo import Demo, DemoConfig
from gymqa.cli.demo import quick as smaller
from gymqa.errors import GymQAError


def demo(
    out: Path | None = None,
    quick: bool = False,
    llm: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    *,
    settings: DemoConfig,
) -> None:
    """Render gymnasts, train SeFAR and a baseline with few labels, tune a language model on each, ask, and score.

    About ten minutes on two CPU cores, nothing to download. Stopped, the same command goes on where it was; run
    again, it prints the leaderboard of the finished run.

    Args:
        out: run folder; it ends with leaderboard.html and leaderboard.json. By default runs/demo, or runs/demo-quick.
        quick: fewer clips and steps, in about a minute; the figures then mean little.
        llm: takes the place of settings.llm: tiny-vicuna (in the package), a name on the Hub such as
            lmsys/vicuna-7b-v1.5, or a local folder.
        seed: takes the place of settings.seed, 1; of everything.
        device: cpu or cuda; by default the GPU, where there is one.
        settings: everything else.
    """
    settings = replace(settings, llm=_one_of("llm", llm, settings), seed=_one_of("seed", seed, settings))
    folder = out or Path("runs/demo-quick" if quick else "runs/demo")
    Demo(folder, smaller(settings) if quick else settings, device).walk()


def _one_of(name: str, given: Any, settings: DemoConfig) -> Any:
    """Return the value of an option that may be given by itself or among the settings.

    Raises:
        GymQAError: it is given twice, with different values.
    """
    within = getattr(settings, name)
    if given is not None and within not in (given, getattr(DemoConfig(), name)):
        raise GymQAError(f"--{name} {given} contradicts --settings.{name} {within}; give one of them")
    return within if given is None else given


COMMAND = demo
