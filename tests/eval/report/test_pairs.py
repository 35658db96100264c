"""Pairs of models: what is told apart agrees with the comparisons, and what ties or is near is named in the tiles."""

from dataclasses import replace
from typing import Any

import pytest

from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ModelRun
from eval.report.analyses import Analyses, analyse
from eval.report.page import Page, render
from eval.report.pairs import best_of, listed, pairs_of
from gymqa.questions.schema import Question
from tests.helpers.leaderboard_example import GUESSERS, answered, questions, run

ASKED = {"gym-qa": questions("gym-qa", 96)}


def compared(first: str, second: str, difference: float, p: float) -> dict[str, Any]:
    ends = {"difference": difference, "ci_low": difference - 0.02, "ci_high": difference + 0.03}
    return {"benchmark": "gym-qa", "first": first, "second": second, **ends, "p_holm": p}


def test_the_better_model_stands_first_with_its_interval_turned() -> None:
    ((pair,),) = [of.pairs for of in pairs_of([compared("a", "b", -0.1, 0.01)])]
    assert (pair.first, pair.second, pair.apart) == ("b", "a", True)
    assert (pair.difference, pair.low, pair.high) == pytest.approx((0.1, 0.07, 0.12))


@pytest.mark.parametrize(
    ("comparisons", "named", "absent"),
    [
        ([compared("a", "b", 0.1, 0.01)], ("a before b", "10.0", "is told apart"), ("pairs",)),
        ([compared("a", "b", 0.1, 0.5)], ("a before b", "10.0", "not told apart"), ("pairs",)),
        ([compared("a", "b", 0.1, 0.01), compared("a", "c", 0.3, 0.01)], ("all 2 pairs", "b by 10.0"), ("30.0",)),
        ([compared("a", "b", 0.1, 0.5), compared("a", "c", 0.3, 0.9)], ("none of the 2", "c by 30.0"), ("10.0",)),
        (
            [compared("a", "b", 0.05, 0.01), compared("a", "c", 0.3, 0.01), compared("c", "d", 0.1, 0.2)],
            ("2 of 3 pairs", "a before b by 5.0", "c before d by 10.0"),
            ("30.0",),
        ),
    ],
)
def test_the_sentence_is_about_the_pairs_that_are_there(
    comparisons: list[dict[str, Any]], named: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    (of,) = pairs_of(comparisons)
    assert all(text in of.says for text in named) and not any(text in of.says for text in absent)


def test_no_pair_of_the_page_contradicts_the_table() -> None:
    runs = [run("strong", "x", 95, ASKED), run("weak", "", 20, ASKED), run("weaker", "", 18, ASKED)]
    rows = build_rows(ASKED, runs, resamples=200)
    found = analyse(ASKED, runs, rows, resamples=200)
    (of,) = pairs_of(found.comparisons)
    ranks = {row.line.label: (row.rank_low, row.rank_high) for row in rows if row.metric == "accuracy"}
    assert ranks == {"strong · x": (1, 1), "weak": (2, 3), "weaker": (2, 3)}
    assert {(pair.first, pair.second): pair.apart for pair in of.pairs} == {
        ("strong · x", "weak"): True,
        ("strong · x", "weaker"): True,
        ("weak", "weaker"): False,
    }
    html = render(Page("t", tuple(rows), {}, analyses=found))
    assert of.says in html and "points apart" not in html
    assert html.count(">yes</td>") == 2 and html.count(">no</td>") == 1


def test_a_tie_is_named_and_so_is_what_is_not_told_apart() -> None:
    runs = [run("one", "", 60, ASKED), run("two", "", 60, ASKED), run("near", "", 58, ASKED), run("far", "", 9, ASKED)]
    rows = build_rows(ASKED, runs, GUESSERS, resamples=200)
    found = analyse(ASKED, runs, rows, resamples=200)
    (of,) = pairs_of(found.comparisons)
    best = best_of([row for row in rows if row.model in ("one", "two", "near", "far")], of.pairs)
    assert best is not None and (best.labels, best.near) == (("one", "two"), ("near",))
    html = render(Page("t", tuple(rows), {}, analyses=found))
    tile = html.split('class="tiles"')[1].split("</ul>")[0]
    assert "<b>one and two</b>" in tile and "tied" in tile and "not told apart from near<" in tile and "far" not in tile
    assert best_of([]) is None


def test_of_many_names_the_first_are_said() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"])] == [
        "a",
        "a and b",
        "a, b and c",
        "a, b, c and 2 more",
    ]


def test_a_table_of_many_pairs_says_how_many_there_are() -> None:
    many = [compared("a", f"m{number}", number / 100, 0.01) for number in range(1, 60)]
    html = render(Page("t", (), {}, analyses=Analyses(comparisons=many)))
    assert "m59" not in html  # without rows there is no table of accuracies, and no pairs below it
    rows = tuple(build_rows(ASKED, [ModelRun("a", "", {"gym-qa": answered(ASKED["gym-qa"], 60)})], resamples=10))
    html = render(Page("t", rows, {}, analyses=Analyses(comparisons=many)))
    assert html.count(">yes</td>") == 50 and "of 59" in html and "m59" in html and ">m9<" not in html


def three_choices(one: Question) -> Question:
    """The question without one of its wrong choices."""
    kept = [label for label in range(4) if label != (one.answer + 1) % 4]
    choices = tuple(one.choices[label] for label in kept)
    return replace(one, choices=choices, choice_labels=tuple(kept), answer=kept.index(one.answer))


def test_an_exact_value_says_what_the_interval_beside_it_is_about() -> None:
    asked = {"gym-qa": [three_choices(one) if i % 3 == 0 else one for i, one in enumerate(ASKED["gym-qa"])]}
    html = render(Page("t", tuple(build_rows(asked, (), GUESSERS, resamples=10)), {}))
    cells = html.split('class="ends">')[1:]
    assert len(cells) == 2 and all("other videos" in cell.split("</span></span>")[0] for cell in cells)
    same = render(Page("t", tuple(build_rows(ASKED, (), GUESSERS, resamples=10)), {}))
    assert ">exact</span>" in same and "other videos</span>" not in same
