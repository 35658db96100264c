"""The site in a real browser, from file://: it sorts, filters, plays, says what it is, and asks nothing of anybody."""

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.helpers.browsed import CHROMIUM, NO_CHROMIUM, SIZES, Watched, make_site, until, watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api", reason="playwright is not there; pip install gymqa[dev] brings it")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)></script>'
TURN, ESCAPED = "\u202e", r"\u202e"  # turns what follows right to left


def models(page: "Page") -> list[str]:
    """The models of the main table that are shown, from top to bottom."""
    return page.locator("#questions tbody tr:visible .model").all_inner_texts()


def test_the_table_sorts_by_click_and_by_keyboard(watched: Watched) -> None:
    page = watched.page
    head = page.locator("#questions thead th").nth(1)
    assert head.get_attribute("aria-sort") == "descending" and models(page) == ["watcher", "sleeper", "chance"]
    page.get_by_role("button", name="Gym-QA", exact=True).last.click()
    assert head.get_attribute("aria-sort") == "ascending" and models(page) == ["chance", "sleeper", "watcher"]
    page.locator("#questions thead button").first.focus()
    page.keyboard.press("Enter")
    assert models(page) == ["chance", "sleeper", "watcher"]
    page.keyboard.press("Space")
    assert models(page) == ["watcher", "sleeper", "chance"]
    assert head.get_attribute("aria-sort") == "none"


def test_the_table_filters_by_benchmark_tier_and_control(watched: Watched) -> None:
    page = watched.page
    columns = page.locator("#questions thead th:visible")
    assert columns.count() == 4
    page.locator(".segments button", has_text="Gym-New").click()
    assert columns.count() == 3
    page.locator(".segments button", has_text="All").click()
    page.get_by_label("Tier").first.select_option("random")
    assert columns.count() == 3 and "Gym-QA" in columns.nth(1).inner_text()
    page.get_by_label("Control", exact=True).select_option("shuffled")
    assert models(page) == ["sleeper", "watcher", "chance"]
    assert "shuffled" in page.locator("#questions tbody tr:visible .under").first.inner_text()
    page.get_by_label("Reference points").uncheck()
    assert models(page) == ["sleeper", "watcher"]
    assert "control shuffled" in page.locator("#questions-status").inner_text()


def test_a_question_and_a_view_have_addresses(browser: "Browser", site: Path) -> None:
    page = watch(browser, site).page
    assert "#" not in page.url
    page.locator("#found button").nth(3).click()
    assert page.url.endswith("#question=gym-qa-3")
    page.locator(".segments button", has_text="Gym-New").click()
    page.get_by_label("Control", exact=True).select_option("shuffled")
    page.locator("#explore").select_option("gym-new")
    page.get_by_label("By", exact=True).select_option(label="element")
    page.get_by_label("B is").select_option("wrong")
    page.get_by_label("Search").fill("move 2 & #")
    page.get_by_label("Search").fill("move 2")
    page.get_by_role("button", name="Model", exact=True).first.click()
    address = page.url
    page.close()
    again = watch(browser, Path(site))
    page = again.page
    page.goto("about:blank")
    page.goto(address)
    assert page.locator("#questions thead th:visible").count() == 3
    assert page.get_by_label("Control", exact=True).input_value() == "shuffled"
    assert page.locator("#questions thead th").first.get_attribute("aria-sort") == "ascending"
    assert page.locator("#explore").input_value() == "gym-new"
    assert page.get_by_label("By", exact=True).locator("option:checked").inner_text() == "element"
    assert page.get_by_label("B is").input_value() == "wrong" and page.get_by_label("Search").input_value() == "move 2"
    assert page.url == address
    page.evaluate("location.hash = '#question=gym-new-13'")
    until(page, "document.querySelector('#sample .id').textContent === 'gym-new-13'")
    assert page.get_by_label("B is").input_value() == "" and page.locator("#position").inner_text() == "31–40 of 48"
    assert page.locator("#samples").evaluate("(one) => one.getBoundingClientRect().top") < 900
    link = page.get_by_role("link", name="Link to: What is taken for what")
    link.click()
    until(page, "document.querySelector('#part-confusions').getBoundingClientRect().top < 300")
    page.evaluate("location.hash = '#question=nobody&in=%3Cb%3E&sort-questions=99 up&of=x'")
    page.wait_for_timeout(100)
    assert again.said == [] and page.locator("#sample .id").count() == 1
    page.close()


