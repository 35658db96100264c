"""An endpoint is asked many things at once, patiently, and within bounds; its key is told to nobody else."""

import base64
import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from eval.adapters.api.client import retry_after
from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.adapters.clip_frames import ClipFrames
from eval.run.response_cache import ResponseCache
from gymqa.errors import GymQAError
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from tests.helpers.loopback_openai import Body, Endpoint, asked, completion, letter_of, serve_endpoint
from tests.helpers.naming import does_name, naming
from tests.helpers.questions import question

KEY = "sk-test-51fe0c2a-not-a-real-key"
FOUR = tuple(question(f"q{i}", (0, 1, 2, 3), i % 4, f"clip{i}") for i in range(4))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


@contextmanager
def asking(
    endpoint: Endpoint, scoring: str = "letters", frames: ClipFrames | None = None, **settings: Any
) -> Iterator[OpenAIModel]:
    """A model that asks the endpoint, without patience."""
    with serve_endpoint(endpoint):
        quick = {"tries": 3, "timeout": 5.0, "first_wait": 0.02, "longest_wait": 5.0, **settings}
        model = OpenAIModel("m", "m", frames, ApiSettings(base_url=endpoint.url, **quick), scoring)
        try:
            yield model
        finally:
            model.close()


def test_frames_go_as_jpeg_before_the_question_with_the_key_as_bearer(world: tuple[FrameCache, Splits]) -> None:
    cache = world[0]
    shown = question("q", (0, 1, 2, 3), 0, cache.clip_ids[0])
    with asking(endpoint := Endpoint(), frames=ClipFrames(cache, 4), detail="low") as model:
        (answer,) = model.answer([shown])
    (body,) = endpoint.bodies
    *parts, text = body["messages"][0]["content"]
    seconds = ClipFrames(cache, 4).seconds(cache.clip_ids[0])
    assert parts[::2] == [{"type": "text", "text": f"{second:.2f} s "} for second in seconds or ()]
    pictures = parts[1::2]
    assert text["text"].startswith("Which? A.move 0 B.move 1") and "letter" in text["text"]
    assert len(pictures) == 4 and {one["image_url"]["detail"] for one in pictures} == {"low"}
    kept = cache.gather([shown.clip_id], np.array([[2, 6, 10, 14]]))[0]
    for picture, frame in zip(pictures, kept, strict=True):
        head, data = picture["image_url"]["url"].split(",")
        assert head == "data:image/jpeg;base64"
        seen = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
        assert seen is not None and np.abs(seen.astype(int) - frame).mean() < 6
    assert body["temperature"] == 0 and body["model"] == "m" and endpoint.keys == [f"Bearer {KEY}"]
    assert answer.choice == 1 and answer.detail is not None
    assert answer.detail.frames == (2, 6, 10, 14) and answer.detail.revision == "m-2026 fp_1"


def test_answers_stand_in_the_order_of_the_questions_and_a_clip_without_frames_is_not_asked(
    world: tuple[FrameCache, Splits],
) -> None:
    def late_when_early(body: Body) -> Body:
        time.sleep(0.02 * (4 - int(asked(body).count("slow"))))
        return completion(letter_of(body, "move 2"))

    cache = world[0]
    asked_of = [question(f"q{i}", ((2, 0), (0, 2))[i % 2], 0, cache.clip_ids[i]) for i in range(6)]
    unseen = question("unseen", (0, 2), 0, "no such clip")
    with asking(endpoint := Endpoint(late_when_early), frames=ClipFrames(cache, 2)) as model:
        answers = model.answer([*asked_of, unseen])
    assert [answer.choice for answer in answers] == [0, 1, 0, 1, 0, 1, None]
    assert does_name(answers[-1].error or "", "no such clip") and len(endpoint.bodies) == 6


def test_log_probabilities_of_the_letters_become_probabilities() -> None:
    first = [("B", math.log(0.5)), (" B", math.log(0.1)), ("C", math.log(0.2)), ("The", math.log(0.1)), ("F", -0.1)]
    with asking(endpoint := Endpoint(lambda body: completion("B", first))) as model:
        (answer,) = model.answer(FOUR[:1])
    assert endpoint.bodies[0]["logprobs"] is True and endpoint.bodies[0]["top_logprobs"] == 20
    assert answer.choice == 1 and answer.probabilities == pytest.approx((0, 0.75, 0.25, 0))


@pytest.mark.parametrize("listed", [[], None, [{"token": "B", "logprob": -0.7}]])
def test_without_alternatives_to_the_first_token_there_are_no_probabilities(listed: list[object] | None) -> None:
    """Its own log-probability says nothing of the other letters: [0, 1, 0, 0] would be a lie."""
    reply = completion("B", [("B", -0.7)])
    reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = listed
    with asking(Endpoint(lambda body: reply)) as model:
        (answer,) = model.answer(FOUR[:1])
    assert (answer.choice, answer.probabilities, answer.error) == (1, None, None)


@pytest.mark.parametrize("text", ["A salto, I would say", "I cannot tell", "", "B or C"])
def test_a_reply_that_is_no_choice_is_unanswered_however_probable_its_first_letter(text: str) -> None:
    first = [(text[:1] or "A", -0.01), ("B", -5.0)]
    with asking(Endpoint(lambda body: completion(text, first))) as model:
        (answer,) = model.answer(FOUR[:1])
    assert answer.choice is None and answer.probabilities is None and does_name(answer.error or "", "reply")


def test_generating_asks_for_no_log_probabilities_and_parses() -> None:
    with asking(endpoint := Endpoint(lambda body: completion("The answer is (c).")), "generate") as model:
        (answer,) = model.answer(FOUR[:1])
    assert "logprobs" not in endpoint.bodies[0] and (answer.choice, answer.probabilities) == (2, None)


def test_a_server_that_knows_no_log_probabilities_is_asked_without_them_from_then_on() -> None:
    def refuse(body: Body) -> Body:
        return completion("D")

    endpoint = Endpoint(refuse, first=[422])
    with asking(endpoint, in_flight=1) as model:
        answers = model.answer(FOUR)
    assert [answer.choice for answer in answers] == [3, 3, 3, 3]
    assert ["logprobs" in body for body in endpoint.bodies] == [True, False, False, False, False]


def test_429_is_waited_out_as_long_as_the_server_says_by_all_requests() -> None:
    endpoint = Endpoint(first=[429], headers={"Retry-After": "0.6"})
    with asking(endpoint, in_flight=1) as model:
        assert [answer.choice for answer in model.answer(FOUR)] == [1, 1, 1, 1]
    assert len(endpoint.bodies) == 5 and endpoint.times[1] - endpoint.times[0] >= 0.6


def test_a_server_that_asks_to_wait_too_long_is_not_asked_again() -> None:
    with asking(endpoint := Endpoint(always=429, headers={"Retry-After": "3600"})) as model:
        (answer,) = model.answer(FOUR[:1])
    assert does_name(answer.error or "", 429, "3600 s") and len(endpoint.bodies) == 1


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("1.5") == 1.5 and retry_after(None) == retry_after("soon") == retry_after("inf") == 0
    assert 50 < retry_after(time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))) <= 60
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == retry_after("-3") == 0


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (500, "500"),
        (429, "429"),
        ("garbage", "completion"),
        ("half", "RemoteProtocolError"),
        ("never", "0.4 s"),
    ],
)
def test_trouble_that_passes_costs_tries_and_trouble_that_stays_one_question(trouble: int | str, reason: str) -> None:
    with asking(endpoint := Endpoint(first=[trouble]), timeout=0.4) as model:
        (answer,) = model.answer(FOUR[:1])
    assert answer.choice == 1 and len(endpoint.bodies) == 2
    with asking(endpoint := Endpoint(always=trouble), timeout=0.4) as model:
        began = time.monotonic()
        (answer,) = model.answer(FOUR[:1])
    assert answer.choice is None and does_name(answer.error or "", reason, "3 tries")
    assert len(endpoint.bodies) == 3 and time.monotonic() - began < 5


def test_a_server_that_is_not_there_leaves_the_question_unanswered() -> None:
    with serve_endpoint(Endpoint()) as gone:
        url = gone.url
    model = OpenAIModel("m", "m", None, ApiSettings(base_url=url, tries=2, first_wait=0.01))
    assert does_name(model.answer(FOUR[:1])[0].error or "", "ConnectError", "2 tries")
    model.close()


def test_a_server_that_fails_one_question_after_the_other_stops_the_run() -> None:
    many = [question(f"q{i}", (0, 1, 2, 3), 0) for i in range(30)]
    stops = pytest.raises(GymQAError, match=naming(5, 503))
    with asking(endpoint := Endpoint(always=503), tries=1, in_flight=1, give_up_after=5) as model, stops:
        model.answer(many)
    assert len(endpoint.bodies) == 5
    with asking(Endpoint(first=[503] * 4), "generate", tries=1, in_flight=1, give_up_after=5) as model:
        assert [answer.choice for answer in model.answer(many[:6])] == [None] * 4 + [1, 1]


def test_a_question_that_the_server_refuses_is_unanswered_and_the_others_are_asked() -> None:
    with asking(endpoint := Endpoint(first=[400]), "generate", in_flight=1) as model:
        answers = model.answer(FOUR)
    assert [answer.choice for answer in answers] == [None, 1, 1, 1] and len(endpoint.bodies) == 4
    assert does_name(answers[0].error or "", 400)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_question_can_be_asked_under_stops_the_run(status: int) -> None:
    with asking(Endpoint(always=status)) as model, pytest.raises(GymQAError, match=naming(f"({status})")):
        model.answer(FOUR)


@pytest.mark.slow
def test_as_many_requests_are_in_flight_as_allowed_and_no_more() -> None:
    together = threading.Barrier(64)  # nobody is answered before 64 are waiting

    def wait_for_all(body: Body) -> Body:
        together.wait(timeout=30)
        return completion("B")

    many = [question(f"q{i}", (0, 1, 2, 3), 0) for i in range(192)]
    with asking(endpoint := Endpoint(wait_for_all), in_flight=64, timeout=60.0) as model:
        assert all(answer.choice == 1 for answer in model.answer(many))
    assert endpoint.busiest == 64 and len(endpoint.bodies) == 192


def test_tokens_and_cost_are_counted_and_a_kept_reply_costs_nothing(tmp_path: Path) -> None:
    with serve_endpoint(Endpoint(lambda body: completion("B", [("B", -0.1)]))) as endpoint:
        settings = ApiSettings(base_url=endpoint.url, input_price=2.5, output_price=10.0)
        first = OpenAIModel("m", "m", None, settings, responses=ResponseCache(tmp_path))
        asked_of = [question(f"q{i}", (i % 4, 4), 0) for i in range(4)]
        answers = first.answer(asked_of)
        second = OpenAIModel("m", "m", None, settings, responses=ResponseCache(tmp_path))
        assert answers == second.answer(asked_of)
        first.close()
        assert first.usage() == {
            "requests": 4, "replies": 4, "from_cache": 0, "prompt_tokens": 4000, "completion_tokens": 8,
            "cost": pytest.approx(4000 * 2.5e-6 + 8 * 1e-5),
        }  # fmt: skip
        assert (second.usage()["requests"], second.usage()["from_cache"], second.usage()["cost"]) == (0, 4, 0.0)
        second.close()
    assert len(endpoint.bodies) == 4


@pytest.mark.parametrize("trouble", [None, 500, 429, 400, 401, "garbage", "half", "never"])
def test_the_key_is_in_no_answer_error_log_or_kept_reply_though_the_server_sends_it_back(
    trouble: int | str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def echo(body: Body) -> Body:
        said = completion(f"B {KEY}", [("B", -0.1), (KEY, -2.0)])
        return {**said, "model": f"m {KEY}", "system_fingerprint": KEY}

    errors = []
    caplog.set_level(logging.DEBUG)
    with asking(Endpoint(echo, always=trouble, echo=True), timeout=0.3, tries=2) as model:
        model._responses = ResponseCache(tmp_path)
        try:
            answers = model.answer(FOUR)
        except GymQAError as error:
            answers, chain = [], error
            while chain is not None:
                errors.append(repr(chain))
                chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)  # type: ignore[assignment]
        kept = (tmp_path / "replies.jsonl").read_text()
        told = [answers, errors, kept, dict(model.fingerprint()), dict(model.usage()), caplog.text, *capfd.readouterr()]
    assert KEY not in repr(told)
    assert (trouble in (None, 500, 429, 400)) == ("[key]" in repr(answers) + kept)


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("MY_KEY", KEY)
    with asking(endpoint := Endpoint()) as model:
        model.answer(FOUR[:1])
    with asking(named := Endpoint(), key_variable="MY_KEY") as model:
        model.answer(FOUR[:1])
    assert endpoint.keys == [""] and named.keys == [f"Bearer {KEY}"]


def test_further_fields_are_sent_and_null_leaves_one_out() -> None:
    extra = '{"max_tokens": null, "max_completion_tokens": 512, "temperature": null}'
    with asking(endpoint := Endpoint(), "generate", extra=extra) as model:
        model.answer(FOUR[:1])
    assert endpoint.bodies[0].keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"base_url": "file:///etc/passwd"}, "URL"),
        ({"base_url": "https://user:secret@host/v1"}, "password"),
        ({"base_url": "https://host/v1?key=secret"}, "query"),
        ({"in_flight": 0}, "in_flight"),
        ({"jpeg_quality": 0}, "jpeg_quality"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": "{"}, "extra"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_asked(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(GymQAError, match=naming(why)) as caught:
        OpenAIModel("m", "m", None, ApiSettings(**wrong))
    assert "secret" not in str(caught.value)


def test_a_key_that_is_none_and_an_unknown_scoring_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GymQAError, match=naming("'texts'", "letters", "generate")):
        OpenAIModel("m", "m", None, ApiSettings(), "texts")
    monkeypatch.setenv("OPENAI_API_KEY", "two words\n")
    with pytest.raises(GymQAError, match=naming("OPENAI_API_KEY")) as caught:
        OpenAIModel("m", "m", None, ApiSettings())
    assert "two words" not in str(caught.value)


def test_another_model_or_number_of_frames_has_another_fingerprint(
    world: tuple[FrameCache, Splits],
) -> None:
    def made(model: str = "m", n: int = 4, **settings: Any) -> object:
        return OpenAIModel("m", model, ClipFrames(world[0], n), ApiSettings(**settings)).fingerprint()

    assert made() == made(in_flight=3, tries=9, timeout=1.0) and KEY not in repr(made())
    assert (
        len({repr(one) for one in (made(), made("n"), made(n=5), made(max_tokens=1), made(extra='{"seed": 1}'))}) == 5
    )
