"""Fixtures of the tests in Chromium: the browser, a site of two models, and the site opened and listened to."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.browsed import CHROMIUM, Watched, make_site, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def watched(browser: "Browser", site: Path) -> Iterator[Watched]:
    """The site, opened; what it said and asked for is checked at the end of every test."""
    found = watch(browser, site)
    yield found
    found.page.close()
    assert found.said == []
    assert all(url.startswith((site.parent.as_uri(), "data:")) for url in found.asked)
