"""FineGym's annotation files from its page: checked, resumed where a transfer broke off, whole or not at all.

The only module that speaks HTTP for FineGym's files. A transfer lies under `.<name>.part` until it is whole and sound;
`.<name>.part.etag` says which version of the file on the server it began with.
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
LARGEST = 1 << 26  # bytes of a file whose size we do not know, some times what FineGym's take
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that another attempt may find gone


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on: `attempts` in a row that bring no byte, waiting `wait`, 2, 4, … times `wait` seconds."""

    attempts: int = 6
    wait: float = 1.0
    longest: float = 60.0
    timeout: float = 30.0

    def before(self, attempt: int, asked: float = 0.0) -> float:
        """Seconds to wait before retry number `attempt`, counted from 1; the server may have `asked` for more."""
        return min(self.longest, max(asked, self.wait * 2.0 ** (attempt - 1)))


@dataclass(slots=True)
class DownloadReport:
    """What a call did, by file name.

    Attributes:
        present: files that were there and are FineGym's.
        downloaded: files that were brought.
        wrong: files that were there and are not FineGym's, with the reason; they are left alone and
            nothing is brought.
        refused: files that the server does not have, or has another of, with the reason.
    """

    present: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class RefusedError(GymQAError):
    """The server does not have the file that gymqa knows; another attempt would change nothing."""


class TransferInterruptedError(Exception):
    """A transfer that broke off for a reason that may pass; `asked` seconds the server wants to be left alone."""

    def __init__(self, reason: str, asked: float = 0.0) -> None:
        super().__init__(reason)
        self.asked = asked


def download_annotations(
    root: Path,
    base_url: str = BASE_URL,
    files: Sequence[AnnotationFile] = FILES,
    patience: RetryPolicy = RetryPolicy(),
) -> DownloadReport:
    """Bring the files that `root` lacks into its folder of annotations; those that are there are checked and kept.

    Nothing is brought into a folder with a file of the same name that is not FineGym's, such as a GymSim release.

    Args:
        root: folder of the release; the files lie in `root/annotations`, or in `root` where they lie there already.
        base_url: folder of the files on a server.
        files: what to bring.
        patience: attempts and waiting.

    Raises:
        GymQAError: the server cannot be reached, or the folder not written to; files brought before stay.
    """
    if not is_web_address(base_url):
        raise GymQAError(f"{base_url!r} is no address of a server; write one such as {BASE_URL}")
    folder = annotations_folder(root)
    there = [file for file in files if (folder / file.name).exists()]
    wrong = {file.name: reason for file in there if (reason := problem(folder / file.name, file))}
    report = DownloadReport([file.name for file in there if file.name not in wrong], wrong=wrong)
    if wrong:
        return report
    with progress_bar("FineGym's annotation files", len(files), len(there)) as bar:
        for file in (file for file in files if file not in there):
            try:
                _download(folder / file.name, file, file.url(base_url), patience)
                report.downloaded.append(file.name)
            except RefusedError as error:
                report.refused[file.name] = str(error)
            bar.advance(note=file.name)
    return report


def _download(target: Path, file: AnnotationFile, url: str, patience: RetryPolicy) -> None:
    """Bring one file, going on with what an earlier run left; the rename is the last thing done."""
    part, tag = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.part.etag")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as lock:
            take_lock(lock, str(target))  # the half-loaded file is held
            resumed = part.stat().st_size > 0
            _transfer(part, tag, file, url, patience)
            reason = problem(part, file)
            if reason and resumed:  # the half from before may be to blame: once more from the start
                _start_anew(part)
                _transfer(part, tag, file, url, patience)
                reason = problem(part, file)
            tag.unlink(missing_ok=True)
            if reason:
                _start_anew(part)
                raise RefusedError(f"{url} is not the file that gymqa knows: {reason}")
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
    """Drop the bytes of a half-loaded file, which stays locked."""
    with part.open("r+b") as file:
        file.truncate()


def _transfer(part: Path, tag: Path, file: AnnotationFile, url: str, patience: RetryPolicy) -> None:
    """Request until `part` is as long as the server says; attempts count anew after one that came further than any."""
    failures, furthest = 0, part.stat().st_size
    while True:
        try:
            _request(part, tag, file, url, patience.timeout)
            return
        except TransferInterruptedError as error:
            failures = 1 if part.stat().st_size > furthest else failures + 1
            furthest = max(furthest, part.stat().st_size)
            if failures >= patience.attempts:
                raise GymQAError(
                    f"{url} broke off {failures} times ({error}); the same command goes on from there"
                ) from error
            time.sleep(patience.before(failures, error.asked))


def _request(part: Path, tag: Path, file: AnnotationFile, url: str, timeout: float) -> None:
    """Ask for what `part` lacks and append it.

    Raises:
        BrokenOffError: it is not whole yet, and another attempt may bring the rest.
        RefusedError: another attempt would change nothing.
    """
    have = part.stat().st_size
    if have and have == file.size:
        return
    version = tag.read_text(encoding="utf-8") if tag.exists() else ""
    if have and not version and file.sha256 is None:  # nothing could tell whether the halves belong together
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
                if out.tell() > (file.size or LARGEST):
                    out.truncate(0)
                    raise RefusedError(
                        f"{url} is not the file that gymqa knows: it does not end after {out.tell()} bytes"
                    )
    have = part.stat().st_size
    if total is not None and have != total:
        raise TransferInterruptedError(f"{have} of {total} bytes came")


def _open(part: Path, request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """Send the request and sort its failures into those that may pass and those that stay."""
    try:
        return urllib.request.urlopen(request, timeout=timeout)  # type: ignore[no-any-return]  # http only: see above
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what we have is longer than the file
            _start_anew(part)
        elif error.code not in PASSING:
            raise RefusedError(f"{request.full_url} answers {error.code} {error.reason}") from error
        asked = error.headers.get("Retry-After", "")
        raise TransferInterruptedError(
            f"{error.code} {error.reason}", float(asked) if asked.isdecimal() else 0.0
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise TransferInterruptedError(str(getattr(error, "reason", None) or error) or type(error).__name__) from error


def _begin(response: http.client.HTTPResponse, part: Path, file: AnnotationFile, url: str) -> int | None:
    """Fit `part` to the answer, a rest or the whole file, and return the whole file's bytes, None when not said."""
    said = response.headers.get("Content-Length", "")
    total = int(said) if said.isdecimal() else None
    if response.status == 206:
        match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != part.stat().st_size:
            _start_anew(part)
            raise TransferInterruptedError("the server sent another part than asked for")
        total = int(match[2])
    else:
        _start_anew(part)
    if file.size is not None and total is not None and total != file.size:
        _start_anew(part)
        raise RefusedError(f"{url} is not the file that gymqa knows: it has {total} bytes, not {file.size}")
    return total


def _read(response: http.client.HTTPResponse) -> bytes:
    """Return some bytes of the answer, none at its end."""
    try:
        return response.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise TransferInterruptedError(str(error) or type(error).__name__) from error
