"""Checkpoints: all a training run needs to go on exactly where it was; tensors and plain values, never a pickle.

`training.json` in a run's folder says that the run is finished, and with which settings.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gymqa.atomic import atomic_path, read_json, write_json
from gymqa.errors import GymQAError

_FINISHED = "training.json"


def save_checkpoint(path: Path, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a state (nested dicts of tensors and numbers) and the settings it belongs to, whole or not at all."""
    with atomic_path(path) as temporary:
        torch.save({"settings": _text(settings), "state": dict(state)}, temporary)


def load_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state in a checkpoint, or None when there is no such file.

    Raises:
        GymQAError: it is damaged, or belongs to a run with other settings.
    """
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        text, state = saved["settings"], saved["state"]
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise GymQAError(f"{path} is damaged; remove it to train from the start") from error
    if text != _text(settings):
        changed = _changed(json.loads(text), json.loads(_text(settings)))
        raise GymQAError(f"{path} belongs to a run with another {changed}; choose another folder or remove it")
    return dict(state)


def is_finished(out: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the folder holds the finished training of these settings.

    Raises:
        GymQAError: it holds that of others.
    """
    if not (out / _FINISHED).exists():
        return False
    old, new = read_json(out / _FINISHED), json.loads(_text(settings))
    if old != new:
        changed = _changed(old, new) if isinstance(old, dict) else "setting"
        raise GymQAError(f"{out} holds a model trained with another {changed}; choose another folder or remove it")
    return True


def mark_finished(out: Path, settings: Mapping[str, Any]) -> None:
    """Write that the training of these settings is finished in this folder; the last thing a run does."""
    write_json(out / _FINISHED, dict(settings))


def _text(settings: Mapping[str, Any]) -> str:
    """Settings as JSON text, so that tuples and lists compare equal."""
    return json.dumps(settings, sort_keys=True)


def _changed(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Names of the settings that differ."""
    return ", ".join(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
