"""Load question sets with `datasets`: gymqa's own from the Hub or a folder, rows of others' from the Hub."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datasets import Image, Video, get_dataset_config_names, get_dataset_split_names, load_dataset

from gymqa.errors import GymQAError
from gymqa.hub.client import ask_hub, dataset_configs, require_dataset, split_revision
from gymqa.hub.question_dataset import config_name, require_whole
from gymqa.questions.importing.rows import FILE, Row

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset


def load_gym_qa(
    path_or_repo: Path | str, setting: str, split: str = "val", tier: str = "random", streaming: bool = False
) -> "Dataset | IterableDataset":
    """Load the questions of a setting, split and tier: a row per question, a column per field of Question, and `video`.

    `video` has the feature `Video(decode=False)`: {"path": the clip's path inside a release, "bytes": None}. Prefix the
    path with your release's folder and cast the column to `Video()` to decode; loading does not need the videos.

    Args:
        path_or_repo: a folder that `gymqa hub push` wrote, or a data set on the Hub, owner/name.
        setting: gym99, gym288, gymsim24, ….
        split: train, val or test.
        tier: random, event, set, attribute, twin; decision, counting, direction, shape, minimal-pairs, released; or a
            benchmark's name, gym-qa-hard.
        streaming: read rows on demand, without a local copy.

    Raises:
        GymQAError: there is no such data set, configuration or split, a file is damaged, or the Hub cannot be reached.
    """
    config = config_name(setting, tier)
    configs = dataset_configs(path_or_repo)
    if config not in configs:
        raise GymQAError(f"{path_or_repo} has no questions {config}; it has {', '.join(configs)}")
    if split not in configs[config]:
        raise GymQAError(f"{config} of {path_or_repo} has no split {split!r}; it has {', '.join(configs[config])}")
    if Path(path_or_repo).is_dir():
        require_whole(Path(path_or_repo), config, split)
    rows = ask_hub(path_or_repo, lambda: load_dataset(str(path_or_repo), config, split=split, streaming=streaming))
    return rows.cast_column("video", Video(decode=False))


def load_rows(
    name: str, config: str | None = None, split: str | None = None, columns: Collection[str] = ()
) -> Iterator[Row]:
    """Rows of any data set on the Hub; videos and images stay undecoded, {"path": …}.

    Args:
        name: owner/name, or owner/name@revision.
        config: its configuration, if it has several.
        split: its split, if it has several.
        columns: columns to read; all if empty.

    Raises:
        GymQAError: there is no such data set, configuration or split, several and none is named, or the Hub cannot be
            reached.
    """
    repo, revision = split_revision(name)
    if not Path(repo).is_dir():  # which `datasets` would take for it
        require_dataset(repo, revision)
    configs = ask_hub(repo, lambda: get_dataset_config_names(repo, revision=revision))
    chosen = _one_of(repo, "configuration", "--config_name", config, configs)
    splits = ask_hub(repo, lambda: get_dataset_split_names(repo, chosen, revision=revision))
    part = _one_of(repo, "split", "--split", split, splits)
    rows = ask_hub(repo, lambda: load_dataset(repo, chosen, split=part, revision=revision))
    if columns:
        rows = rows.select_columns([one for one in rows.column_names if one in columns])
    for column, feature in rows.features.items():
        if isinstance(feature, Video | Image):
            rows = rows.cast_column(column, type(feature)(decode=False))
    for number, values in enumerate(rows, start=1):
        yield Row({FILE: chosen, **values}, f"hub:{name}", number, "row ")


def _one_of(repo: str, what: str, option: str, name: str | None, known: Sequence[str]) -> str:
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise GymQAError(f"{repo} has the {what}s {', '.join(known)}; name one by {option}")
    if name not in known:
        raise GymQAError(f"{repo} has no {what} {name!r}; it has {', '.join(known)}")
    return name
