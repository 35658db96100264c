"""Record of a report's parts in one JSON file a machine: finished parts are kept and failed ones named."""

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import read_json, write_json
from gymqa.runtime.fast_precision import fast_precision
from gymqa.runtime.machine import cpu_model
from gymqa.runtime.runs import environment


def results_folder(results: Path, device: str) -> Path:
    """The folder of this machine's files, named after its GPU, or its CPU where it computes on that."""
    name = cpu_model() if torch.device(device).type == "cpu" else torch.cuda.get_device_name(device)
    return results / re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class PartsRecord:
    """Parts by name: figures or the reason of a failure, seconds, settings, and the environment of each.

    Args:
        path: the JSON file, written anew after every part.
        device: torch device of the parts.
        seed: of the parts.

    Raises:
        GymQAError: the file is there and is no such record.
    """

    def __init__(self, path: Path, device: str, seed: int = 0) -> None:
        self.path = path
        threads = {"threads": torch.get_num_threads()}
        self._environment = environment(seed, device, fast_precision(device)) | threads
        self.parts: dict[str, dict[str, Any]] = {}
        if path.exists():
            found = read_json(path)
            if not isinstance(found, dict) or not isinstance(found.get("parts"), dict):
                raise GymQAError(f"{path} holds no parts of a report; move it away")
            self.parts = found["parts"]

    def figures(self, name: str) -> dict[str, Any]:
        """The figures of a part; empty where it failed or was not measured."""
        found: dict[str, Any] = self.parts.get(name, {}).get("figures", {})
        return found

    def finished(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Whether a part was measured with the same settings, by the code of the same commit."""
        part = self.parts.get(name, {})
        return "figures" in part and part["settings"] == dict(settings) and name not in self.of_other_commits()

    def failed(self, name: str) -> bool:
        """Whether a part was tried and gave no figures."""
        return "failed" in self.parts.get(name, {})

    def of_other_commits(self) -> list[str]:
        """The parts that code of another commit measured."""
        commit = self._environment["git_commit"]
        return [name for name, part in self.parts.items() if part["environment"]["git_commit"] != commit]

    def measure(self, name: str, settings: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]) -> None:
        """Do a part's work and write its figures, or why it failed, in place of what was there."""
        began = time.perf_counter()
        try:
            outcome: dict[str, Any] = {"figures": dict(work())}
        except Exception as error:  # the other parts are worth their time all the same
            outcome = {"failed": f"{type(error).__name__}: {error}"}
        seconds = round(time.perf_counter() - began, 1)
        about = {"seconds": seconds, "settings": dict(settings), "environment": self._environment}
        self.parts[name] = {**outcome, **about}
        write_json(self.path, {"parts": self.parts})
        said = f"failed: {outcome['failed']}" if "failed" in outcome else "done"
        console.print(f"{name}: {said} in {seconds:.0f} s", highlight=False, markup=False, soft_wrap=True)

    def require_all(self, names: list[str]) -> None:
        """Name the parts that failed.

        Raises:
            GymQAError: one of these failed.
        """
        failed = [name for name in names if self.failed(name)]
        if failed:
            raise GymQAError(f"{', '.join(failed)} failed; {self.path} says why, and the same command tries them again")


def chosen_parts(only: list[str], known: list[str]) -> list[str]:
    """The parts asked for, in the usual order; all if none are named.

    Raises:
        GymQAError: there is no part of this name.
    """
    unknown = [name for name in only if name not in known]
    if unknown:
        raise GymQAError(f"there is no part {unknown[0]!r}; choose from {', '.join(known)}")
    return [name for name in known if not only or name in only]
