"""Run folders: configuration, environment record, resumable steps, log file and metrics.

Files: config.yaml  environment.json  log.txt  metrics.jsonl  steps/<step>.json (a step's stamp)
"""

import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import read_json, write_json, write_text
from gymqa.runtime.machine import machine
from gymqa.runtime.precision import Precision, same_settings

PACKAGES = ("gymqa", "torch", "transformers", "accelerate", "peft", "datasets", "decord", "av", "numpy")


def environment(seed: int | None = None, device: str = "cpu", precision: Precision | None = None) -> dict[str, Any]:
    """Return what is needed to reproduce a run: versions, git commit, seed, device, precision and type of machine.

    Packages are not imported; the machine is described by its type, never by its name.

    Args:
        seed: seed of the run.
        device: torch device.
        precision: of the computation; None where nothing is computed in a chosen one.
    """
    return {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
        "seed": seed,
        "device": device,
        **({} if precision is None else {"precision": precision.name, "precision_reason": precision.reason}),
        "machine": machine(),
    }


def _version(package: str) -> str | None:
    """Return a package's version, or None when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the git commit of the checkout that holds this file, or None outside a checkout or without git."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        result = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def require_writable(folder: Path) -> Path:
    """Create `folder` if absent and return it; called before long work whose results could not be saved.

    Raises:
        GymQAError: it cannot be created, is a file, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        reason = "it is a file" if folder.is_file() else error.strerror or str(error)
        raise GymQAError(f"cannot write in {folder}: {reason}; choose another folder with --out") from error


def _stamp(folder: Path, name: str) -> Path:
    """Return the path of step `name`'s stamp."""
    return folder / "steps" / f"{name}.json"


def _plain(value: Mapping[str, Any]) -> Any:
    """Return `value` after a JSON round trip, so that tuples and paths compare equal with what was read."""
    return json.loads(json.dumps(value, sort_keys=True, default=str))


def _read_stamp(folder: Path, name: str) -> dict[str, Any] | None:
    """Return the stamp of step `name`, or None if it is missing or unreadable (the step then runs again)."""
    try:
        stamp = read_json(_stamp(folder, name))
    except GymQAError:
        return None
    return stamp if isinstance(stamp, dict) and {"fingerprint", "done"} <= stamp.keys() else None


def step_done(folder: Path, name: str, fingerprint: Mapping[str, Any]) -> bool:
    """Whether step `name` was finished in this run folder with the same `fingerprint` (JSON; see `same_settings`)."""
    stamp = _read_stamp(folder, name)
    return stamp is not None and stamp["done"] is True and same_settings(stamp["fingerprint"], _plain(fingerprint))


def mark_done(folder: Path, name: str, fingerprint: Mapping[str, Any], seconds: float = 0.0) -> None:
    """Record that step `name` is finished; `seconds` is the time it took."""
    _write_stamp(folder, name, fingerprint, done=True, seconds=seconds)


def _write_stamp(folder: Path, name: str, fingerprint: Mapping[str, Any], done: bool, seconds: float) -> None:
    """Write the stamp of step `name`, started or done."""
    stamp = {"step": name, "done": done, "seconds": round(seconds, 3), "fingerprint": _plain(fingerprint)}
    write_json(_stamp(folder, name), stamp)


