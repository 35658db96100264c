"""Replies of a server that refuses log-probabilities are paid once, by whichever process asks."""

from pathlib import Path

from eval.adapters.api.openai_api import OpenAIModel
from eval.adapters.api.settings import ApiSettings
from eval.run.response_cache import ResponseCache
from tests.helpers.loopback_openai import Endpoint, serve_endpoint
from tests.helpers.questions import question


def test_a_new_process_finds_every_reply_though_it_asks_with_log_probabilities(tmp_path: Path) -> None:
    asked_of = [question(f"q{i}", (i, 4), 0) for i in range(4)]
    with serve_endpoint(Endpoint(first=[422])) as endpoint:
        for _ in range(2):
            settings = ApiSettings(base_url=endpoint.url, in_flight=1)
            model = OpenAIModel("m", "m", None, settings, responses=ResponseCache(tmp_path))
            assert [one.choice for one in model.answer(asked_of)] == [1] * 4
            used = model.usage()
            model.close()
    assert len(endpoint.bodies) == 5 and (used["requests"], used["from_cache"]) == (0, 4)
