"""Export a question set to other harnesses: a task folder for lmms-eval, a data set class with TSV for VLMEvalKit.

Field names are those of lmms-eval (api/task.py, docs/guides/task_guide.md, evaluator_utils.py; it knows `cluster_key`
since pull request 989, January 2026) and VLMEvalKit (vlmeval/dataset/video_base.py, inference_video.py).
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import video_of
from gymqa.finegym.clip_ids import inside_path
from gymqa.hub.client import dataset_configs
from gymqa.hub.load import load_gym_qa
from gymqa.hub.question_dataset import parse_config
from gymqa.io.files import atomic_path
from gymqa.io.templates import write_filled
from gymqa.questions.schema import IMPORTED, LETTERS

_TEMPLATES = Path(__file__).parent / "templates"
TSV_COLUMNS = ("index", "video", "question", "candidates", "answer", "tier", "ids")


def export_lmms_eval(folder: Path, dataset: str, split: str, videos: Path | None, parser: Path) -> list[str]:
    """Write a folder for lmms-eval's `--include_path`: a task per tier, a group per setting, and utils.py.

    Args:
        folder: folder to write.
        dataset: a folder that `gymqa hub push` wrote, or owner/name on the Hub.
        split: split of the questions.
        videos: folder of the release with the clips; None uses $GYMQA_VIDEOS at run time.
        parser: folder of the package that reads replies, which is copied; it imports the standard library alone.

    Returns:
        The names of the groups.

    Raises:
        GymQAError: there is no such data set, or none of its configurations has the split.
    """
    configs = _with_split(dataset, split)
    where = str(Path(dataset).resolve()) if Path(dataset).is_dir() else dataset
    groups: dict[str, list[str]] = {}
    for config in configs:
        task = f"gymqa_{config}".replace("-", "_")
        groups.setdefault(f"gymqa_{parse_config(config)[0]}".replace("-", "_"), []).append(task)
        values = {"task": task, "dataset": where, "config": config, "split": split, "videos": _absolute(videos)}
        write_filled(folder / f"{task}.yaml", _TEMPLATES / "lmms_eval_task.yaml.j2", **values)
    for group, tasks in groups.items():
        write_filled(folder / f"{group}.yaml", _TEMPLATES / "lmms_eval_group.yaml.j2", group=group, tasks=tasks)
    write_filled(folder / "utils.py", _TEMPLATES / "lmms_eval_utils.py.j2")
    _copy_parser(parser, folder / "gymqa_parsing")
    return list(groups)


def export_vlmevalkit(folder: Path, dataset: str, split: str, videos: Path | None, parser: Path) -> list[str]:
    """Write the class GymQA and a TSV per setting; the column `tier` separates its questions.

    Arguments and errors are those of `export_lmms_eval`.

    Returns:
        The names of the data sets for VLMEvalKit's `--data`.
    """
    settings: dict[str, list[str]] = {}
    folders: dict[str, str] = {}
    for config in _with_split(dataset, split):
        setting, tier = parse_config(config)
        settings.setdefault(f"GymQA-{setting}", []).append(tier)
        folders[f"GymQA-{setting}"] = "" if tier == IMPORTED else "subactions"
    for name, tiers in settings.items():
        setting = name.removeprefix("GymQA-")
        rows = (row for tier in tiers for row in _tsv_rows(dataset, setting, split, tier))
        _write_tsv(folder / f"{name}.tsv", rows)
    write_filled(
        folder / "gymqa_vlmevalkit.py",
        _TEMPLATES / "vlmevalkit.py.j2",
        datasets=list(settings),
        folders=folders,
        videos=_absolute(videos),
    )
    _copy_parser(parser, folder / "gymqa_parsing")
    return list(settings)


def _copy_parser(package: Path, folder: Path) -> None:
    """Copy a package's modules; what they import of each other is imported from beside them."""
    own = re.compile(r"^from \w+(?:\.\w+)*\." + package.name + r"(?P<inner>\.\w+)? import", re.MULTILINE)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(package.glob("*.py")):
        code = own.sub(lambda found: f"from {found['inner'] or '.'} import", path.read_text("utf-8"))
        with atomic_path(folder / path.name) as temporary:
            temporary.write_text(code, "utf-8")


def _with_split(dataset: str, split: str) -> list[str]:
    found = [config for config, splits in dataset_configs(dataset).items() if split in splits]
    if not found:
        raise GymQAError(f"no configuration of {dataset} has the split {split!r}; choose another")
    return found


def _tsv_rows(dataset: str, setting: str, split: str, tier: str) -> Iterator[dict[str, Any]]:
    rows: Any = load_gym_qa(dataset, setting, split, tier, streaming=True)
    needed = [
        "id",
        "clip_id",
        "video_id",
        "text",
        "choices",
        "answer",
        "group",
        "video",
    ]  # reading all columns takes 50 times as long
    for row in rows.select_columns(needed):
        video_of(row["clip_id"])  # refuses ids that would lead out of the folder: VLMEvalKit builds a path from it
        clip = _mp4(row["video"]["path"]) if tier == IMPORTED else row["clip_id"]
        yield {
            "video": clip,
            "question": row["text"],
            "candidates": json.dumps(row["choices"]),
            "answer": LETTERS[row["answer"]],
            "tier": tier,
            "ids": json.dumps(
                {
                    "question_id": row["id"],
                    "video_id": row["video_id"],
                    "pair": row["group"] or row["id"],
                    "clip": clip,
                }
            ),  # as JSON, so that pandas takes none for a number
        }


def _mp4(path: str) -> str:
    """A video's path without its suffix, which VLMEvalKit adds.

    Raises:
        GymQAError: it is another than .mp4, or the path leaves the folder of videos.
    """
    inside = inside_path(path, path)
    if not inside.endswith(".mp4"):
        raise GymQAError(f"{path} is no .mp4, and VLMEvalKit reads no other videos; convert it, or use lmms-eval")
    return inside.removesuffix(".mp4")


def _write_tsv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, TSV_COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({"index": index, **row} for index, row in enumerate(rows))


def _absolute(videos: Path | None) -> str:
    return "" if videos is None else str(videos.resolve())