class Run:
    """A run folder whose steps run once: finished steps are skipped, interrupted ones resume, changed ones restart.

    Args:
        folder: the run folder; created if absent.
        config: a dataclass or mapping, written to config.yaml.
        seed: the run's seed, recorded in environment.json.
        device: the torch device, recorded in environment.json.
        precision: the precision of the computation, recorded in environment.json.

    Raises:
        GymQAError: the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        config: Any,
        seed: int | None = None,
        device: str = "cpu",
        precision: Precision | None = None,
    ) -> None:
        self.folder = require_writable(folder)
        write_text(folder / "config.yaml", yaml.safe_dump(resolved(config), sort_keys=False, allow_unicode=True))
        self.environment = environment(seed, device, precision)
        write_json(folder / "environment.json", self.environment)

    def log(self, sentence: str) -> None:
        """Print `sentence` and append it, with the time, to log.txt."""
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}\n")

    def step(
        self,
        name: str,
        settings: Mapping[str, Any],
        outputs: Sequence[str],
        work: Callable[[], None],
        after: Sequence[str] = (),
    ) -> bool:
        """Run `work` unless it was finished before with the same settings; return whether it ran.

        Args:
            name: the step's name; its stamp has the same.
            settings: JSON values that the outputs depend on.
            outputs: files or folders (relative to the run folder) that `work` writes. Outputs of a run with other
                settings are removed first; those of an interrupted run with the same settings are kept, so that
                `work` can resume.
            work: performs the step.
            after: steps whose outputs this one reads; when one of them changes, this one runs again.

        Raises:
            GymQAError: an output exists that no run wrote, or a step in `after` is not finished.
        """
        fingerprint = {"settings": dict(settings), "after": {step: self.digest(step) for step in after}}
        paths = [self._inside(output) for output in outputs]
        if all(path.exists() for path in paths) and step_done(self.folder, name, fingerprint):
            self.log(f"{name}: already there")
            return False
        stamp = _read_stamp(self.folder, name)
        if stamp is None:
            _refuse_foreign(paths)
        elif not same_settings(stamp["fingerprint"], _plain(fingerprint)):
            _remove(paths)
        _write_stamp(self.folder, name, fingerprint, done=False, seconds=0.0)
        began = time.monotonic()
        work()
        mark_done(self.folder, name, fingerprint, time.monotonic() - began)
        self.log(f"{name}: done in {time.monotonic() - began:.1f} s")
        return True

    def digest(self, name: str) -> str:
        """Return a short hash of a step's fingerprint, which includes those of the steps before it.

        Raises:
            GymQAError: the step has not been run in this folder.
        """
        stamp = _read_stamp(self.folder, name)
        if stamp is None or not stamp["done"]:
            raise GymQAError(f"step {name} is not finished in {self.folder}; run it first")
        return hashlib.blake2b(json.dumps(stamp["fingerprint"]).encode(), digest_size=8).hexdigest()

    def _inside(self, output: str) -> Path:
        """Return the path of an output, which must lie in the run folder, because changed outputs are removed."""
        path = self.folder / output
        root = self.folder.resolve()
        if root not in path.resolve().parents:
            raise ValueError(f"step output {output} lies outside the run folder")
        return path


def _refuse_foreign(outputs: Sequence[Path]) -> None:
    """Refuse to start a step whose outputs exist although it never ran in this folder."""
    for path in outputs:
        if path.exists():
            raise GymQAError(f"{path} exists, but no run wrote it; move it away or choose another folder with --out")


def _remove(outputs: Sequence[Path]) -> None:
    """Remove the outputs of an earlier run with other settings."""
    for path in outputs:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def resolved(config: Any) -> Any:
    """Convert a dataclass or mapping to plain values for YAML: dicts, lists, strings, numbers."""
    values = asdict(config) if is_dataclass(config) and not isinstance(config, type) else dict(config)
    return _plain(values) if values else {}


class MetricsLog:
    """Writer of metrics.jsonl: one JSON object per line, `step` first; a resumed run appends to the lines it keeps.

    Args:
        path: the file; created if absent.
        resume_step: the step the run resumes from; lines of later steps are dropped, because they are logged again.
    """

    def __init__(self, path: Path, resume_step: int = 0) -> None:
        self.path = path
        kept = [json.dumps(line) for line in read_metrics(path) if line["step"] <= resume_step]
        write_text(path, "".join(f"{line}\n" for line in kept))

    def add(self, step: int, **values: float | int | str) -> None:
        """Append the metrics of one step."""
        with self.path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": step, **values}) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file in order; a line cut short when the run was stopped is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines
