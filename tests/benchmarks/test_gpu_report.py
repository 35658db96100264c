"""Every part of the report about a GPU runs at its smallest size, so that it runs on the day."""

from pathlib import Path
from typing import Any

import gpu_report
import pytest
import torch
from gpu_measuring import data_sheet_peak, largest_batch, operations, share_of_peak
from gpu_report import main, parts

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from tests.helpers.naming import naming

CPU = torch.device("cpu")


@pytest.mark.slow
def test_every_part_runs_at_its_smallest_size_and_none_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    main(smallest=True, device="cpu", out=out)
    found = read_json(out)["parts"]
    assert list(found) == list(parts(smallest=True))
    figures = {name: part["figures"] for name, part in found.items()}
    assert "failed" not in str(figures)
    for name in ("sefar_s_step", "sefar_b_step"):
        assert figures[name]["times_as_fast_as_plain"].keys() == {"float32", "bf16", "bf16_compiled"}
        assert max(figures[name]["differences"].values()) < 1e-4
    assert 0 <= figures["loading"]["share_of_time_waiting"] < 1
    assert figures["tuning_r128"]["parameters"] > figures["tuning_r64"]["parameters"]
    assert figures["fsdp2"]["parameters_are"] == ["DTensor"]
    assert "letters_4_questions_of_a_clip.questions_per_second" in capsys.readouterr().out
    before = out.stat().st_mtime_ns
    main(smallest=True, device="cpu", out=out)
    assert out.stat().st_mtime_ns == before
    assert not torch.distributed.is_initialized()


def test_a_part_that_fails_is_named_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def broken(*given: object) -> dict[str, Any]:
        asked.append(given)
        raise RuntimeError("the kernel is not for this GPU")

    monkeypatch.setattr(gpu_report, "VIDEO_PARTS", {"loading": broken, "extraction": lambda *given: {"clips": 3}})
    monkeypatch.setattr(gpu_report, "LLM_PARTS", {})
    for times in (1, 2):
        with pytest.raises(GymQAError, match=naming("loading")):
            main(smallest=True, device="cpu", out=tmp_path / "report.json")
        assert len(asked) == times
    found = read_json(tmp_path / "report.json")["parts"]
    assert "the kernel is not for this GPU" in found["loading"]["failed"]
    assert found["extraction"]["figures"]["clips"] == 3


def test_no_part_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    main(smallest=True, device="cpu", out=tmp_path / "report.json", minutes=0)
    assert not (tmp_path / "report.json").exists()


def test_full_sizes_on_a_cpu_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("--smallest")):
        main(device="cpu", out=tmp_path / "report.json")


def test_the_largest_batch_that_fits_is_taken() -> None:
    def work(batch: int) -> dict[str, int]:
        if batch > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"clips": batch}

    assert largest_batch(work, 8, CPU) == {"batch": 2, "clips": 2}
    never = largest_batch(lambda batch: work(batch + 2), 4, CPU)
    assert never["batch"] == 1 and "OutOfMemoryError" in never["failed"]
    other = largest_batch(lambda batch: {"clips": 1 // (batch - 4)}, 4, CPU)
    assert other["batch"] == 4 and "ZeroDivisionError" in other["failed"]


def test_shares_are_of_what_products_need_and_gpus_reach() -> None:
    left, right = torch.ones(3, 5), torch.ones(5, 7)
    assert operations(lambda: left @ right) == 2 * 3 * 5 * 7
    found = share_of_peak(10**12, {"seconds": [0.5, 0.25, 4]}, {"measured": 8.0, "data_sheet": None})
    assert found == {"tflops_per_second": 2, "share_of_measured_peak": 0.25, "share_of_data_sheet_peak": None}
    assert [data_sheet_peak(f"NVIDIA {name}") for name in ("A100-SXM4-80GB", "L40S", "L4", "A10G", "T1000")] == [
        312, 362, 121, 70, None,
    ]  # fmt: skip
