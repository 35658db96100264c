"""Pictures of the page: names in them are text, their colours the page's, and the same results give the same bytes."""

import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib
import numpy as np
import pytest

from eval.report.analyses import Analyses
from eval.report.confusion import ConfusionView, confusion_svg, matrix_data
from eval.report.plots import LEFT_OUT, draw
from eval.report.svg import LIGHT

HOSTILE = [
    "<script>alert(1)</script>",
    "$a$ & b",
    "a\0b\x1b\ud83e\n\r\t",
    "]]>&amp;",
    '" onload="alert(1)',
    "\U0001f938",
]


def evidence(name: str = "m", benchmark: str = "gym-qa", models: int = 2) -> Analyses:
    """Of every kind a picture a model, `name` in every text."""
    names = [name, *(f"{name} {number}" for number in range(1, models))]
    view = ConfusionView(name, (name, "up", "down"), np.array([[3, 1, 0], [0, 2, 0], [2, 0, 3]]), (name, name, "UB"))
    matrix = matrix_data(view, benchmark)
    assert matrix is not None
    every: dict[str, dict[str, Any]] = {
        "frames": {"points": [[2, 0.3, 0.2, 0.4], [8, 0.9, 0.8, 1.0]]},
        "reliability": {"error": 0.1, "bins": [[0.3, 0.6, 5], [0.9, 0.7, 20]]},
        "letters": {"letters": [["A", 0.7, 0.5], ["B", 0.3, 0.5]], "p": 0.5},
        "confusions": matrix,
    }
    found = Analyses()
    for kind, item in every.items():
        getattr(found, kind).extend({**item, "benchmark": benchmark, "model": one} for one in names)
    return found


def drawn(of: Analyses) -> list[str]:
    return [str(one) for one in draw(of, lambda benchmark: benchmark)[0]]


@cache
def plain_pictures() -> list[str]:
    """Of each kind one."""
    return drawn(evidence(models=1))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter("text")]


def test_of_each_model_there_is_a_picture_and_one_of_all_over_frames() -> None:
    found = [ET.fromstring(one).attrib for one in drawn(evidence())]
    assert [one["class"] for one in found] == ["frames", *["reliability"] * 2, *["letters"] * 2, *["confusions"] * 2]
    assert {one["role"] for one in found} == {"img"}
    assert [one["aria-label"].split(";")[0] for one in found[1:3]] == [
        "Reliability of m on gym-qa",
        "Reliability of m 1 on gym-qa",
    ]
    assert drawn(Analyses()) == []


def test_every_item_knows_its_picture() -> None:
    both, other = evidence(), evidence("other", "gym-new", 1)
    for kind, items in other.drawn().items():
        getattr(both, kind)[1:1] = items  # among those of the first benchmark
    pictures, places = draw(both, lambda benchmark: f"<{benchmark}>")
    assert places["frames"] == [0, 1, 0]
    for kind in ("reliability", "letters", "confusions"):
        labels = [ET.fromstring(pictures[place]).attrib["aria-label"] for place in places[kind]]
        for label, (model, benchmark) in zip(labels, [("m", "qa"), ("other", "new"), ("m 1", "qa")], strict=True):
            assert f" {model} on <gym-{benchmark}>" in label


@pytest.mark.slow
def test_pictures_beyond_the_budget_are_left_out_matrices_first() -> None:
    whole, places = draw(evidence(), str)
    budget = sum(len(one.encode()) for one in whole) - 1
    fewer, left = draw(evidence(), str, budget)
    assert fewer == whole[:-1]
    assert left == {**places, "confusions": [places["confusions"][0], LEFT_OUT]}


def test_after_one_that_did_not_fit_no_picture_of_its_kind_is_drawn() -> None:
    found = evidence(models=1)
    whole, places = draw(found, str)
    small = found.confusions[0]
    large = {**small, "names": [f"move {number}" for number in range(40)], "groups": [""] * 40}
    undrawable = {"benchmark": "gym-qa", "model": "no numbers"}
    found.confusions += [large, undrawable, {**small, "benchmark": "gym-new"}]
    room_for_another = sum(len(one.encode()) for one in [*whole, whole[-1]])
    fewer, left = draw(found, str, room_for_another)
    assert fewer == whole and left == {**places, "confusions": [*places["confusions"], *[LEFT_OUT] * 3]}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(name: str) -> None:
    plain, hostile = plain_pictures(), drawn(evidence(name, name, models=1))
    shape = [[(element.tag, list(element.attrib)) for element in ET.fromstring(one).iter()] for one in plain]
    assert [[(element.tag, list(element.attrib)) for element in ET.fromstring(one).iter()] for one in hostile] == shape
    shown = " ".join(re.sub("[\0\x1b\ud83e]", "\ufffd", name).split())
    assert shown in texts(hostile[0]) and shown in texts(hostile[-1])
    assert all(shown in ET.fromstring(one).attrib["aria-label"] for one in hostile)


def test_a_long_name_is_cut_and_whole_in_its_tooltip() -> None:
    pictures = drawn(evidence("n" * 90, models=1))
    for svg, most in ((pictures[0], 36), (pictures[-1], 44)):
        (element,) = [one for one in ET.fromstring(svg).iter("text") if one.text == "n" * (most - 1) + "…"]
        assert element.findtext("title") == "n" * 90


def test_the_same_results_give_the_same_bytes_whatever_the_reader_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plain_pictures()
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "font.weight", "bold")
    monkeypatch.setitem(matplotlib.rcParams, "grid.linestyle", ":")
    assert drawn(evidence(models=1)) == before
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["svg.fonttype"]) == (30, "path")


@pytest.mark.slow
def test_pictures_share_no_ids_and_refer_to_their_own() -> None:
    both = evidence()
    for kind, items in evidence("m", "gym-new").drawn().items():
        getattr(both, kind).extend(items)
    pictures = drawn(both)
    ids = [found for one in pictures for found in re.findall(r'\bid="([^"]+)"', one)]
    assert len(ids) == len(set(ids)) >= 2
    for one in pictures:
        assert set(re.findall(r'href="#([^"]+)"', one)) == set(re.findall(r'\bid="([^"]+)"', one))


def test_every_colour_is_the_pages_and_no_style_is_its_own() -> None:
    variables = {f"var(--{name})" for name in LIGHT}
    for one in plain_pictures():
        assert not re.search(r"style|url\(|font-family|clip|#[0-9a-f]{6}", one)
        colours = {value for element in ET.fromstring(one).iter() for key, value in element.attrib.items()
                   if key in ("fill", "stroke")}  # fmt: skip
        assert colours - {"none"} and colours - {"none"} <= variables


def test_a_matrix_has_a_square_for_each_cell_as_dark_as_it_is_frequent() -> None:
    root = ET.fromstring(plain_pictures()[-1])
    cells = [one for one in root.iter("path") if one.get("fill-opacity")]
    assert sum(one.attrib["d"].count("z") for one in cells) == 5
    wrong = [float(one.attrib["fill-opacity"]) for one in cells if one.get("fill") == "var(--wrong)"]
    right = [float(one.attrib["fill-opacity"]) for one in cells if one.get("fill") == "var(--accent)"]
    assert len(wrong) == 2 and max(wrong) < min(right)


@pytest.mark.slow
def test_a_matrix_in_a_file_has_all_classes_and_tells_of_every_cell(tmp_path: Path) -> None:
    names = tuple(f"<c> & {i}" for i in range(60))
    text = confusion_svg(ConfusionView("$a$", names, np.diag(np.full(60, 5))))
    root = ET.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    titles = [one.text for one in root.iter(f"{space}title")]
    assert titles[0] == "Confusion matrix of $a$" and {f"{name} → {name}: 5 of 5" for name in names} <= set(titles)
    shown = [one.text for one in root.iter(f"{space}text")]
    assert "$a$: 300 of 300 clips right" in shown and set(names) <= set(shown) and "59" in shown
    assert "var(" not in text
    assert confusion_svg(ConfusionView("$a$", names, np.diag(np.full(60, 5)))) == text
