"""`gymqa demo`: run the complete pipeline on a rendered release, from video to leaderboard."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gymqa.cli.demo import Demo, DemoConfig, fast_config
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
    """Render gymnasts, train SeFAR and a baseline with few labels, tune language models on them, evaluate, and report.

    Takes about four minutes on two CPU cores, six without bfloat16 units, and downloads nothing. An interrupted run
    resumes with the same command; a finished one prints its leaderboard again.

    Args:
        out: run folder, with leaderboard.html and leaderboard.json; by default runs/demo, or runs/demo-quick.
        quick: use fewer clips and steps, for a run of about a minute whose results are not meaningful.
        llm: language model instead of settings.llm: tiny-vicuna (in the package), smollm2, a name on the Hub such as
            lmsys/vicuna-7b-v1.5, or a local folder.
        seed: seed of every step, instead of settings.seed (1).
        device: cpu or cuda; by default the GPU if there is one.
        settings: all other settings.
    """
    settings = replace(settings, llm=_one_of("llm", llm, settings), seed=_one_of("seed", seed, settings))
    folder = out or Path("runs/demo-quick" if quick else "runs/demo")
    Demo(folder, fast_config(settings) if quick else settings, device).run_steps()


def _one_of(name: str, given: Any, settings: DemoConfig) -> Any:
    """Return the value of an option that may be given directly or in the settings.

    Raises:
        GymQAError: it is given twice with different values.
    """
    within = getattr(settings, name)
    if given is not None and within not in (given, getattr(DemoConfig(), name)):
        raise GymQAError(f"--{name} {given} contradicts --settings.{name} {within}; give one of them")
    return within if given is None else given


COMMAND = demo
