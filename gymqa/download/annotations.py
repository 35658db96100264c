"""Download FineGym's annotation files over HTTP: resumable, retried, verified, written atomically.

A partial download is `.<name>.part` until it is complete and verified; `.<name>.part.etag` holds the server's version
of the file that it started with.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gymqa import __version__
from gymqa.download.annotation_files import BASE_URL, FILES, AnnotationFile, problem
from gymqa.download.videos import is_web_address
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import annotations_folder
from gymqa.io.console import progress_bar
from gymqa.io.files import take_lock, write_text

CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
CHUNK = 1 << 18  # bytes read at a time
MAX_BYTES = 1 << 26  # bytes allowed for a file of unknown size, several times the size of FineGym's
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses after which a retry may succeed


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Give up after `attempts` without progress; wait `wait`, 2 · `wait`, 4 · `wait`, … seconds between them."""

    attempts: int = 6
    wait: float = 1.0
    longest: float = 60.0
    timeout: float = 30.0

    def delay(self, attempt: int, requested: float = 0.0) -> float:
        """Seconds to wait before retry `attempt` (from 1); at least the `requested` ones of the server."""
        return min(self.longest, max(requested, self.wait * 2.0 ** (attempt - 1)))


@dataclass(slots=True)
class DownloadReport:
    """Outcome of a download, by file name.

    Attributes:
        present: files that existed and are intact.
        downloaded: files that were downloaded.
        wrong: existing files that are not FineGym's, with the reason; they are kept, and nothing is downloaded.
        refused: files that the server does not have, or has in another version, with the reason.
    """

    present: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class RefusedError(GymQAError):
    """The server does not have the expected file; a retry would not help."""


class TransferInterruptedError(Exception):
    """A transfer that failed for a temporary reason; the server may have `requested` a number of seconds to wait."""

    def __init__(self, reason: str, requested: float = 0.0) -> None:
        super().__init__(reason)
        self.requested = requested


def download_annotations(
    root: Path,
    base_url: str = BASE_URL,
    files: Sequence[AnnotationFile] = FILES,
    retry_policy: RetryPolicy = RetryPolicy(),
) -> DownloadReport:
    """Download the annotation files that `root` lacks; existing ones are verified and kept.

    Nothing is downloaded into a folder with a file of the same name that is not FineGym's, such as a GymSim release.

    Args:
        root: folder of the release; the files go into `root/annotations`, or into `root` if they are already there.
        base_url: URL of the folder of the files.
        files: files to download.
        retry_policy: number of attempts and waiting times.

    Raises:
        GymQAError: the server cannot be reached, or the folder is not writable; files downloaded before are kept.
    """
    if not is_web_address(base_url):
        raise GymQAError(f"{base_url!r} is not a URL; write one such as {BASE_URL}")
    folder = annotations_folder(root)
    existing = [file for file in files if (folder / file.name).exists()]
    wrong = {file.name: reason for file in existing if (reason := problem(folder / file.name, file))}
    report = DownloadReport([file.name for file in existing if file.name not in wrong], wrong=wrong)
    if wrong:
        return report
    with progress_bar("FineGym's annotation files", len(files), len(existing)) as bar:
        for file in (file for file in files if file not in existing):
            try:
                _download(folder / file.name, file, file.url(base_url), retry_policy)
                report.downloaded.append(file.name)
            except RefusedError as error:
                report.refused[file.name] = str(error)
            bar.advance(note=file.name)
    return report


def _download(target: Path, file: AnnotationFile, url: str, retry_policy: RetryPolicy) -> None:
    """Download one file, resuming a partial one; the final rename makes it visible."""
    part, tag = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.part.etag")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as lock:
            take_lock(lock, str(target))  # the partial file is locked
            resumed = part.stat().st_size > 0
            _transfer(part, tag, file, url, retry_policy)
            reason = problem(part, file)
            if reason and resumed:  # the part from an earlier run may be wrong: restart once
                _start_anew(part)
                _transfer(part, tag, file, url, retry_policy)
                reason = problem(part, file)
            tag.unlink(missing_ok=True)
            if reason:
                _start_anew(part)
                raise RefusedError(f"{url} is not the expected file: {reason}")
            part.replace(target)
    except RefusedError:
        if part.stat().st_size == 0:
            part.unlink()
        raise
    except OSError as error:
        raise GymQAError(
            f"cannot write {target}: {error.strerror or error}; choose a folder you may write to"
        ) from error


