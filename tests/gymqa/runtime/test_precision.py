"""The precision is chosen for the device, said in a line, and what was finished in another one stays finished."""

from pathlib import Path

import pytest
import torch

from gymqa.errors import GymQAError
from gymqa.runtime.fast_precision import bf16_is_faster, choose_precision
from gymqa.runtime.precision import bf16_or, known, same_settings
from gymqa.runtime.runs import Run
from tests.helpers.naming import does_name, naming
from tests.helpers.other_cpu import other_cpu


@pytest.mark.parametrize(
    ("bf16", "slow", "chosen", "why"),
    [(False, False, "float32", "no"), (True, False, "bf16", "amx_bf16"), (True, True, "float32", "amx_bf16")],
)
def test_a_cpu_computes_in_bf16_if_it_has_a_unit_that_is_faster(bf16: bool, slow: bool, chosen: str, why: str) -> None:
    with other_cpu(bf16, slow):
        found = choose_precision("auto", "cpu")
    assert found.name == chosen and "\n" not in str(found)
    assert does_name(str(found), chosen, why)


@pytest.mark.parametrize(("capability", "chosen"), [((7, 5), "float32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_computes_in_bf16_from_compute_capability_8(
    capability: tuple[int, int], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    assert choose_precision("auto", "cuda:1").name == chosen
    assert does_name(choose_precision("auto", "cuda").reason, "Some", "GPU", f"{capability[0]}.{capability[1]}")


def test_the_clock_compares_both_precisions_on_this_machine() -> None:
    assert bf16_is_faster() in (True, False)


def test_a_named_precision_is_taken_and_the_older_name_means_the_same() -> None:
    for name, found in (("bf16", "bf16"), ("fp16", "fp16"), ("float32", "float32"), ("no", "float32")):
        with other_cpu(bf16=name != "bf16"):
            assert choose_precision(name, "cpu").name == found
    assert known("no") == "float32"
    with pytest.raises(GymQAError, match=naming("int8", "auto", "bf16")):
        known("int8")


def test_a_run_goes_on_in_the_precision_in_which_it_began() -> None:
    with other_cpu(bf16=False):
        found = choose_precision("auto", "cpu", begun="bf16")
        assert found.name == "bf16" and does_name(found.reason, "began", "float32")
    with other_cpu(bf16=True):
        assert choose_precision("auto", "cpu", begun="no").name == "float32"


def test_a_device_that_cannot_go_on_in_the_precision_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (6, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(GymQAError, match=naming("bf16", "cuda")):
        choose_precision("auto", "cuda", begun="bf16")


def test_the_older_flag_means_bf16_and_does_not_contradict() -> None:
    assert (bf16_or("auto", False), bf16_or("auto", True), bf16_or("no", False)) == ("auto", "bf16", "float32")
    for precision, flag in (("float32", True), ("fp16", False)):
        with pytest.raises(GymQAError, match=naming(precision)):
            bf16_or(precision, flag)


@pytest.mark.parametrize(
    ("there", "asked", "computed", "same"),
    [
        ("bf16", "auto", None, True),
        ("no", "auto", None, True),
        ("no", "float32", None, True),
        ("bf16", "float32", None, False),
        ("auto", "auto", "bf16", True),
        ("auto", "bf16", "bf16", True),
        ("auto", "float32", "bf16", False),
        ("auto", "bf16", None, False),
    ],
)
def test_auto_is_satisfied_by_any_precision_and_a_named_one_by_its_own(
    there: str, asked: str, computed: str | None, same: bool
) -> None:
    def settings(precision: str) -> dict[str, object]:
        return {"steps": 3, "training": {"precision": precision, "parts": [1, 2]}}

    assert same_settings(settings(there), settings(asked), computed) is same
    assert not same_settings({**settings(there), "steps": 4}, settings(asked), computed)
    assert not same_settings(settings(there), {**settings(asked), "more": 1}, computed)


def test_a_step_that_a_named_precision_finished_is_not_made_anew_by_auto_nor_what_follows_it(tmp_path: Path) -> None:
    ran: list[str] = []

    def steps(precision: str) -> list[str]:
        run = Run(tmp_path / "run", {"precision": precision})
        ran.clear()
        run.step("train", {"training": {"precision": precision}}, [], lambda: ran.append("train"))
        run.step("test", {}, [], lambda: ran.append("test"), after=["train"])
        return list(ran)

    assert steps("bf16") == ["train", "test"]
    assert steps("auto") == steps("bf16") == []
    assert steps("float32") == ["train", "test"]
    assert steps("auto") == steps("no") == []
