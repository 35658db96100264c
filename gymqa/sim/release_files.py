"""Write the annotation files of a release in FineGym's formats: temporal annotation, categories, trees, lists."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gymqa.io.files import write_json, write_text
from gymqa.sim.elements import EVENTS
from gymqa.sim.repertoire import Repertoire


def write_annotations(folder: Path, repertoire: Repertoire, manifests: Iterable[dict[str, Any]]) -> None:
    """Write all annotation files; the val list is last, so that its presence means they are complete.

    Args:
        folder: folder of the annotations.
        repertoire: the elements of the setting.
        manifests: one per video, in the order of the lists; see `gymqa.sim.release`.
    """
    info: dict[str, Any] = {}
    lists: dict[str, list[str]] = {"T": [], "V": []}
    for manifest in manifests:
        video_id = manifest["video_id"]
        for action in manifest["events"]:
            info.setdefault(video_id, {})[f"E_{action['start']:06d}_{action['stop']:06d}"] = _action(action)
            lists[video_id[6]] += [f"{clip['id']} {clip['label']}" for clip in action["clips"]]
    setting, labels = repertoire.name, range(len(repertoire.elements))
    write_text(folder / "set_categories.txt", _lines(f"set: {i}; {name}" for i, name in repertoire.sets.items()))
    write_text(folder / "gym530_categories.txt", _lines(_category(repertoire, label) for label in labels))
    own = (f"Clabel: {label:3d}; {_category(repertoire, label, set_first=True)}" for label in labels)
    write_text(folder / f"{setting}_categories.txt", _lines(own))
    write_json(folder / "finegym_glabel_to_Qtree.json", {str(label): _tree(repertoire, label) for label in labels})
    write_text(folder / f"{setting}_train_element.txt", _lines(lists["T"]))
    write_json(folder / "finegym_annotation_info.json", info)
    write_text(folder / f"{setting}_val_element.txt", _lines(lists["V"]))


def _action(action: dict[str, Any]) -> dict[str, Any]:
    segments = {
        f"A_{clip['key']}": {"stages": len(clip["timestamps"]), "timestamps": clip["timestamps"]}
        for clip in action["clips"]
    }
    times = [[float(action["start"]), float(action["stop"])]]
    return {"event": EVENTS.index(action["event"]) + 1, "timestamps": times, "segments": segments}


def _category(repertoire: Repertoire, label: int, set_first: bool = False) -> str:
    element = repertoire.elements[label]
    parts = [f"Glabel: {label:3d}", f"set: {element.set_id:2d}"]
    return "; ".join([*(parts[::-1] if set_first else parts), f"({element.event}) {element.name}"])


def _tree(repertoire: Repertoire, label: int) -> dict[str, Any]:
    asked = repertoire.decisions(label)
    return {
        "BTcode": "".join(str(int(answer)) for _, answer in asked),
        "questions": [question for question, _ in asked],
        "code": f"GymSim.{label}",
    }


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
