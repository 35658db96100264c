"""The site opened in Chromium: a page that is listened to, and the site it opens."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from gymqa.cli import main as cli
from gymqa.frames.video import write_video
from tests.helpers.leaderboard_example import questions
from tests.helpers.site_example import write_site_inputs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = (
    "no Chromium on PATH: as root on Debian `make test-browser` installs it, elsewhere install your system's package "
    "chromium"
)
Scheme = Literal["light", "dark"]
SIZES: dict[str, tuple[int, int, Scheme]] = {
    "desktop": (1280, 900, "light"),
    "narrow": (390, 844, "light"),
    "dark": (1280, 900, "dark"),
}


@dataclass
class Watched:
    """A page and all that it said and asked for."""

    page: "Page"
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def make_site(folder: Path, mark: str = "") -> Path:
    """A site of 24 questions a benchmark, most of them with a clip of one second."""
    results, asked = write_site_inputs(folder, 24, mark)
    clips = folder / "clips"
    clips.mkdir()
    frames = np.random.default_rng(0).integers(0, 255, (25, 64, 96, 3), dtype=np.uint8)
    write_video(clips / "clip0.mp4", frames)
    for one in questions("gym-qa", 20)[1:]:
        shutil.copy(clips / "clip0.mp4", clips / f"{one.clip_id}.mp4")
    words = ["report", str(results), "--questions", str(asked), "--clips", str(clips), "--resamples", "100"]
    assert cli.main([*words, "--out", str(folder / "site")]) == 0
    return folder / "site" / "index.html"


def watch(
    browser: "Browser", site: Path, size: str = "desktop", motion: Literal["no-preference", "reduce"] = "no-preference"
) -> Watched:
    """Open the site and listen to it."""
    width, height, scheme = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
    watched = Watched(page)
    page.on("console", lambda message: watched.said.append(message.text))
    page.on("pageerror", lambda error: watched.said.append(str(error)))
    page.on("dialog", lambda dialog: watched.said.append(dialog.message))
    page.on("request", lambda request: watched.asked.append(request.url))
    page.goto(site.as_uri())
    return watched


def until(page: "Page", expression: str) -> None:
    """Wait for an expression; Playwright's own waiting needs `eval` in the page, which its policy forbids."""
    end = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)
