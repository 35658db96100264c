"""Checkpoints for exact resuming (tensors and plain values, no pickles), and the mark of finished trainings.

`training.json` in a run's folder marks the run as finished, with its settings.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.io.files import atomic_path, read_json, write_json
from gymqa.runtime.fast_precision import can_compute
from gymqa.runtime.precision import BF16, changed_settings, named, recorded_precision, same_settings

LAST, STOPPED = Path("checkpoints") / "last.pt", Path("checkpoints") / "stopped.pt"  # in a run's folder
_FINISHED = "training.json"
PRECISION = "precision"  # entry of a checkpoint's state


def save_checkpoint(path: Path, settings: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a state (nested dicts of tensors and numbers) and the settings it belongs to, whole or not at all.

    Raises:
        GymQAError: it cannot be written, as on a full disk; an existing file is left unchanged.
    """
    with writing_reported(path), atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({"settings": _text(settings), "state": dict(state)}, file)
        except RuntimeError as error:  # torch's archive writer wraps the system's error
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


@contextmanager
def writing_reported(target: Path) -> Iterator[None]:
    """Raise GymQAError where the block cannot write `target`, a file or folder."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
        raise GymQAError(
            f"cannot write {target}: {reason}; free disk space and run the same command again; it resumes from the "
            "last checkpoint"
        ) from error


def restore(holders: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """Load a checkpoint's states into the parts of a run (model, optimizer, …).

    Args:
        holders: parts by name in the checkpoint.
        state: the checkpoint's states.
        path: file of the checkpoint, for messages.

    Raises:
        GymQAError: a state is of another architecture.
    """
    try:
        for name, holder in holders.items():
            holder.load_state_dict(state[name])
    except (RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise GymQAError(
            f"{path} is of another architecture ({str(error).splitlines()[0]}); choose another folder or remove it"
        ) from error


def copy_buffers(module: nn.Module) -> dict[str, Tensor]:
    """Copy a module's buffers; `load_state_dict(…, strict=False)` restores them."""
    state, names = module.state_dict(), {name for name, _ in module.named_buffers()}
    return {name: tensor.clone() for name, tensor in state.items() if name in names}


def load_checkpoint(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state in a checkpoint, or None when there is no such file.

    Its entry PRECISION is the precision in which the run computes, for an older checkpoint that of its settings.

    Raises:
        GymQAError: the file is damaged, or belongs to a run with other settings.
    """
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        there, state = json.loads(saved["settings"]), dict(saved["state"])
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise GymQAError(f"{path} is damaged; remove it to train from the start") from error
    asked, computed = json.loads(_text(settings)), state.get(PRECISION)
    if not same_settings(there, asked, computed):
        changed = changed_settings(there, asked, computed)
        raise GymQAError(f"{path} belongs to a run with another {changed}; choose another folder or remove it")
    return {PRECISION: named(there["precision"]), **state} if "precision" in there else state


def is_finished(out: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the folder holds the finished training of these settings.

    Raises:
        GymQAError: the folder holds a training of other settings.
    """
    if not (out / _FINISHED).exists():
        return False
    old, new, computed = read_json(out / _FINISHED), json.loads(_text(settings)), recorded_precision(out)
    if not same_settings(old, new, computed):
        changed = changed_settings(old, new, computed) if isinstance(old, dict) else "setting"
        raise GymQAError(f"{out} holds a model trained with another {changed}; choose another folder or remove it")
    return True


def mark_finished(out: Path, settings: Mapping[str, Any]) -> None:
    """Mark the training of these settings as finished; the last write of a run."""
    write_json(out / _FINISHED, dict(settings))


def trained_in_bf16(out: Path, device: str) -> bool:
    """Whether the finished training in a folder computed in bf16, and the device can, too.

    The folder records the precision; an older one has it among its settings.
    """
    precision = recorded_precision(out) or str(read_json(out / _FINISHED).get("precision"))
    return named(precision) == BF16 and can_compute(BF16, device)


def _text(settings: Mapping[str, Any]) -> str:
    """Settings as JSON text, so that tuples and lists compare equal."""
    return json.dumps(settings, sort_keys=True)
