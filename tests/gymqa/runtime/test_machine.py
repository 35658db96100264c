"""A run's record describes the machine well enough to judge its speed: CPU model, instruction sets, GPUs."""

import os
from pathlib import Path

import pytest

from gymqa.runtime import machine as machine_module
from gymqa.runtime.machine import FLAGS, cpu_flags, cpu_model, gpu_names, machine
from gymqa.runtime.precision import Precision
from gymqa.runtime.runs import environment

X86 = "processor\t: 0\nmodel name\t: Some(R) CPU @ 2.0GHz\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n\n"
ARM = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("text", "flags"), [(X86, ("avx2", "avx512f", "avx512_bf16", "amx_bf16")), (ARM, ("asimd", "bf16")), ("", ())]
)
def test_the_instruction_sets_that_matter_are_read(text: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_flags(tmp_path / "cpuinfo") == flags


def test_the_cpu_is_named_by_its_model_or_else_by_its_architecture(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(X86)
    assert cpu_model(tmp_path / "cpuinfo") == "Some(R) CPU @ 2.0GHz"
    assert cpu_model(tmp_path / "none")


def test_gpus_are_those_that_the_driver_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu_names.cache_clear()
    assert gpu_names() == ()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'Some GPU'\necho 'Some GPU'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    gpu_names.cache_clear()
    assert gpu_names() == ("Some GPU", "Some GPU")
    gpu_names.cache_clear()


def test_a_record_names_machine_and_precision() -> None:
    found = environment(3, "cpu", Precision("float32", "this CPU has no bf16 unit"))
    assert (found["precision"], found["precision_reason"]) == ("float32", "this CPU has no bf16 unit")
    assert "precision" not in environment(), "where nothing is computed in a chosen one"
    assert found["machine"] == machine()
    assert found["machine"]["processor"] == machine_module.cpu_model() and found["machine"]["cores"] == os.cpu_count()
    assert set(found["machine"]["flags"].split()) <= set(FLAGS)
    assert isinstance(found["machine"]["gpus"], list)
