"""`--config`: a file of options builds on others, and what is said last wins; training counted in epochs."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gymqa.cli.arguments import call, config_layers
from gymqa.cli.commands.models.train import train
from gymqa.errors import GymQAError
from recognizers.config import TrainConfig, train_for_epochs
from tests.helpers.naming import naming


@dataclass(frozen=True)
class Inner:
    size: int = 1
    elements: tuple[int, ...] = (2, 2, 4)


@dataclass(frozen=True)
class Settings:
    inner: Inner = field(default_factory=Inner)
    rate: float = 0.1


def read(folder: Path, words: str, **files: str) -> tuple[str | None, bool, Settings]:
    """What a command gets from these files and words."""
    got: list[tuple[str | None, bool, Settings]] = []

    def command(name: str | None = None, quick: bool = False, *, settings: Settings) -> None:
        """Command.

        Args:
            name: a name.
            quick: a flag.
            settings: the others.
        """
        got.append((name, quick, settings))

    for file, text in files.items():
        path = folder / f"{file}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    call(command, words.format(here=folder).split(), "command")
    return got[0]


def test_a_file_wins_over_those_it_builds_on_and_words_win_over_files(tmp_path: Path) -> None:
    files = {
        "ground": "name: ground\nquick: true\nsettings: {rate: 1.0, inner: {size: 5, elements: [8]}}",
        "middle": "config: ground.yaml\nsettings: {inner: {size: 6}}",
        "other": "settings: {rate: 2.0}",
        "top": "config: [middle.yaml, other.yaml]\nname: top",
    }
    assert read(tmp_path, "--config {here}/top.yaml", **files) == ("top", True, Settings(Inner(6, (8,)), 2.0))
    _, _, settings = read(tmp_path, "--config {here}/top.yaml --settings.rate 3 --settings.inner.size 7", **files)
    assert settings == Settings(Inner(7, (8,)), 3.0)
    _, _, settings = read(tmp_path, "--config {here}/other.yaml --config {here}/middle.yaml", **files)
    assert settings == Settings(Inner(6, (8,)), 1.0)  # several --config, as before: the last one wins, with its layers


def test_layers_lie_where_the_file_says_whatever_folder_it_is_read_from(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "one.yaml").write_text("config: two.yaml\n")
    (tmp_path / "base" / "two.yaml").write_text("name: two\n")
    (tmp_path / "top.yaml").write_text("config: base/one.yaml\n")
    names = ["base/two.yaml", "base/one.yaml", "top.yaml"]
    assert config_layers(tmp_path / "top.yaml") == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("config: top.yaml", ("top.yaml",)),
        ("config: base.yaml", ("base.yaml", "top.yaml")),
        ("config: nowhere.yaml", ("top.yaml", "nowhere.yaml")),
        ("config: {a: 1}", ("top.yaml", {"a": 1})),
    ],
)
def test_layers_that_cannot_be_are_named(text: str, named: tuple[object, ...], tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        read(tmp_path, "--config {here}/top.yaml", top=text, base="config: top.yaml")


def test_an_unknown_setting_in_a_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("settings", "rat")):
        read(tmp_path, "--config {here}/top.yaml", top="config: base.yaml", base="settings: {rat: 1}")


def test_epochs_are_whole_batches_of_labelled_clips() -> None:
    # Gym99 at 5 %: 1,316 clips in batches of 8 are 164 steps an epoch
    config = train_for_epochs(TrainConfig(labelled_batch=8), 30, 5, 1316)
    assert (config.steps, config.warm_up_steps, config.steps_per_epoch) == (4920, 820, 164)
    assert train_for_epochs(TrainConfig(labelled_batch=8), 30, 0, 5).steps == 30
    with pytest.raises(GymQAError, match=naming("warm_up_epochs", "epochs", 5)):
        train_for_epochs(TrainConfig(), 5, 5, 100)


def test_a_name_and_single_settings_of_the_same_part_are_not_mixed(tmp_path: Path) -> None:
    for words, name, part in (
        ("--algorithm svformer --training.algorithm.threshold 0.5", "svformer", "training.algorithm"),
        ("--recognizer sefar_s --training.model.dim 8", "sefar_s", "training.model"),
    ):
        with pytest.raises(GymQAError, match=naming(name, part)):
            call(train, [str(tmp_path), str(tmp_path), *words.split()], "gymqa train")


def test_classes_that_no_split_counts_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("classes.txt", "training.model.n_classes")):
        call(train, [str(tmp_path), str(tmp_path), "--count_classes"], "gymqa train")
