"""Draw film strips of four GymSim elements for the README: `benchmarks/pictures/gymsim_strip.py` (own script)."""

import sys
from pathlib import Path

import cv2
import numpy as np

from gymqa.cli.main import run_script
from gymqa.io.files import atomic_path
from gymqa.sim.elements import GYMSIM24
from gymqa.sim.perform import perform
from gymqa.sim.render import Look, render
from gymqa.sim.scene import Arena, Camera
from gymqa.sim.skeleton import Build

SHOWN = (9, 6, 11, 20)  # labels: a pair that differs in direction, a twist, a giant circle with a turn


def main(out: Path = Path("docs/gymsim.png"), size: int = 128, frames: int = 8) -> None:
    """Render one clip of each element and write a strip of evenly spaced frames for each.

    Args:
        out: image file to write.
        size: pixels of a frame.
        frames: frames of a strip.
    """
    rows = []
    for label in SHOWN:
        rng, element = np.random.default_rng((4, label)), GYMSIM24[label]
        motion = perform(element, Build.sample(rng), rng)
        camera = Camera.follow(motion.centre, size, rng)
        film = render(motion, element.event, Arena.sample(size, rng), Look.sample(rng), camera)
        title = np.full((22, size * frames, 3), 255, np.uint8)
        text = f"({element.event}) {element.name}"
        cv2.putText(title, text, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
        spots = np.linspace(0, len(film) - 1, frames).round().astype(int)
        rows += [title, np.concatenate(list(film[spots]), axis=1)]
    with atomic_path(out) as temporary:
        temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1].tobytes())


if __name__ == "__main__":
    sys.exit(run_script(main, "gymsim_strip.py"))
