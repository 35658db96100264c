"""A Hub on loopback: it takes what huggingface_hub uploads and gives models back, or answers with one status."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.helpers.loopback_server import listening


@dataclass
class HubSite:
    """What was uploaded, and how the Hub behaves.

    Attributes:
        status: answer every request with this status instead.
        unwritable: status by repository, owner/name, of those that cannot be written to.
        files: bytes by path, after a commit; any model that is asked for has them.
        requests: paths asked for.
        created: what was said of each repository that was to be made.
        tokens: Authorization headers that came.
    """

    status: int | None = None
    unwritable: dict[str, int] = field(default_factory=dict)
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


@contextmanager
def hub_of_this_process(site: HubSite | None = None, token: str | None = "hf_secret") -> Iterator[HubSite]:
    """Run a Hub that this process itself takes for the Hub, with that token or with none."""
    with serve_hub(site or HubSite()) as hub, pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        patch.delenv("HF_TOKEN", raising=False)
        patch.setattr("huggingface_hub.get_token", lambda: token)
        if token is not None:
            patch.setenv("HF_TOKEN", token)
        yield hub


COMMIT = "1" * 40


class _Handler(BaseHTTPRequestHandler):
    held: HubSite

    def do_GET(self) -> None:
        self._seen()
        path = self.path.split("?")[0]
        if path.endswith("/auth-check/write"):
            refusal = self.held.unwritable.get("/".join(path.split("/")[3:5]))
            return self._answer(self.held.status or refusal or 200, {})
        if self.held.status or not self.held.files:
            return self._answer(self.held.status or 404, {})
        if "/resolve/" in path:
            return self._file(path)
        if path.startswith("/api/models/") and "/revision/" in path:
            names = [{"rfilename": name} for name in self.held.files]
            return self._answer(200, {"id": "/".join(path.split("/")[3:5]), "sha": COMMIT, "siblings": names})
        if path.startswith("/api/models/") and "/tree/" in path:
            found = self.held.files.items()
            entries = [{"type": "file", "path": name, "size": len(data), "oid": _oid(data)} for name, data in found]
            return self._answer(200, entries)
        self._answer(404, {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _file(self, path: str) -> None:
        data = self.held.files.get(path.split("/resolve/")[1].split("/", 1)[1])
        if data is None:
            return self._answer(404, {})
        self.send_response(200)
        for name, value in (("ETag", f'"{_oid(data)}"'), ("X-Repo-Commit", COMMIT), ("Content-Length", len(data))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

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
        kind, owner, name = self.path.split("/")[2:5]
        page = f"{self.held.url}/{'datasets/' if kind == 'datasets' else ''}{owner}/{name}"
        done = {"commitUrl": f"{page}/commit/1", "commitOid": "1", "hookOutput": ""}
        self._answer(200, done)

    def _seen(self) -> None:
        self.held.requests.append(self.path)
        self.held.tokens.add(self.headers.get("Authorization", ""))

    def _answer(self, status: int, value: dict[str, Any] | list[dict[str, Any]]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        if status == 404:
            # as the Hub says it; without it a 404 is a lost connection
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
