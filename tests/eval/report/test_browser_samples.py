"""Questions one by one in a real browser: clip by frames, keys, search, what a model was given and said, the quiz."""

import re
from typing import TYPE_CHECKING

import pytest

from eval.adapters.prompting import lettered
from tests.helpers.browsed import CHROMIUM, NO_CHROMIUM, Watched, until
from tests.helpers.leaderboard_example import questions

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytest.importorskip("playwright.sync_api", reason="playwright is not there; pip install gymqa[dev] brings it")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)


def test_a_sample_opens_and_its_clip_plays(watched: Watched) -> None:
    page = watched.page
    second = page.locator("#found button").nth(1)
    second.focus()
    page.keyboard.press("Enter")
    assert second.get_attribute("aria-current") == "true"
    article = page.locator("#sample article")
    assert "gym-qa-1" in article.inner_text() and "right answer" in article.inner_text()
    assert article.locator("td.good").count() == 2 and "10" in article.locator("td.good").first.inner_text()
    video = article.locator("video")
    assert video.evaluate("(video) => video.src.endsWith('/clips/clip1.mp4')")
    until(page, "document.querySelector('#sample video').currentTime > 0.2")
    assert page.evaluate("document.activeElement.id") == "sample-heading"


def test_samples_filter_to_what_one_model_knows_and_the_other_does_not(watched: Watched) -> None:
    page = watched.page
    position = page.locator("#position")
    assert position.inner_text() == "1–10 of 48"
    page.get_by_role("button", name="Next ten questions").click()
    assert position.inner_text() == "11–20 of 48"
    page.get_by_role("button", name="A right, B wrong").click()
    assert position.inner_text() == "1–6 of 6"  # 23 against 20 right on each of two benchmarks
    assert page.get_by_role("button", name="A right, B wrong").get_attribute("aria-pressed") == "true"
    for index in range(6):
        page.locator("#found button").nth(index).click()
        marks = page.locator("#sample .mark").all_inner_texts()
        assert sorted(marks) == ["✓ right", "✗ wrong"]
    page.get_by_label("B is").select_option("unanswered")
    assert position.inner_text() == "No question fits these filters."
    page.get_by_label("A is").select_option("unanswered")
    assert "clip is empty" in page.locator("#sample").inner_text()
    assert "not beside this page" in page.locator("#sample").inner_text()


def seen(page: "Page") -> str:
    """The id of the question that is open."""
    return page.locator("#sample .id").inner_text()


def test_a_clip_goes_by_single_frames_and_at_half_speed(watched: Watched) -> None:
    page = watched.page
    until(page, "document.querySelector('#sample video').readyState >= 2")
    page.evaluate("document.querySelector('#sample video').pause()")
    page.evaluate("document.querySelector('#sample video').currentTime = 0")
    where = page.locator("#sample .where")
    said = []
    for key in ("One frame on", "One frame on", "One frame back"):
        page.get_by_role("button", name=key).click()
        until(page, "!document.querySelector('#sample video').seeking")
        said.append((where.inner_text(), page.evaluate("document.querySelector('#sample video').currentTime")))
    assert said == [("frame 2 of 25", 0.06), ("frame 3 of 25", 0.1), ("frame 2 of 25", 0.06)]
    page.locator("#sample-heading").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert where.inner_text() == "frame 25 of 25"
    half = page.get_by_role("button", name="half speed")
    half.click()
    assert page.evaluate("document.querySelector('#sample video').playbackRate") == 0.5
    page.locator("#found button").nth(1).click()  # the pace stays
    assert half.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.querySelector('#sample video').playbackRate") == 0.5


def test_arrows_go_from_question_to_question_and_over_the_page(watched: Watched) -> None:
    page = watched.page
    page.locator("#found button").nth(8).click()
    for number in (9, 10, 11):
        page.keyboard.press("ArrowDown")
        assert seen(page) == f"gym-qa-{number}" and page.evaluate("document.activeElement.id") == "sample-heading"
    assert page.locator("#position").inner_text() == "11–20 of 48"
    page.locator("#found button").nth(1).focus()
    page.keyboard.press("ArrowUp")
    assert seen(page) == "gym-qa-10" and page.evaluate("document.activeElement.closest('#found') !== null")
    page.keyboard.press("ArrowUp")
    assert seen(page) == "gym-qa-9" and page.locator("#position").inner_text() == "1–10 of 48"
    page.get_by_label("Search").focus()
    page.keyboard.press("ArrowDown")
    assert seen(page) == "gym-qa-9"


def test_text_is_searched_in_choices_ids_and_replies(watched: Watched) -> None:
    page = watched.page
    search, position = page.get_by_label("Search"), page.locator("#position")
    search.fill("GYM-new-1 turns")  # 1 and 10 to 19; all words, in any case
    assert position.inner_text() == "1–10 of 11" and seen(page) == "gym-new-1"
    search.fill("so b.")  # what is said in a reply only
    assert position.inner_text() == "1–10 of 12" and "So B." in page.locator("#sample").inner_text()
    search.fill("nobody says this")
    assert position.inner_text() == "No question fits these filters."
    search.fill("")
    assert position.inner_text() == "1–10 of 48"


def test_a_question_shows_reply_prompt_and_frames_as_they_are_kept(watched: Watched) -> None:
    page = watched.page
    kept = page.locator("#sample .kept")
    told, silent = kept.filter(has_text="sleeper"), kept.filter(has_text="watcher")
    for one in (told, silent):
        one.locator("summary").click()
    reply, prompt = told.locator("pre").all_inner_texts()
    asked = questions("gym-qa", 1)[0]
    assert reply == "It turns.\n\nSo A." and prompt == lettered(asked)
    assert "0, 5, 9" in told.inner_text()
    assert silent.inner_text().count("not kept") == 2 and silent.locator("pre").count() == 0


def test_signs_of_the_list_are_explained(watched: Watched) -> None:
    legend = watched.page.locator(".legend").first
    assert re.sub(r"\s+", " ", legend.inner_text()).startswith("✓ right ✗ wrong – unanswered · not asked")
    assert legend.locator("b").inner_text() == "watcher · SeFAR, sleeper"
    marks = watched.page.locator("#found button").first.locator("[role=img]")
    said = marks.evaluate_all("(all) => all.map((one) => one.ariaLabel)")
    assert said == ["watcher · SeFAR: right;", "sleeper: right;"]


def test_one_may_try_oneself(watched: Watched) -> None:
    page = watched.page
    until(page, "document.querySelector('#quiz video').currentTime > 0.2")
    page.locator("#quiz .choice").first.click()
    assert re.fullmatch(r"(Right|No)\. \d of 2 models knew\. You: [01] of 1\.", page.locator(".verdict").inner_text())
    assert page.locator("#quiz .choice.good").count() == 1
    page.get_by_role("button", name="Another clip").click()
    assert page.locator("#quiz .choice:enabled").count() == 4
