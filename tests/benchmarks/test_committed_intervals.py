"""Committed differences that can be counted anew from their file are those that the present statistics give."""

import numpy as np
import pytest
from paired_comparison import compare

from gymqa.io.files import read_json
from tests.helpers.places import ROOT

CLIPS = 10  # of each person, one an action


@pytest.mark.parametrize("initial", ["scratch", "shipped"])
def test_the_weizmann_studys_differences_are_of_the_present_method(initial: str) -> None:
    study = read_json(ROOT / "benchmarks" / "results" / "weizmann_study.json")
    models, committed = study["top1"][initial], study["differences"][initial]
    people = sorted(models["sefar"]["folds"])
    assert len(people) == study["people"] and len(people) * CLIPS == study["clips"]
    points = {name: np.repeat([one["folds"][person] for person in people], CLIPS) for name, one in models.items()}
    pairs = [(first, second) for first, _, second in (name.partition(" - ") for name in committed)]
    found = compare(points, pairs, [person for person in people for _ in range(CLIPS)])
    for name, (first, second) in zip(committed, pairs, strict=True):
        one = found[f"{first} - {second}"]
        for part, value in committed[name].items():
            assert getattr(one, part) == pytest.approx(value, abs=1e-9), (name, part)
