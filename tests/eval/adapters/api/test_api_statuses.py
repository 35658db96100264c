"""No status of an account or a configuration costs a question: it stops the run, or the question is asked again."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.adapters.api.client import asked_wait
from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.replies import letter_logprobs, read_reply
from eval.adapters.api.settings import ApiSettings
from eval.adapters.api.statuses import Verdict, verdict, words_of
from eval.run.results import load_result, result_path
from eval.run.runner import run
from gymqa.errors import GymQAError
from tests.helpers.loopback_openai import Body, Endpoint, completion, serve_endpoint
from tests.helpers.naming import does_name, naming
from tests.helpers.places import ROOT
from tests.helpers.questions import question

MANY = [question(f"q{i}", (0, 1, 2, 3), 1) for i in range(8)]


def _model(endpoint: Endpoint, **settings: Any) -> OpenAIModel:
    quick = {"tries": 2, "first_wait": 0.01, "in_flight": 1, **settings}
    return OpenAIModel("m", "m", None, ApiSettings(base_url=endpoint.url, **quick), "generate")


def _error(**fields: Any) -> Body:
    return {"error": {"message": "said so", **fields}}


@pytest.mark.parametrize("status", [301, 302, 307, 308, 402, 405, 406, 407, 410, 411, 413, 414, 415, 418, 451, 501])
def test_a_status_of_account_or_configuration_stops_the_run_and_scores_nothing(status: int, tmp_path: Path) -> None:
    endpoint, out = Endpoint(first=[None, None, status]), tmp_path / "p.jsonl"
    with serve_endpoint(endpoint):
        model = _model(endpoint)
        with pytest.raises(GymQAError, match=naming(status, "as told")):
            run(model, MANY, out, 2)
        assert [one.choice for one in run(model, MANY, out, 2)] == [1] * 8
        model.close()
    assert load_result(result_path(out)).open == ()


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529, 599])
def test_a_status_that_may_pass_is_asked_again(status: int) -> None:
    with serve_endpoint(Endpoint(first=[status])) as endpoint:
        model = _model(endpoint)
        assert model.answer(MANY[:1])[0].choice == 1
        model.close()


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_is_final_only_where_the_endpoint_answers_another_question_after_it(
    status: int, tmp_path: Path
) -> None:
    refusing, out = Endpoint(always=status), tmp_path / "p.jsonl"
    with serve_endpoint(refusing):
        model = _model(refusing)
        for _ in range(2):  # all are asked again
            with pytest.raises(GymQAError, match=naming(len(MANY), status, "as told")):
                run(model, MANY, out, 4)
        assert len(refusing.bodies) == 2 * len(MANY) and not out.exists()
        refusing.always, refusing.first = None, [None, status]
        assert [one.choice for one in run(model, MANY, out, 4)] == [1, None] + [1] * 6
        model.close()
    assert load_result(result_path(out)).open == ()


def test_what_is_refused_at_the_end_is_asked_again(tmp_path: Path) -> None:
    endpoint, out = Endpoint(first=[None] * 5, always=400), tmp_path / "p.jsonl"
    with serve_endpoint(endpoint):
        model = _model(endpoint)
        assert [one.choice for one in run(model, MANY, out, 2)] == [1] * 5 + [None] * 3
        assert load_result(result_path(out)).open == ("q5", "q6", "q7")
        model.close()


def test_refusals_in_a_row_stop_the_run() -> None:
    with serve_endpoint(Endpoint(always=400)) as endpoint:
        model = _model(endpoint, give_up_after=3)
        with pytest.raises(GymQAError, match=naming(3, 400, "as told")):
            model.answer(MANY)
        model.close()
    assert len(endpoint.bodies) == 3


@pytest.mark.parametrize(
    ("body", "stops"),
    [
        (_error(code=402), True),
        (_error(code="402"), True),
        (_error(code="insufficient_quota"), False),
        (_error(code=503), False),
        (_error(), False),
        ({"error": "said so"}, False),
        ({"choices": [{"error": {"code": 502, "message": "said so"}, "message": {"content": "A"}}]}, False),
    ],
)
def test_an_error_with_status_200_is_an_error(body: Body, stops: bool) -> None:
    with serve_endpoint(Endpoint(lambda _: body)) as endpoint:
        model = _model(endpoint)
        if stops:
            with pytest.raises(GymQAError, match=naming(402, "said so")):
                model.answer(MANY[:1])
        else:
            (answer,) = model.answer(MANY[:1])
            assert answer.choice is None and answer.retry and does_name(answer.error or "", "said so")
        model.close()


def test_a_429_of_an_account_without_money_does_not_pass() -> None:
    assert verdict(429) is verdict(429, _error(code="rate_limit_exceeded")) is Verdict.AGAIN
    assert verdict(429, _error(code="insufficient_quota")) is verdict(429, _error(type="insufficient_quota"))
    assert verdict(429, _error(code="insufficient_quota")) is Verdict.STOP


def test_every_status_has_a_line_in_the_docs() -> None:
    table = (ROOT / "docs" / "adapters.md").read_text()
    lines = [line for line in table.splitlines() if line.startswith("|")]
    for status in range(400, 600):
        what = verdict(status)
        named = [line for line in lines if str(status) in line.split("|")[1]]
        rest = f"every other {status // 100}xx"
        line = named[0] if named else next(line for line in lines if rest in line)
        said = {Verdict.AGAIN: "tried again", Verdict.STOP: "stops the run", Verdict.REFUSED: "refused"}[what]
        assert said in line, status


def test_waits_are_read_in_milliseconds_too_and_no_number_is_endless() -> None:
    assert asked_wait({"retry-after-ms": "1500", "Retry-After": "9"}) == 1.5
    assert asked_wait({"retry-after-ms": "soon", "Retry-After": "9"}) == 9
    assert asked_wait({"Retry-After": "1e400"}) == asked_wait({"Retry-After": "nan"}) == 0
    assert asked_wait({"Retry-After": "1e300"}) == 1e9


def test_content_may_be_a_list_of_parts() -> None:
    parts = [
        {"type": "thinking", "text": "C"},
        {"type": "text", "text": "The answer "},
        {"type": "text", "text": "is B"},
    ]
    for content, text in ((parts, "The answer is B"), ([], ""), (["B"], "B"), (None, "")):
        body = completion("")
        body["choices"][0]["message"]["content"] = content
        assert read_reply(body).text == text


@pytest.mark.parametrize("value", [float("inf"), -1, "many", 2.5, 10**30, None, [1]])
def test_impossible_numbers_cost_no_answer(value: Any) -> None:
    body = completion("B", [("B", -0.1), ("A", value)])
    body["usage"] = {"prompt_tokens": value, "completion_tokens": value}
    reply = read_reply(body)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("B", 0, 0)
    letter_logprobs(reply, 4)
    body["usage"] = value
    assert read_reply(body).prompt_tokens == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://host:99999/v1",
        "http://host:port/v1",
        "http://host:0/v1",
        "http://ho st/v1",
        "http://host/v1\n",
        "http://[::1/v1",
        f"http://{'a' * 70}.example/v1",
        "http://ho%st/v1",
        "http://host/v1/chat/completions",
        "http://host/v1/chat/completions/",
        "http://host/v1?",
        "host/v1",
        "",
    ],
)
def test_a_base_url_that_is_no_address_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(GymQAError, match=naming("URL")):
        ApiSettings(base_url=url).check()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8731/v1", "http://[::1]:80/v1", "https://bücher.example/", "HTTP://a-b_c/v1"]
)
def test_other_addresses_are_taken(url: str) -> None:
    ApiSettings(base_url=url).check()


@pytest.mark.parametrize("wrong", [{"timeout": float("nan")}, {"first_wait": -1.0}, {"longest_wait": float("inf")}])
def test_times_are_finite_and_not_negative(wrong: dict[str, float]) -> None:
    with pytest.raises(GymQAError):
        ApiSettings(**wrong).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 500, "message": "image input is not supported"}}',
        b'{"error": "image input is not supported"}',
        b'{"detail": [{"loc": ["body"], "msg": "image input is not supported"}]}',
        b'[{"error": {"message": "image input is not supported"}}]',
        b'{"message": {"text": "image input is not supported"}}',
        b"image input is not supported",
    ],
)
def test_the_servers_own_words_are_read_wherever_they_stand(body: bytes) -> None:
    assert "image input is not supported" in words_of(body, None) and "\n" not in words_of(body, None)
    assert "secret" not in words_of(body.replace(b"image", b"secret"), "secret")


def test_a_key_of_any_characters_is_masked_in_words_of_any_form() -> None:
    key = 'sk-"quoted"\\'
    body = json.dumps({"detail": [{"msg": f"no such key {key}"}]}).encode()
    assert "[key]" in words_of(body, key) and "quoted" not in words_of(body, key)


def test_a_reply_that_is_no_completion_is_told_with_its_words() -> None:
    with serve_endpoint(Endpoint(lambda body: {"message": "image input is not supported"})) as endpoint:
        model = _model(endpoint)
        (answer,) = model.answer(MANY[:1])
        model.close()
    assert answer.choice is None and answer.retry and "image input is not supported" in (answer.error or "")
