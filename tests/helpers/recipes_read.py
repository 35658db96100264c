"""The recipes of the repository as `gymqa train` gets them, each parsed once."""

from functools import cache
from pathlib import Path
from typing import Any

from gymqa.cli.arguments import build_parser
from gymqa.cli.commands.models.train import train
from recognizers.config import TrainConfig
from recognizers.recipes import Recipe, read_recipes
from recognizers.ssl.algorithms import Algorithm, algorithm_named
from tests.helpers.places import RECIPES

PARSER = build_parser(train, "gymqa train")
BY_NAME = {recipe.name: recipe for recipe in read_recipes(RECIPES)}


@cache
def resolved(recipe: Recipe) -> Any:
    """A recipe as `gymqa train` gets it."""
    return PARSER.instantiate(PARSER.parse_args(recipe.arguments(Path("runs/recipes"))))


def values(name: str) -> Any:
    """The recipe of that name as `gymqa train` gets it."""
    return resolved(BY_NAME[name])


def algorithm_of(name: str) -> Algorithm:
    """What the recipe of that name trains with."""
    given = values(name)
    training: TrainConfig = given.training
    return training.algorithm if given.algorithm is None else algorithm_named(given.algorithm)
