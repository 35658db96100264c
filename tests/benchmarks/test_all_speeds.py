"""One command measures all speeds: it goes on after a failure and from where it was stopped."""

import importlib
from pathlib import Path

import all_speeds
import pytest
from all_speeds import ROOT, main
from speed_claims import BENCHMARKS, Benchmark, Claim

from gymqa.cli.arguments import build_parser
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json, write_text
from tests.helpers.naming import naming

SCRIPT = """
import json, sys
from pathlib import Path
out = next(word for word in sys.argv if word.startswith("--json=")).removeprefix("--json=")
with (Path(__file__).parent / "runs").open("a") as runs: runs.write("x")
Path(out).write_text(json.dumps({"ratios": [2.5, 5], "word": sys.argv[1]}))
"""
CLAIMS = (Claim("doubling", ("ratios", 0)), Claim("both", ("ratios", 1), over=("ratios", 0)))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a benchmark that works, one that does not, and a committed result."""
    write_text(tmp_path / "benchmarks" / "speed" / "good.py", SCRIPT)
    write_text(tmp_path / "benchmarks" / "speed" / "broken.py", "import sys\nsys.exit('gymqa: no such film')")
    write_json(tmp_path / "results" / "good.json", {"ratios": [7.25, 29]})
    benchmarks = {"broken": Benchmark((), CLAIMS), "good": Benchmark(("--short",), CLAIMS)}
    monkeypatch.setattr(all_speeds, "BENCHMARKS", benchmarks)
    monkeypatch.setattr(all_speeds, "ROOT", tmp_path)
    return tmp_path


def runs(checkout: Path) -> int:
    return len((checkout / "benchmarks" / "speed" / "runs").read_text())


def test_a_failure_is_named_and_the_others_stand_beside_the_committed_results(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GymQAError, match=naming("broken")):
        main(results=checkout / "results")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split(" | ")[-1] == "failed |"
    assert lines[4].split(" | ") == ["| doubling", "7.25 ×", "2 cores, CPU not recorded", "2.5 × |"]
    assert lines[5].split(" | ")[1::2] == ["4 ×", "2 × |"]
    [file] = (checkout / "results").glob("*/speeds.json")
    parts = read_json(file)["parts"]
    assert "no such film" in parts["broken"]["failed"]
    assert {"flags", "processor"} <= parts["good"]["environment"]["machine"].keys()
    assert read_json(checkout / "results" / "good.json") == {"ratios": [7.25, 29]}


def test_what_is_finished_is_run_anew_only_when_asked_or_when_its_short_form_changed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"only": ["good"], "results": checkout / "results", "out": checkout / "speeds.json"}
    main(**good)  # type: ignore[arg-type]
    main(**good)  # type: ignore[arg-type]
    assert runs(checkout) == 1
    main(**good, again=True)  # type: ignore[arg-type]
    assert runs(checkout) == 2
    monkeypatch.setitem(all_speeds.BENCHMARKS, "good", Benchmark(("--shorter",), CLAIMS))
    main(**good)  # type: ignore[arg-type]
    assert runs(checkout) == 3
    main(**good, again=True, show=True)  # type: ignore[arg-type]
    assert runs(checkout) == 3


def test_a_benchmark_without_its_claims_figure_has_failed(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_speeds.BENCHMARKS, "good", Benchmark((), (Claim("tripling", ("ratios", 2)),)))
    out = checkout / "speeds.json"
    with pytest.raises(GymQAError, match=naming("good")):
        main(["good"], results=checkout / "results", out=out)
    assert "tripling" in read_json(out)["parts"]["good"]["failed"]


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("'fast'", "flow_speed")):
        main(["fast"])


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_understands_its_short_form_and_writes_where_it_is_told(name: str, tmp_path: Path) -> None:
    benchmark, out = BENCHMARKS[name], tmp_path / "figures.json"
    parser = build_parser(importlib.import_module(name).main, name)
    given = parser.instantiate(parser.parse_args([*benchmark.short, f"--{benchmark.output}={out}"]))
    assert given[benchmark.output] == out


def test_every_claim_is_in_its_committed_result() -> None:
    for name, benchmark in BENCHMARKS.items():
        older = read_json(ROOT / "benchmarks" / "results" / f"{name}.json")
        assert [claim.text for claim in benchmark.claims if claim.value(older) is None] == []


def test_every_benchmark_is_measured_but_the_demo() -> None:
    scripts = {path.stem for path in (ROOT / "benchmarks" / "speed").glob("*.py") if "run_script(" in path.read_text()}
    assert scripts - BENCHMARKS.keys() == {"measure_demo"}
