"""The study on Weizmann: nobody is on two sides, and a tiny one runs from real clips to its figures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from weizmann_study import ALGORITHMS, STARTS, StudyConfig, labelled_people, main, people_of

from gymqa.errors import GymQAError
from gymqa.finegym.splits import read_splits
from tests.helpers.naming import naming

PEOPLE = ["a", "b", "c", "d", "e"]


def test_who_is_labelled_follows_from_the_seed_and_the_person_left_out() -> None:
    drawn = {(person, seed): labelled_people(PEOPLE, person, 2, seed) for person in PEOPLE for seed in range(9)}
    assert all(person not in found and len(set(found)) == 2 for (person, _), found in drawn.items())
    assert drawn == {(person, seed): labelled_people(PEOPLE, person, 2, seed) for person, seed in drawn}
    assert len({tuple(drawn["a", seed]) for seed in range(9)}) > 2
    with pytest.raises(GymQAError, match=naming("4 of 4", 1, 3)):
        labelled_people(PEOPLE, "a", 4, 0)


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path, 0)):
        people_of(tmp_path)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_three_people_two_actions_end_to_end(shared: Path, tmp_path: Path) -> None:
    people = ("daria", "ido", "lena")
    for action in ("bend", "wave2"):
        (tmp_path / "data" / action).mkdir(parents=True)
        for person in people:
            name = f"{action}/{person}_{action}.avi"
            (tmp_path / "data" / name).symlink_to(shared / "real" / "weizmann90" / name)
    training = StudyConfig().training
    tiny = StudyConfig(
        replace(
            training, model=replace(training.model, n_classes=2), steps=3, warm_up_steps=1, labelled_batch=2,
            unlabelled_batch=2,
        ),
        labelled_people=1,
    )  # fmt: skip
    main(tmp_path / "data", tmp_path / "run", tmp_path / "figures.json", 1, study=tiny)
    figures = json.loads((tmp_path / "figures.json").read_text())
    for person in people:
        splits = read_splits(tmp_path / "run" / "splits" / f"split-{person}-0")
        sides = [{clip.video_id for clip in side} for side in (splits.labelled, splits.unlabelled, splits.val)]
        assert sides[0] == set(figures["labelled_people"]["0"][person])
        assert sides[2] == {person}
        assert sorted(name for side in sides for name in side) == list(people)
    for start in STARTS:
        assert tuple(figures["top1"][start]) == ALGORITHMS
        assert set(figures["top1"][start]["sefar"]["folds"]) == set(people)
    assert (figures["clips"], figures["people"]) == (6, 3)
    models = sorted((tmp_path / "run" / "models").iterdir())
    assert len(models) == len(people) * len(STARTS) * len(ALGORITHMS)
    assert not any((model / "checkpoints").exists() for model in models)
