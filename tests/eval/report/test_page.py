"""The page stands alone, escapes what it is given, and can be read by machines that help people read."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from eval.leaderboard.rows import build_rows, unanswered_items
from eval.metrics.recognition import confusion
from eval.report.analyses import analyse
from eval.report.clips import Clips
from eval.report.confusion import ConfusionView, matrix_data
from eval.report.page import Page, render
from eval.report.samples import pack_samples
from tests.helpers.leaderboard_example import GUESSERS, questions, recognizer, run

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
VOID = {"meta", "link", "img", "input"}


class Tree(HTMLParser):
    """Collects tags with their attributes and text, and checks that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@cache
def page(mark: str = "") -> str:
    """A page with everything on it, `mark` in every text that comes from outside."""
    benchmarks = {name: questions(name, tail=mark) for name in ("gym-qa", "gym-qa-hard", "gym-new")}
    runs = [run("tiny-vicuna" + mark, "SeFAR" + mark, 9, benchmarks), run("other", "", 5, benchmarks)]
    runs.append(replace(runs[0], control="shuffled" + mark))
    reasons = [recognizer("SeFAR" + mark)]
    names = tuple(f"move {i}{mark}" for i in range(4))
    rows = build_rows(benchmarks, runs, GUESSERS, reasons, resamples=100)
    evidence = analyse(benchmarks, runs, rows, resamples=100)
    view = ConfusionView(
        "SeFAR" + mark, names, confusion(reasons[0].predictions), ("FX" + mark, "FX" + mark, "UB", "UB")
    )
    matrix = matrix_data(view, "recognition")
    assert matrix is not None
    evidence.confusions.append(matrix)
    return render(
        Page(
            "Leaderboard" + mark,
            tuple(rows),
            {"seed": 0, "versions": {"torch" + mark: "2" + mark}},
            pack_samples(benchmarks, runs[:2], Clips("clips/", frozenset({"clip0"}))),
            tuple(unanswered_items(benchmarks, runs, reasons)),
            evidence,
            {"gym-qa": "random", "gym-qa-hard": "set" + mark, "gym-new": "twin"},
        )
    )


@pytest.mark.slow
def test_names_questions_and_reasons_are_text_never_markup() -> None:
    plain, attacked = Tree(page()), Tree(page(ATTACK))
    assert [tag for tag, _ in attacked.tags] == [tag for tag, _ in plain.tags]
    assert [list(attributes) for _, attributes in attacked.tags] == [list(attributes) for _, attributes in plain.tags]
    assert attacked.text.count(ATTACK) > 15
    drawn = json.loads(data_of(page(ATTACK)))
    assert json.dumps(drawn).count(json.dumps(ATTACK)[1:-1]) > 30
    assert attacked.open == []


def test_the_page_asks_nothing_of_any_server() -> None:
    html = page().replace("http://www.w3.org/2000/svg", "the name of SVG, which nothing asks for")
    tree = Tree(html)
    sources = [
        value for _, attributes in tree.tags for key, value in attributes.items() if key in ("src", "href", "srcset")
    ]
    files = re.compile(r"data:|#|leaderboard\.(csv|json|md|tex)$")
    assert all(value and files.match(value) for value in sources)
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", html)


def test_only_its_own_style_and_script_may_run() -> None:
    html = page()
    (policy,) = [m["content"] for m in Tree(html).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text and "eval(" not in text
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert " style=" not in html and not re.search(r"<[^>]* on\w+=", html)


def test_tables_have_captions_and_scopes_and_say_how_they_are_sorted() -> None:
    tree = Tree(page())
    assert len(tree.all("caption")) == len(tree.all("table"))
    assert all(head.get("scope") in ("col", "row") for head in tree.all("th"))
    sorted_by = [head["aria-sort"] for head in tree.all("th") if "aria-sort" in head]
    assert sorted_by.count("descending") == 2 and len(sorted_by) == 10
    assert len([button for button in tree.all("button") if button.get("class") == "sort"]) == len(sorted_by)
    headings = [int(tag[1]) for tag, _ in tree.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1 and all(b - a <= 1 for a, b in pairwise(headings))


def test_models_stand_best_first_among_the_reference_points() -> None:
    table = page().split('id="questions"')[1].split("</table>")[0]
    assert re.findall(r'class="model">([^<]+)', table) == [
        "tiny-vicuna",
        "tiny-vicuna",
        "oracle-event",
        "other",
        "chance",
    ]
    assert table.count('<tr role="row" class="reference"') == 2
    assert ">75.0</span>" in table and "exact" in table


def test_colours_can_be_read_in_both_schemes() -> None:
    style = re.findall(r"<style>(.*?)</style>", page(), flags=re.DOTALL)[0]
    for scheme in style.split("@media (prefers-color-scheme: dark)")[:2]:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))
        for text in ("ink", "soft", "accent", "wrong", "reference"):
            for ground in ("page", "card"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["accent"], colours["tint"]) >= 4.5


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def data_of(html: str) -> str:
    """The JSON that the page's script draws."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL)
    return str(text)


@pytest.mark.slow
def test_no_text_can_end_the_data() -> None:
    attack = "</script><!--<script>\u2028\u2029]]>"
    text = data_of(page(attack))
    assert not set("<>&\u2028\u2029") & set(text)
    assert attack in json.loads(text)["samples"]["models"][0]


def test_ranks_are_ranges_where_the_order_is_open() -> None:
    ranks = re.findall(r'class="rank">rank ([^<]+)<', page())
    assert ranks and all(re.fullmatch(r"\d(–\d)?", rank) for rank in ranks)


@pytest.mark.parametrize("rows", [(), tuple(build_rows({"gym-qa": questions("gym-qa")}, (), GUESSERS, resamples=10))])
def test_a_page_of_little_or_nothing_is_whole(rows: tuple[object, ...]) -> None:
    tree = Tree(render(Page("Empty", rows, {})))  # type: ignore[arg-type]
    assert tree.open == [] and "every question was answered" in tree.text
