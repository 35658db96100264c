"""A disk that is full: no file may grow beyond some size (own file: several tests write to such a disk)."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file that this process writes may have more than `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def disk_full_at(step: int, batches: Any, size: int = 30_000) -> Iterator[None]:
    """The disk is full from the moment on when `batches`, a class, is asked for the batch of a step."""
    at = batches.at
    with ExitStack() as full, pytest.MonkeyPatch.context() as patch:

        def fills(self: object, asked: int) -> object:
            if asked == step:
                full.enter_context(full_disk(size))
            return at(self, asked)

        patch.setattr(batches, "at", fills)
        yield
