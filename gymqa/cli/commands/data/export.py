"""`gymqa export`: a question set for the harnesses that others evaluate with."""

from pathlib import Path
from shlex import quote

from gymqa.hub.harness_export import export_lmms_eval, export_vlmevalkit


def lmms_eval(folder: Path, *, dataset: str, split: str = "val", videos: Path | None = None) -> None:
    """Write a task folder for lmms-eval: a YAML a tier, a group, and utils.py.

    Args:
        folder: to write; lmms-eval takes it by --include_path.
        dataset: folder that `gymqa hub push` wrote, or owner/name on the Hub.
        split: train, val or test.
        videos: release whose clips are shown; by default the folder that GYMQA_VIDEOS names when lmms-eval runs.
    """
    for group in export_lmms_eval(folder, dataset, split, videos):
        print(f"{folder}: --include_path {quote(str(folder))} --tasks {group}")


def vlmevalkit(folder: Path, *, dataset: str, split: str = "val", videos: Path | None = None) -> None:
    """Write a data set class for VLMEvalKit and its TSV.

    Args:
        folder: to write; its files go into VLMEvalKit's vlmeval/dataset.
        dataset: folder that `gymqa hub push` wrote, or owner/name on the Hub.
        split: train, val or test.
        videos: release whose clips are shown; by default the folder that GYMQA_VIDEOS names when VLMEvalKit runs.
    """
    for name in export_vlmevalkit(folder, dataset, split, videos):
        print(f"{folder}: gymqa_vlmevalkit.py, {name}.tsv")


COMMAND = {"lmms-eval": lmms_eval, "vlmevalkit": vlmevalkit}
