"""load_gym_qa: load a question set from the Hub or a folder as a Hugging Face `datasets` Dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from datasets import Video, load_dataset

from gymqa.errors import GymQAError
from gymqa.hub.client import ask_hub, dataset_configs
from gymqa.hub.question_dataset import config_name, require_whole

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
