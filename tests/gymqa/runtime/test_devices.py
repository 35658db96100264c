"""Where tensors live: a device that is not there is one sentence, and accelerate takes the one that was chosen."""

import os

import pytest
import torch
from accelerate.utils import parse_flag_from_env

from gymqa.errors import GymQAError
from gymqa.runtime.devices import accelerate_on, choose_device
from tests.helpers.naming import naming


def test_without_a_name_the_gpu_is_taken_where_there_is_one() -> None:
    assert choose_device() == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:77", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(GymQAError, match=naming(f"'{name}'")):
        choose_device(name)


def test_accelerate_is_kept_to_the_cpu_only_while_it_is_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, "false"):
        monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
        if before is not None:
            monkeypatch.setenv("ACCELERATE_USE_CPU", before)
        with accelerate_on("cpu"):
            assert parse_flag_from_env("ACCELERATE_USE_CPU")
        with accelerate_on("cuda"):
            assert not parse_flag_from_env("ACCELERATE_USE_CPU")
        assert os.environ.get("ACCELERATE_USE_CPU") == before
