"""What an endpoint was paid stands in the result, each reply once: over processes, kills, runs that share it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.metrics.columns import read_columns
from eval.run.response_cache import ResponseCache
from eval.run.results import Cost, load_result, result_path, sentence, total
from eval.run.runner import run
from gymqa.cli.main import main
from gymqa.questions.files import from_line, load_predictions, save_questions, to_line
from gymqa.questions.schema import Detail, Prediction, Question, Tokens
from tests.helpers.asked import Scripted, questions
from tests.helpers.loopback_openai import Body, Endpoint, completion, serve_endpoint
from tests.helpers.places import ROOT
from tests.helpers.questions import question

PROCESS = "import sys; from gymqa.cli.main import main; sys.exit(main(sys.argv[1:]))"
N = 8


def distinct(n: int = N) -> list[Question]:
    """Questions of which no two are asked in the same words."""
    return [replace(question(f"q{i}", (0, 1, 2), 1, f"clip{i}"), text=f"Which, {i}?") for i in range(n)]


def model(endpoint: Endpoint, replies: Path, **settings: float) -> OpenAIModel:
    quick = ApiSettings(base_url=endpoint.url, key_variable="NO_SUCH_KEY", tries=1, **settings)  # type: ignore[arg-type]
    return OpenAIModel("m", "m", None, quick, responses=ResponseCache(replies))


def paid(out: Path) -> Cost:
    found = load_result(result_path(out)).paid
    assert found is not None
    return found


def test_a_result_sums_the_tokens_of_its_answers(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with serve_endpoint(Endpoint()) as endpoint:
        predictions = run(model(endpoint, tmp_path, input_price=2.0, output_price=10.0), distinct(), out, 3)
    assert {one.detail.tokens for one in predictions if one.detail} == {Tokens(1000, 2)}
    found = paid(out)
    assert (found.replies, found.paid_before, found.prompt_tokens, found.completion_tokens) == (N, 0, 1000 * N, 2 * N)
    assert found.cost == pytest.approx(N * 0.00202)
    assert load_predictions(out) == predictions and len(read_columns(out).choice) == N


def test_what_failed_and_is_asked_again_adds_its_own_tokens_only(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with serve_endpoint(Endpoint(first=[500, 500])) as endpoint:
        run(model(endpoint, tmp_path), distinct(), out)
        assert (paid(out).replies, len(load_result(result_path(out)).open)) == (N - 2, 2)
        run(model(endpoint, tmp_path), distinct(), out)
    assert (paid(out).replies, paid(out).prompt_tokens, paid(out).cost) == (N, 1000 * N, None)


def test_replies_that_were_kept_but_not_yet_answered_with_when_a_run_was_stopped_are_its_own(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with serve_endpoint(Endpoint()) as endpoint:
        stopped = model(endpoint, tmp_path)
        stopped.pay_for(str(out))
        stopped.answer(distinct()[:3])  # the process ends here, before the batch is on disk
        run(model(endpoint, tmp_path), distinct(), out)
    assert len(endpoint.bodies) == N and (paid(out).replies, paid(out).paid_before) == (N, 0)


def test_another_run_with_the_same_replies_paid_nothing(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    with serve_endpoint(Endpoint()) as endpoint:
        run(model(endpoint, tmp_path), distinct(5), one)
        run(model(endpoint, tmp_path, input_price=1.0), distinct(), other)
    assert len(endpoint.bodies) == N
    assert (paid(one).replies, paid(one).paid_before) == (5, 0)
    assert (paid(other).replies, paid(other).paid_before, paid(other).prompt_tokens) == (3, 5, 3000)
    assert paid(other).cost == pytest.approx(0.003)
    counts = [one.detail.tokens for one in load_predictions(other) if one.detail]
    assert counts == [Tokens(1000, 2, True)] * 5 + [Tokens(1000, 2)] * 3


def test_replies_that_were_kept_before_there_were_payers_are_read(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with serve_endpoint(Endpoint()) as endpoint:
        model(endpoint, tmp_path).answer(distinct())
        kept = tmp_path / "replies.jsonl"
        lines = [json.loads(line) for line in kept.read_text().splitlines()]
        for line in lines:
            reply = json.loads(line["reply"])
            del reply["payer"]
            line["reply"] = json.dumps(reply)
        kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
        run(model(endpoint, tmp_path), distinct(), out)
    assert len(endpoint.bodies) == N and (paid(out).replies, paid(out).paid_before) == (0, N)


@pytest.mark.slow
def test_killed_at_any_moment_every_answer_s_tokens_are_counted_once_over_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(body: Body) -> Body:
        time.sleep(0.1)
        return completion("B")

    save_questions(tmp_path / "gym-qa.jsonl", distinct(24))
    out = tmp_path / "out"
    with serve_endpoint(Endpoint(slow)) as endpoint:
        words = ["evaluate", "--adapter", "openai", "--model", "m", "--questions", str(tmp_path / "gym-qa.jsonl")]
        words += ["--controls", "no-video", "--out", str(out), "--batch_size", "6", "--options.api.in_flight", "1"]
        words += ["--options.api.base_url", endpoint.url, "--options.api.input_price", "1"]
        killed = subprocess.Popen([sys.executable, "-c", PROCESS, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for_requests(endpoint, 9)  # a batch is on disk, of the next only replies
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        launched = [start(words, number) for number in range(2)]
        told = [process.communicate(timeout=120)[0] for process in launched]
        assert [process.returncode for process in launched] == [0, 0]
    found = paid(out / "gym-qa.no-video.jsonl")
    assert (found.replies, found.paid_before) == (24, 0) and 24 <= len(endpoint.bodies) <= 25
    assert (found.prompt_tokens, found.completion_tokens) == (24_000, 48) and found.cost == pytest.approx(0.024)
    assert "paid in all: replies 24, prompt tokens 24,000, completion tokens 48, cost 0.024;" in told[0]
    assert "tokens" not in told[1]


def start(words: list[str], number: int) -> "subprocess.Popen[str]":
    """One of two processes of a launch."""

    launch = {**os.environ, "RANK": str(number), "WORLD_SIZE": "2", "LOCAL_RANK": str(number)}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, *words], cwd=ROOT, env=launch, stdout=subprocess.PIPE, text=True
    )


def wait_for_requests(endpoint: Endpoint, n: int) -> None:
    deadline = time.monotonic() + 60
    while len(endpoint.bodies) < n:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_files_of_models_that_cost_nothing_know_no_tokens_and_older_lines_are_read(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(3), out)
    assert "paid" not in json.loads(result_path(out).read_text()) and b"tokens" not in out.read_bytes()
    told = Prediction("q", "c", "v", "b", 0, 0, detail=Detail("", (1,), "r"))
    line = to_line(told)
    assert '"detail": {"prompt_sha256": "", "frames": [1], "revision": "r", "reply": "", "clip_id": ""}' in line
    assert from_line(Prediction, line) == told
    counted = replace(told, detail=Detail(tokens=Tokens(5, 1, True)))
    assert from_line(Prediction, to_line(counted)) == counted


def test_the_sum_has_a_price_only_where_all_have() -> None:
    one = Cost(replies=1, paid_before=2, prompt_tokens=1000, completion_tokens=3, cost=0.5)
    said = sentence(total([one, one]))
    assert said.startswith("paid in all: replies 2, prompt tokens 2,000, completion tokens 6, cost 1;")
    assert total([one, one.model_copy(update={"cost": None})]).cost is None


def test_one_command_says_the_sum_of_its_files_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        save_questions(tmp_path / "asked" / f"{name}.jsonl", [replace(one, id=name + one.id) for one in distinct(3)])
    with serve_endpoint(Endpoint()) as endpoint:
        words = ["evaluate", "--adapter", "openai", "--model", "m", "--questions", str(tmp_path / "asked"), "--out"]
        words += [str(tmp_path / "out"), "--controls", "no-video", "--options.api.base_url", endpoint.url]
        for _ in range(2):
            assert main(words) == 0
            said = capsys.readouterr().out
            assert "replies 3, prompt tokens 3,000, completion tokens 6; paid before by other runs: replies 3" in said
            assert said.count("prompt tokens") == 1
    assert len(endpoint.bodies) == 3
