"""Settings built in Python are checked as those of the command line are: a Literal takes its own values only."""

import typing
from dataclasses import fields, replace
from typing import Any, Literal

import pytest

from encoders.tuning.config import AlignmentSettings, FinetuneSettings
from gymqa.errors import GymQAError
from gymqa.frames.cache_format import CacheSettings
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.registry import FAMILIES
from recognizers.config import TrainConfig
from recognizers.factory import family_named
from recognizers.localization.config import LocalizationConfig
from recognizers.ssl import algorithms
from recognizers.ssl.algorithms import Algorithm
from tests.helpers.naming import naming

SETTINGS: list[Any] = [
    Algorithm(), TrainConfig(), FinetuneSettings(), AlignmentSettings(), ReleaseConfig(), LocalizationConfig(),
    CacheSettings(48, 4), *(family_named(family)() for family in FAMILIES),
]  # fmt: skip


def literals(settings: Any) -> list[str]:
    hints = typing.get_type_hints(type(settings))
    return [field.name for field in fields(settings) if field.init and typing.get_origin(hints[field.name]) is Literal]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: type(one).__name__)
def test_a_literal_field_takes_none_but_its_values(settings: Any) -> None:
    for name in literals(settings):
        with pytest.raises(GymQAError, match=naming(name, "'softmatch'")):
            replace(settings, **{name: "softmatch"})


def test_most_settings_have_such_fields() -> None:
    without = {type(settings).__name__ for settings in SETTINGS if not literals(settings)}
    assert without == {"STGCNConfig"}  # sees skeletons alone


@pytest.mark.parametrize("part", ["weighting", "teacher", "view", "consistency"])
def test_an_algorithm_refuses_a_part_that_does_not_exist(part: str) -> None:
    with pytest.raises(GymQAError, match=naming("softmatch")):
        replace(Algorithm("mine", unlabelled_weight=1.0), **{part: "softmatch"})  # type: ignore[arg-type]


def test_every_weighting_rule_is_a_file_of_its_folder() -> None:
    assert set(algorithms.WEIGHTINGS) == {"adaptive", "confidence", "fixed", "flexmatch", "none"}
    with pytest.raises(GymQAError, match=naming("'flexmach'", "flexmatch")):
        Algorithm(weighting="flexmach")
