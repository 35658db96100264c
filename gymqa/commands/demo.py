"""`gymqa demo`: the whole road, from rendered video to leaderboard."""

from dataclasses import replace
from pathlib import Path

from gymqa.demo import Demo, DemoConfig
from gymqa.demo import quick as smaller


def demo(
    out: Path = Path("runs/demo"),
    quick: bool = False,
    llm: str = "tiny-vicuna",
    seed: int = 1,
    *,
    settings: DemoConfig,
) -> None:
    """Render gymnasts, train SeFAR and a baseline with few labels, tune a language model on each, ask, and score.

    About ten minutes on two CPU cores, nothing to download. Stopped, the same command goes on where it was; run
    again, it prints the leaderboard of the finished run.

    Args:
        out: run folder; it ends with leaderboard.html and leaderboard.json.
        quick: fewer clips and steps, in about a minute; the figures then mean little.
        llm: tiny-vicuna (in the package), a name on the Hub such as lmsys/vicuna-7b-v1.5, or a local folder.
        seed: of everything.
        settings: everything else.
    """
    settings = replace(settings, llm=llm, seed=seed)
    Demo(out, smaller(settings) if quick else settings).walk()


COMMAND = demo
