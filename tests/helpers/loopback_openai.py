"""A server on loopback that speaks OpenAI's chat completions, and misbehaves as told."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.helpers.loopback_server import listening

Body = dict[str, Any]


@dataclass
class Endpoint:
    """What the server answers, and what it was asked.

    Attributes:
        reply: from a request's JSON to a completion; the text "B" by default.
        first: what to do with the first requests, one each: a status, "garbage", "half" or "never"; None answers.
        always: likewise, for every further request.
        headers: sent with a status.
        echo: send the Authorization header back wherever there is room for it.
    """

    reply: Callable[[Body], Body] = lambda body: completion("B")
    first: list[int | str | None] = field(default_factory=list)
    always: int | str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    echo: bool = False
    bodies: list[Body] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    busiest: int = 0
    url: str = ""
    now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)


def completion(text: str, first: list[tuple[str, float]] | None = None) -> Body:
    """A chat completion; `first` are the first token and the alternatives to it, with their log-probabilities."""
    choice: Body = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if first is not None:
        tokens = [{"token": token, "logprob": logprob} for token, logprob in first]
        choice["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens}]}
    usage = {"prompt_tokens": 1000, "completion_tokens": 2}
    return {"choices": [choice], "usage": usage, "model": "m-2026", "system_fingerprint": "fp_1"}


def asked(body: Body) -> str:
    """The text of a request."""
    content = body["messages"][0]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


def letter_of(body: Body, choice: str) -> str:
    """The letter that a request gives a choice."""
    found = re.search(rf"([A-Z])\.{re.escape(choice)}", asked(body))
    assert found is not None
    return found[1]


@contextmanager
def serve_endpoint(endpoint: Endpoint) -> Iterator[Endpoint]:
    """Run the server while the block runs; `endpoint.url` is its base URL."""

    class Handler(_Handler):
        held = endpoint

    with listening(Handler) as url:
        endpoint.url = f"{url}/v1"
        try:
            yield endpoint
        finally:
            endpoint.stopped.set()


class _Handler(BaseHTTPRequestHandler):
    held: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        endpoint = self.held
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with endpoint.lock:
            endpoint.bodies.append(body)
            endpoint.keys.append(self.headers.get("Authorization", ""))
            endpoint.times.append(time.monotonic())
            what = endpoint.first.pop(0) if endpoint.first else endpoint.always
            endpoint.now += 1
            endpoint.busiest = max(endpoint.busiest, endpoint.now)
        try:
            self._do(what, body)
        finally:
            with endpoint.lock:
                endpoint.now -= 1

    def _do(self, what: int | str | None, body: Body) -> None:
        said = self.headers.get("Authorization", "") if self.held.echo else ""
        if isinstance(what, int):
            return self._send(what, {"error": {"message": f"as told {said}"}}, {**self.held.headers, "X-Said": said})
        if what == "garbage":
            return self._bytes(200, f"<html>{said}</html>".encode(), {})
        if what == "half":
            self.close_connection = True
            return self._bytes(200, json.dumps(completion("B")).encode(), {}, sent=0.5)
        if what == "never":
            self.held.stopped.wait(30)
            return
        self._send(200, self.held.reply(body), {"X-Said": said})

    def _send(self, status: int, value: Body, headers: dict[str, str]) -> None:
        self._bytes(status, json.dumps(value).encode(), headers)

    def _bytes(self, status: int, content: bytes, headers: dict[str, str], sent: float = 1.0) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: int(len(content) * sent)])

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""
