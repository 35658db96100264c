"""Train a localizer and die by SIGKILL after some checkpoints: `killing_localizer.py ROOT STORE OUT CHECKPOINTS`."""

import os
import signal
import sys
from pathlib import Path

import torch

from recognizers.localization.segments import read_split
from recognizers.localization.snippet_store import SnippetStore
from recognizers.localization.training import train_localizer
from tests.helpers.localization_world import KILLED


def main(root: Path, store: Path, out: Path, checkpoints: int) -> None:
    """Train; the process ends within the write of the checkpoint after so many."""
    save, saves = torch.save, 0

    def counted(state: object, file: object) -> None:
        nonlocal saves
        saves += 1
        save(state, file)  # type: ignore[arg-type]
        if saves > checkpoints:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = counted  # type: ignore[assignment]
    train_localizer(SnippetStore(store), read_split(root, KILLED.level).train, out, KILLED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
