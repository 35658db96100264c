"""A real HTTP server on loopback that misbehaves as told, for tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server holds and how it behaves; `requests` are the paths and Range headers it was asked for.

    Attributes:
        files: bytes by path, "/a.txt".
        drop_after: bytes of the body after which the connection is cut, for the next `drops` answers of each path.
        statuses: statuses to answer with, used up one a request, before any file is given.
        etag: the files' ETag; None sends none.
        ranges: whether a Range header is heeded.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    drop_after: int | None = None
    drops: int = 1
    statuses: list[int] = field(default_factory=list)
    etag: str | None = '"v1"'
    ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Run the server while the block runs; `site.url` is its address without a final slash."""

    class Handler(_Handler):
        held = site

    with listening(Handler) as site.url:
        yield site


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer on loopback while the block runs; yields the address without a final slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    held: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.held
        asked = self.headers.get("Range", "")
        site.requests.append((self.path, asked))
        if site.statuses:
            return self._plain(site.statuses.pop(0))
        body = site.files.get(self.path.split("?")[0])
        if body is None:
            return self._plain(404)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked and self._heeds_range() else 0
        if start >= len(body):
            return self._plain(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if site.etag:
            self.send_header("ETag", site.etag)
        self.send_header("Content-Type", "video/mp4" if self.path.endswith(".mp4") else "text/plain")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        if site.drop_after is not None and site.drops > 0:
            site.drops -= 1
            rest = rest[: site.drop_after]
            self.close_connection = True
        self.wfile.write(rest)

    def do_HEAD(self) -> None:
        self._plain(405)

    def _heeds_range(self) -> bool:
        condition = self.headers.get("If-Range")
        return self.held.ranges and (condition is None or condition == self.held.etag)

    def _plain(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""
