"""What goes to the Hub goes whole or not at all, under names that stay in their folder and with notes that are true."""

from pathlib import Path

import pytest
import yaml

from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ModelRun
from eval.report.hub_results import score_files
from gymqa.cli import main as cli
from gymqa.hub.question_dataset import config_name
from gymqa.questions.schema import MINIMAL_PAIRS, Answer, Prediction
from tests.helpers.loopback_hub import HubSite, hub_of_this_process
from tests.helpers.naming import does_name
from tests.helpers.questions import pair_of_questions
from tests.helpers.site_example import write_site_inputs

ODD_SETTINGS = ["../../a b", "gym99/x", "gym99\n", "a.b", "é"]


def words(folder: Path, *more: str, setting: str = "gym99") -> list[str]:
    results, asked = write_site_inputs(folder)
    return ["hub", "push-results", str(results / "watcher-8"), "--questions", str(asked), "--model_repo", "me/watcher",
            "--benchmark_repo", "me/gym-qa", "--setting", setting, "--leaderboard_repo", "me/board", *more]  # fmt: skip


@pytest.mark.parametrize("setting", ODD_SETTINGS)
def test_a_setting_that_leads_elsewhere_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    assert cli.main(words(tmp_path, setting=setting)) == 2
    printed = capsys.readouterr()
    assert does_name(printed.err, repr(setting))
    assert not printed.out


def test_a_settings_own_letters_are_taken() -> None:
    assert config_name("Gym_99-x", "twin") == "Gym_99-x-twin"


def test_the_notes_of_minimal_pairs_count_pairs() -> None:
    asked = pair_of_questions()
    answers = [Prediction.of(one, Answer(one.id, one.answer)) for one in asked]
    rows = build_rows({MINIMAL_PAIRS: asked}, [ModelRun("seer", "", {MINIMAL_PAIRS: answers})], resamples=50)
    (entry,) = yaml.safe_load(score_files(rows, "me/gym-qa", "gym99")[".eval_results/gym99-minimal-pairs.yaml"])
    assert entry["value"] == 1
    assert entry["notes"].startswith("accuracy of 1 pairs of questions, right where both are, 95 % interval ")


@pytest.mark.parametrize(("status", "why"), [(404, "data set"), (403, "token")])
def test_no_score_is_sent_where_the_results_cannot_follow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int, why: str
) -> None:
    with hub_of_this_process(HubSite(unwritable={"me/board": status})) as hub:
        assert cli.main(words(tmp_path, "--push_to_hub")) == 2
    printed = capsys.readouterr()
    assert does_name(printed.err, "me/board", why) and not printed.out
    assert not any("/commit/" in path for path in hub.requests) and hub.files == {}


def test_every_model_of_a_report_is_asked_for_before_the_first_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, asked = write_site_inputs(tmp_path)
    given = [str(results), "--questions", str(asked), "--out", str(tmp_path / "site"), "--resamples", "50",
             "--model_repo", "watcher=me/watcher", "sleeper=me/sleeper", "--benchmark_repo", "me/gym-qa",
             "--setting", "gym99", "--push_to_hub"]  # fmt: skip
    with hub_of_this_process(HubSite(unwritable={"me/sleeper": 404})) as hub:
        assert cli.main(["report", *given]) == 2
    assert hub.requests == ["/api/models/me/watcher/auth-check/write", "/api/models/me/sleeper/auth-check/write"]
    assert does_name(capsys.readouterr().err, "me/sleeper")