def _start_anew(part: Path) -> None:
    """Truncate a partial file, which stays locked."""
    with part.open("r+b") as file:
        file.truncate()


def _transfer(part: Path, tag: Path, file: AnnotationFile, url: str, retry_policy: RetryPolicy) -> None:
    """Request until `part` is complete; the count of failures restarts whenever the download has progressed."""
    failures, furthest = 0, part.stat().st_size
    while True:
        try:
            _request(part, tag, file, url, retry_policy.timeout)
            return
        except TransferInterruptedError as error:
            failures = 1 if part.stat().st_size > furthest else failures + 1
            furthest = max(furthest, part.stat().st_size)
            if failures >= retry_policy.attempts:
                raise GymQAError(
                    f"{url} was interrupted {failures} times ({error}); run the same command again to resume"
                ) from error
            time.sleep(retry_policy.delay(failures, error.requested))


def _request(part: Path, tag: Path, file: AnnotationFile, url: str, timeout: float) -> None:
    """Request the bytes that `part` lacks and append them.

    Raises:
        TransferInterruptedError: it is not complete yet, and a retry may succeed.
        RefusedError: a retry would not help.
    """
    have = part.stat().st_size
    if have and have == file.size:
        return
    version = tag.read_text(encoding="utf-8") if tag.exists() else ""
    if have and not version and file.sha256 is None:  # no way to tell whether the parts belong together
        _start_anew(part)
        have = 0
    headers = {"User-Agent": f"gymqa/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
    with _open(part, urllib.request.Request(url, headers=headers), timeout) as response:
        total = _begin(response, part, file, url)
        etag = response.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            write_text(tag, etag)
        else:
            tag.unlink(missing_ok=True)
        with part.open("ab") as out:
            while chunk := _read(response):
                out.write(chunk)
                if out.tell() > (file.size or MAX_BYTES):
                    out.truncate(0)
                    raise RefusedError(f"{url} is not the expected file: it does not end after {out.tell()} bytes")
    have = part.stat().st_size
    if total is not None and have != total:
        raise TransferInterruptedError(f"{have} of {total} bytes received")


def _open(part: Path, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """Send the request; classify its failures as temporary or permanent."""
    try:
        return urllib.request.urlopen(request, timeout=timeout)  # type: ignore[no-any-return]  # http only: see above
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the partial file is longer than the file
            _start_anew(part)
        elif error.code not in TRANSIENT:
            raise RefusedError(f"{request.full_url} answers {error.code} {error.reason}") from error
        requested = error.headers.get("Retry-After", "")
        raise TransferInterruptedError(
            f"{error.code} {error.reason}", float(requested) if requested.isdecimal() else 0.0
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise TransferInterruptedError(str(getattr(error, "reason", None) or error) or type(error).__name__) from error


def _begin(response: http.client.HTTPResponse, part: Path, file: AnnotationFile, url: str) -> int | None:
    """Truncate `part` unless the response continues it; return the size of the complete file, None if unknown."""
    said = response.headers.get("Content-Length", "")
    total = int(said) if said.isdecimal() else None
    if response.status == 206:
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != part.stat().st_size:
            _start_anew(part)
            raise TransferInterruptedError("the server sent another range than requested")
        total = int(match[2])
    else:
        _start_anew(part)
    if file.size is not None and total is not None and total != file.size:
        _start_anew(part)
        raise RefusedError(f"{url} is not the expected file: it has {total} bytes, not {file.size}")
    return total


def _read(response: http.client.HTTPResponse) -> bytes:
    """Return the next bytes of the response, none at its end."""
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise TransferInterruptedError(str(error) or type(error).__name__) from error
