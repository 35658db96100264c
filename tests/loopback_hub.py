"""A Hub on loopback: it takes what huggingface_hub uploads, or answers every request with one status."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback_server import listening


@dataclass
class HubSite:
    """What was uploaded, and how the Hub behaves.

    Attributes:
        status: answer every request with this status instead.
        files: bytes by path, after a commit.
        requests: paths asked for.
        created: what was said of each repository that was to be made.
        tokens: Authorization headers that came.
    """

    status: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""


@contextmanager
def serve_hub(site: HubSite) -> Iterator[HubSite]:
    """Run the Hub while the block runs; HF_ENDPOINT is `site.url`."""

    class Handler(_Handler):
        held = site

    with listening(Handler) as site.url:
        yield site


class _Handler(BaseHTTPRequestHandler):
    held: HubSite

    def do_GET(self) -> None:
        self._seen()
        self._answer(self.held.status or 404, {})

    def do_POST(self) -> None:
        self._seen()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.held.status:
            return self._answer(self.held.status, {"error": "as told"})
        if self.path.endswith("/repos/create"):
            self.held.created.append(json.loads(body))
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self._answer(200, {"files": files})
        if "/commit/" in self.path:
            return self._commit(body)
        self._answer(200, {"url": f"{self.held.url}/datasets/me/gym-qa", "errors": [], "warnings": []})

    def _commit(self, body: bytes) -> None:
        for entry in map(json.loads, body.splitlines()):
            if entry["key"] == "file":
                self.held.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        done = {"commitUrl": f"{self.held.url}/datasets/me/gym-qa/commit/1", "commitOid": "1", "hookOutput": ""}
        self._answer(200, done)

    def _seen(self) -> None:
        self.held.requests.append(self.path)
        self.held.tokens.add(self.headers.get("Authorization", ""))

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""
