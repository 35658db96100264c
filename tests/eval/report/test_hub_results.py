"""A model's results go to the Hub in the Hub's format, only when asked to, and without touching what else is there."""

import json
from pathlib import Path

import pytest
import yaml
from huggingface_hub import parse_eval_result_entries

from gymqa.cli import main as cli
from tests.helpers.loopback_hub import hub_of_this_process
from tests.helpers.naming import does_name
from tests.helpers.site_example import write_site_inputs


def words(folder: Path, *more: str, results: str = "watcher*") -> list[str]:
    found, asked = write_site_inputs(folder)
    named = [str(path) for path in sorted(found.glob(results))]
    return ["hub", "push-results", *named, "--questions", str(asked), "--model_repo", "me/watcher",
            "--benchmark_repo", "me/gym-qa", "--setting", "gym99", "--leaderboard_repo", "me/board", *more]  # fmt: skip


def test_nothing_is_sent_unless_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub_of_this_process() as hub:
        assert cli.main(words(tmp_path)) == 0, capsys.readouterr().err
    assert hub.requests == []
    printed = capsys.readouterr().out
    assert "me/watcher: .eval_results/gym99-random.yaml" in printed and "task_id: gym99-random" in printed
    assert "me/board: results/me/watcher/gym-qa.shuffled.8frames/gym-qa.result.json" in printed
    assert printed.endswith("nothing sent; --push_to_hub sends this\n")


def test_scores_and_results_arrive_in_the_hub_s_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub_of_this_process() as hub:
        assert cli.main(words(tmp_path, "--push_to_hub")) == 0, capsys.readouterr().err
    scores = {path for path in hub.files if path.startswith(".eval_results/")}
    assert scores == {".eval_results/gym99-random.yaml", ".eval_results/gym99-twin.yaml"}
    (entry,) = parse_eval_result_entries(yaml.safe_load(hub.files[".eval_results/gym99-random.yaml"]))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("me/gym-qa", "gym99-random", round(23 / 24, 4))
    assert entry.notes is not None and "24 questions" in entry.notes and "8 frames" in entry.notes
    found = json.loads(hub.files["results/me/watcher/gym-qa.none.2frames/gym-qa.result.json"])
    assert found["model"]["name"] == "watcher" and found["n_frames"] == 2
    assert len(hub.files["results/me/watcher/gym-qa.none.2frames/gym-qa.jsonl"].splitlines()) == 24
    assert hub.created == [] and "hf_secret" not in capsys.readouterr().out
    commits = [path for path in hub.requests if "/commit/" in path]
    assert commits == ["/api/models/me/watcher/commit/main", "/api/datasets/me/board/commit/main"]


def test_results_of_several_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words(tmp_path, results="*-shuffled")) == 2
    printed = capsys.readouterr().err
    assert does_name(printed, "sleeper, watcher · SeFAR")


def test_without_a_token_nothing_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub_of_this_process(token=None) as hub:
        assert cli.main(words(tmp_path, "--push_to_hub")) == 2
    assert hub.requests == [] and does_name(capsys.readouterr().err, "me/watcher", "HF_TOKEN")
