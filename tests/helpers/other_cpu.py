"""A CPU with or without a bf16 unit, whatever this machine has; only the choice of a precision sees it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import gymqa.runtime.fast_precision


@contextmanager
def other_cpu(bf16: bool, slow: bool = False) -> Iterator[None]:
    """Choose as on a CPU whose flags name a bf16 unit or not; `slow`, where torch makes nothing of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gymqa.runtime.fast_precision, "cpu_flags", lambda: ("avx2", "amx_bf16") if bf16 else ("avx2",))
        patch.setattr(gymqa.runtime.fast_precision, "bf16_is_faster", lambda: not slow)
        yield