def test_what_stands_behind_the_number_is_drawn_for_each_benchmark(watched: Watched) -> None:
    page = watched.page
    parts = ["controls", "frames", "slices", "confusions", "reliability", "letters", "binaries"]
    for benchmark, heading in (("gym-qa", "Gym-QA"), ("gym-new", "Gym-New")):
        page.locator("#explore").select_option(benchmark)
        drawn = page.locator(".part").evaluate_all("(all) => all.map((one) => one.id)")
        assert drawn == [f"part-{one}" for one in parts]
        labels = page.locator(".part svg[role=img]").evaluate_all("(all) => all.map((one) => one.ariaLabel)")
        assert len(labels) == 6 and all(f" on {heading};" in label for label in labels)
    assert "it is not watching the movement" in page.locator("#part-controls").inner_text()
    assert page.locator("#part-frames use").count() == 3
    page.get_by_label("By", exact=True).select_option(label="element")
    assert page.locator("#part-slices tbody tr").count() == 4
    page.locator("#part-frames summary").click()
    assert page.locator("#part-frames td:visible").count() == 3


def test_the_matrix_of_the_chosen_model_is_shown_and_tells_its_cells(watched: Watched) -> None:
    page = watched.page
    matrix = page.locator("#part-confusions svg")
    for model in ("sleeper", "watcher · SeFAR"):
        page.get_by_label("Of", exact=True).select_option(label=model)
        assert matrix.count() == 1
        assert (matrix.get_attribute("aria-label") or "").startswith(f"Confusion matrix of {model} on Gym-QA;")
    field = matrix.locator(".field").bounding_box()
    around = matrix.bounding_box()
    assert field and around
    left, top, side = field["x"] - around["x"], field["y"] - around["y"], field["width"] / 4
    said = matrix.locator("> title")
    for column, tells in ((0, "move 0 → move 0: 6 of 6"), (2, "")):
        matrix.hover(position={"x": left + side * (column + 0.5), "y": top + side / 2})
        assert said.text_content() == tells


def test_every_wrong_cell_of_a_matrix_is_told_without_a_pointer(watched: Watched) -> None:
    page = watched.page
    of = page.get_by_label("Of", exact=True)
    of.select_option(label="sleeper")
    of.focus()
    page.keyboard.press("Tab")  # the matrix, which scrolls
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    table = page.get_by_role("table", name="wrong answers of sleeper")
    assert table.locator("thead th").all_inner_texts() == [
        "True element",
        "Taken for",
        "Times",
        "Of (times it was a choice)",
    ]
    rows = [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]
    assert sorted(rows) == [[f"move {true}", f"move {true + 1}", "1", "6"] for true in range(3)]
    of.select_option(label="watcher · SeFAR")
    assert page.locator("#part-confusions table").count() == 0


@pytest.mark.parametrize(("size", "accent"), [("desktop", "rgb(10, 91, 181)"), ("dark", "rgb(121, 184, 255)")])
def test_pictures_take_the_colours_of_the_page(browser: "Browser", site: Path, size: str, accent: str) -> None:
    page = watch(browser, site, size).page
    for part, look in (("frames", "stroke"), ("confusions", "fill"), ("reliability", "fill"), ("letters", "fill")):
        marks = page.locator(f"#part-{part} svg[role=img] path")
        colours = marks.evaluate_all(f"(all) => all.map((one) => getComputedStyle(one).{look})")
        assert accent in colours and "rgb(0, 0, 0)" not in colours, part
    page.close()


