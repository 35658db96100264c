"""Files of options are read strictly: nothing in them is ignored, overridden within a file, expanded or imported."""

import io
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from gymqa.cli.arguments import call
from gymqa.cli.commands.models.train import train
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from tests.helpers.naming import does_name, naming

MODULE = "module_named_in_a_recipe"


def said_of(text: str, folder: Path, command: str = "train splits frames") -> str:
    """What a command prints that refuses a file of options with this text."""
    file = folder / "options.yaml"
    file.write_text(text, encoding="latin-1")
    with redirect_stderr(io.StringIO()) as printed:
        assert main([*command.split(), "--config", str(file)]) == 2
    return printed.getvalue()


@pytest.mark.parametrize(
    "place",
    [
        "{model: {class_path: NAME}}",
        "{model: NAME}",
        "{class_path: NAME}",
        "NAME",
        "{augment: {class_path: NAME}}",
        "{algorithm: NAME}",
    ],
)
def test_no_module_is_imported_because_a_file_names_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{MODULE}.py").write_text(
        "from recognizers.backbones.sefar import SeFARConfig\nclass Config(SeFARConfig): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    said = said_of(f"training: {place}".replace("NAME", f"{MODULE}.Config"), tmp_path)
    assert does_name(said, f"{MODULE}.Config") and MODULE not in sys.modules
    with pytest.raises(GymQAError, match=naming(f"{MODULE}.Config")):
        call(train, ["splits", "frames", "--training.model", f"{MODULE}.Config"], "gymqa train")
    assert MODULE not in sys.modules


@pytest.mark.parametrize("name", ["TSNConfig", "recognizers.backbones.tsn.TSNConfig"])
def test_families_of_recognizers_are_named_with_or_without_their_module(name: str, tmp_path: Path) -> None:
    said = said_of(f"training: {{model: {{class_path: {name}, init_args: {{segments: 5}}}}}}", tmp_path)
    assert does_name(said, "splits/labelled.txt")  # all of the file is taken


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("training: [1]", ("training", "[1]")),
        ("training:\n  - steps: 3", ("training", "[{'steps': 3}]")),
        ("- training: {steps: 3}", ("options.yaml",)),
        ("training: 5", ("training", "5")),
        ("training: null", ("training", "None")),
        ("training: {augment: [1]}", ("training.augment", "[1]")),
        ("training: {model: {dict_kwargs: {a: 1}}}", ("training.model.dict_kwargs",)),
        ("count_classes: 'false'", ("count_classes", "'false'")),
        ("training: {steps: 3, seed: 1, steps: 4}", ("options.yaml", "steps", "line 1")),
        ("out: a\nepochs: 3\nout: b", ("options.yaml", "out", "line 3")),
        ("", ("options.yaml",)),
        ("training: &a {augment: *a}", ("options.yaml", "*a")),
        ("a: &a [x]\nb: &b [*a, *a]\nout: [*b, *b]", ("options.yaml", "*a", "line 2")),
        ("training: " + "[" * 100_000, ("options.yaml", "32")),
        ("training: " + "{a: " * 3_000 + "1" + "}" * 3_000, ("options.yaml", "32")),
        ("out: \xff", ("options.yaml",)),
        ('config: ["a\\0b"]', ("options.yaml", "NUL")),
    ],
)
def test_what_would_be_ignored_or_expanded_is_refused(text: str, named: tuple[str, ...], tmp_path: Path) -> None:
    assert does_name(said_of(text, tmp_path), *named)


def test_an_option_of_several_values_takes_a_list(tmp_path: Path) -> None:
    said = said_of("controls: none", tmp_path, "evaluate --model first --questions x.jsonl")
    assert does_name(said, "options.yaml", "controls", "[none]")
