"""`gymqa export`: export a question set to other evaluation harnesses (lmms-eval, VLMEvalKit)."""

from pathlib import Path
from shlex import quote

from eval import parsing
from gymqa.hub.harness_export import export_lmms_eval, export_vlmevalkit

_PARSER = Path(parsing.__file__).parent


def lmms_eval(folder: Path, *, dataset: str, split: str = "val", videos: Path | None = None) -> None:
    """Write a task folder for lmms-eval: a YAML file per tier, a group, and utils.py.

    Args:
        folder: folder to write, for lmms-eval's --include_path.
        dataset: folder that `gymqa hub push` wrote, or owner/name on the Hub.
        split: train, val or test.
        videos: folder of the release with the clips; by default $GYMQA_VIDEOS when lmms-eval runs.
    """
    for group in export_lmms_eval(folder, dataset, split, videos, _PARSER):
        print(f"{folder}: --include_path {quote(str(folder))} --tasks {group}")


def vlmevalkit(folder: Path, *, dataset: str, split: str = "val", videos: Path | None = None) -> None:
    """Write a data set class for VLMEvalKit and its TSV.

    Args:
        folder: folder to write; copy its files to VLMEvalKit's vlmeval/dataset.
        dataset: folder that `gymqa hub push` wrote, or owner/name on the Hub.
        split: train, val or test.
        videos: folder of the release with the clips; by default $GYMQA_VIDEOS when VLMEvalKit runs.
    """
    for name in export_vlmevalkit(folder, dataset, split, videos, _PARSER):
        print(f"{folder}: gymqa_vlmevalkit.py, gymqa_parsing, {name}.tsv")


COMMAND = {"lmms-eval": lmms_eval, "vlmevalkit": vlmevalkit}
