"""Screenshot of a leaderboard page for docs/leaderboard.md: `leaderboard_picture.py leaderboard.html` (own script)."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import atomic_path

CHROMIUM = Path("/usr/bin/chromium")
SIZE = {"width": 1280, "height": 720}


def main(page: Path, out: Path = Path("docs/leaderboard.png"), browser: Path = CHROMIUM) -> None:
    """Take a screenshot of a leaderboard's first screen.

    Args:
        page: the leaderboard.html of `gymqa demo`, or the index.html of `gymqa report`.
        out: image file to write.
        browser: Chromium's program.
    """
    for path in (page, browser):
        if not path.is_file():
            raise GymQAError(f"{path} is not there; give a page of gymqa report, and Chromium's program as --browser")
    with sync_playwright() as playwright, atomic_path(out) as temporary:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        view = chromium.new_page(viewport=SIZE)  # type: ignore[arg-type]
        view.goto(page.resolve().as_uri())
        view.wait_for_load_state("networkidle")
        view.screenshot(path=temporary, type="png")
        chromium.close()


if __name__ == "__main__":
    sys.exit(run_script(main, "leaderboard_picture.py"))