def test_every_control_has_a_name_and_every_table_a_caption(watched: Watched) -> None:
    page = watched.page
    tree = page.locator("body").aria_snapshot()
    roles = "button|link|combobox|checkbox|textbox|region|table|img|figure|article|heading|video"
    nameless = [line for line in tree.splitlines() if re.fullmatch(rf"\s*- ({roles})(:| \[.*\]:?)?", line)]
    assert nameless == []
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("video:not([aria-label])").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].filter(e => e.offsetParent).map(e => +e.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_what_is_focused_can_be_seen(watched: Watched) -> None:
    watched.page.locator("#questions thead button").first.focus()
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_the_screen(browser: "Browser", site: Path, tmp_path: Path, size: str) -> None:
    page = watch(browser, site, size).page
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    page.screenshot(path=tmp_path / f"{size}.png")
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (red + green + blue > 384) == (size != "dark")
    page.close()


def edge(page: "Page", name: str) -> tuple[int, int]:
    """Median brightness along the two inner edges of a region, left and right."""
    region = page.get_by_role("region", name=name)
    region.scroll_into_view_if_needed()
    picture = np.asarray(Image.open(io.BytesIO(region.screenshot())).convert("L"))
    return int(np.median(picture[:, 3])), int(np.median(picture[:, -4]))


def test_a_table_too_wide_for_the_screen_shows_at_its_edge_that_there_is_more(browser: "Browser", site: Path) -> None:
    page = watch(browser, site, "narrow").page
    region = page.get_by_role("region", name="Models, scrolls sideways")
    assert region.evaluate("(one) => one.scrollWidth > one.clientWidth + 24")
    plain = page.evaluate("getComputedStyle(document.querySelector('.tiles li')).backgroundColor")
    assert plain == "rgb(255, 255, 255)"
    left, right = edge(page, "Models, scrolls sideways")
    assert left > 250 and right < 235
    region.evaluate("(one) => one.scrollTo(one.scrollWidth, 0)")
    left, right = edge(page, "Models, scrolls sideways")
    assert left < 235 and right > 250
    page.close()


def test_nothing_moves_where_motion_is_not_wanted(browser: "Browser", site: Path) -> None:
    page = watch(browser, site, motion="reduce").page
    until(page, "document.querySelector('#quiz video').readyState >= 2")
    assert page.evaluate("[...document.querySelectorAll('video')].every((one) => one.paused && one.currentTime === 0)")
    page.close()


def test_the_policy_forbids_the_network(browser: "Browser", site: Path) -> None:
    found = watch(browser, site)
    assert found.page.evaluate("fetch('https://example.org').then(() => 'asked', () => 'refused')") == "refused"
    found.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://example.org/x.png'}))")
    assert found.said and all("Content Security Policy" in one for one in found.said)
    found.page.close()


def test_hostile_names_stay_text(browser: "Browser", tmp_path: Path) -> None:
    found = watch(browser, make_site(tmp_path, ATTACK + TURN))
    page = found.page
    for name in ("gym-new", "gym-qa"):
        page.locator("#explore").select_option(name)
    page.get_by_label("Search").fill("MOVE " + ATTACK[:20])
    page.locator("#found button").nth(3).click()
    page.locator("#quiz .choice").first.click()
    for one in page.locator("#sample .kept summary").all():
        one.click()
    page.reload()  # the address holds the question's id and the search
    assert page.get_by_label("Search").input_value() == "MOVE " + ATTACK[:20]
    assert ATTACK in page.locator("#sample pre").first.text_content()  # type: ignore[operator]
    assert found.said == []
    assert page.locator("script").count() == 2 and page.locator("img, [onerror]").count() == 0
    assert ATTACK + ESCAPED in page.locator("#questions tbody .model").first.inner_text()
    assert ATTACK + ESCAPED in page.locator("#sample").inner_text() and TURN not in page.locator("main").inner_text()
    named = page.locator("#part-frames svg title, #part-confusions svg title").all_text_contents()
    assert sum(ATTACK in name for name in named) == 5  # a line and four classes
    assert ATTACK in page.locator("#sample").inner_text() and ATTACK in page.locator("#part-controls").inner_text()
    page.close()
