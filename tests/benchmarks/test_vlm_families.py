"""The table of families says what was tried: how a clip is shown, where its times are, and why one is refused."""

from pathlib import Path

import pytest
from vlm_families import main

from eval.adapters.vlm.families import FAMILIES
from gymqa.io.files import read_json
from tests.helpers.places import ROOT


@pytest.mark.slow
def test_a_native_video_images_and_a_refusal_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["llava", "paligemma", "qwen2_5_vl", "udop"], tmp_path / "found.json")
    found = read_json(tmp_path / "found.json")["families"]
    assert (found["llava"]["shown"], found["llava"]["times"]) == ("images", "text")
    assert (found["qwen2_5_vl"]["shown"], found["qwen2_5_vl"]["times"]) == ("native video", "positions")
    assert found["udop"] == {"shown": "refused", "why": "not tried"} and "template" in found["paligemma"]["why"]
    assert max(found[name]["batch_difference"] for name in ("llava", "qwen2_5_vl")) < 1e-4
    printed = capsys.readouterr().out
    assert "| llava | images | text |" in printed and "tried (1): udop." in printed


def test_every_family_of_the_adapter_stands_in_the_committed_table() -> None:
    found = read_json(ROOT / "benchmarks" / "results" / "vlm_families.json")["families"]
    assert {name for name, one in found.items() if one.get("why") != "not tried"} == FAMILIES.keys()
    assert all(one["sees_order"] for one in found.values() if one["shown"] != "refused")
    page = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")
    assert all(f"| {name} | {one['shown']}" in page for name, one in found.items() if name in FAMILIES)
