"""The leaderboard's command sends results to the Hub as `gymqa hub push-results` does: only when told to."""

from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from gymqa.cli import main as cli
from tests.helpers import warm
from tests.helpers.loopback_hub import hub_of_this_process
from tests.helpers.naming import does_name
from tests.helpers.places import ROOT
from tests.helpers.site_example import write_site_inputs


def words(folder: Path, *more: str) -> list[str]:
    """The leaderboard of both models, of which `watcher` has a place on the Hub."""
    results, asked = write_site_inputs(folder)
    site = [str(results), "--questions", str(asked), "--out", str(folder / "site"), "--resamples", "50"]
    hub = ["--model_repo", "watcher=me/watcher", "--benchmark_repo", "me/gym-qa", "--setting", "gym99"]
    return [*site, *hub, *more]


@pytest.mark.slow
def test_what_would_be_sent_is_printed_and_nothing_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub_of_this_process() as hub:
        assert cli.main(["report", *words(tmp_path, "--leaderboard_repo", "me/board")]) == 0, capsys.readouterr().err
    assert hub.requests == [] and (tmp_path / "site" / "index.html").is_file()
    printed = capsys.readouterr().out
    assert "me/watcher: .eval_results/gym99-random.yaml\n- dataset:\n    id: me/gym-qa\n" in printed
    assert "me/board: results/me/watcher/gym-qa.shuffled.8frames/gym-qa.result.json\n" in printed
    assert "sleeper" not in printed.partition("index.html\n")[2] and "hf_secret" not in printed
    assert printed.endswith("nothing sent; --push_to_hub sends this\n")


@pytest.mark.slow
def test_both_models_are_sent_where_both_have_a_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = words(tmp_path, "--leaderboard_repo", "me/board", "--push-to-hub")
    given.insert(given.index("watcher=me/watcher"), "sleeper=me/sleeper")
    with hub_of_this_process() as hub:
        assert cli.main(["report", *given]) == 0, capsys.readouterr().err
    commits = [path for path in hub.requests if "/commit/" in path]
    board = "/api/datasets/me/board/commit/main"
    assert commits == ["/api/models/me/sleeper/commit/main", board, "/api/models/me/watcher/commit/main", board]
    (entry,) = parse_eval_result_entries(yaml.safe_load(hub.files[".eval_results/gym99-random.yaml"]))
    assert (entry.dataset_id, entry.value) == ("me/gym-qa", round(23 / 24, 4))
    assert "results/me/sleeper/gym-new.none/gym-new.result.json" in hub.files


@pytest.mark.parametrize(
    ("replaced", "by", "why"),
    [
        ("watcher=me/watcher", "me/watcher", ("sleeper, watcher · SeFAR", "MODEL=me/watcher")),
        ("watcher=me/watcher", "dozer=me/dozer", ("'dozer'", "sleeper, watcher")),
        ("watcher=me/watcher", "watcher=nobody", ("'nobody'", "owner/name")),
        ("me/gym-qa", "gym-qa", ("'gym-qa'",)),
        ("--benchmark_repo", "--leaderboard_repo", ("--model_repo", "--benchmark_repo")),
        ("gym99", "", ("--setting", "--finegym")),
        ("--resamples", "--leaderboard_repo", ("'50'",)),
    ],
)
def test_what_the_hub_cannot_take_is_refused_before_the_site_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], replaced: str, by: str, why: tuple[str, ...]
) -> None:
    given = [by if word == replaced else word for word in words(tmp_path)]
    assert cli.main(["report", *given]) == 2
    assert does_name(capsys.readouterr().err, *why) and not (tmp_path / "site" / "index.html").exists()


def test_scores_under_controls_alone_are_no_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = words(tmp_path)
    given[0] += "/watcher-shuffled"
    assert cli.main(["report", *given]) == 2
    assert does_name(capsys.readouterr().err, "watcher · SeFAR")


def test_two_models_do_not_share_a_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = words(tmp_path)
    given.insert(given.index("watcher=me/watcher"), "sleeper=me/watcher")
    assert cli.main(["report", *given]) == 2
    assert does_name(capsys.readouterr().err, "me/watcher", "sleeper, watcher · SeFAR")


def test_without_a_token_nothing_is_scored_or_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert cli.main(["report", *words(tmp_path, "--push-to-hub")]) == 2
    assert does_name(capsys.readouterr().err, "me/watcher", "HF_TOKEN")
    assert not (tmp_path / "site" / "index.html").exists()


def test_push_results_sends_no_half_where_the_data_set_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, asked = write_site_inputs(tmp_path)
    given = [str(results / "watcher-8"), "--questions", str(asked), "--model_repo", "me/watcher", "--benchmark_repo",
             "me/gym-qa", "--setting", "gym99", "--leaderboard_repo", "board", "--push_to_hub"]  # fmt: skip
    with hub_of_this_process() as hub:
        assert cli.main(["hub", "push-results", *given]) == 2
    assert hub.requests == [] and does_name(capsys.readouterr().err, "'board'")


@pytest.mark.slow
def test_the_script_has_the_option(tmp_path: Path) -> None:
    ran = warm.run([str(ROOT / "scripts" / "leaderboard.py"), *words(tmp_path)])
    assert ran.returncode == 0, ran.stderr
    assert "me/watcher: .eval_results/gym99-twin.yaml" in ran.stdout
    assert ran.stdout.endswith("nothing sent; --push_to_hub sends this\n")
