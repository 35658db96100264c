"""FineGym's annotation files arrive whole, checked and resumed, from a server that breaks off, errs or lies."""

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from gymqa.cli.main import main
from gymqa.download import annotations as download
from gymqa.download.annotation_files import FILES, AnnotationFile, problem
from gymqa.download.annotations import RetryPolicy, download_annotations
from gymqa.errors import GymQAError
from tests.helpers.loopback_server import Site, listening, serve
from tests.helpers.naming import does_name, naming

QUICK = RetryPolicy(attempts=3, wait=0.01, timeout=5)
TEXT = b"".join(b"clip%05d 1\n" % number for number in range(100_000))  # 1.1 MB, several chunks
ANNOTATION = json.dumps({"abcdefghijk": {"E_000001_000009": {"event": 1, "timestamps": [[1, 9]], "segments": None}}})


def known(name: str, body: bytes) -> AnnotationFile:
    return AnnotationFile(name, len(body), hashlib.sha256(body).hexdigest())


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site(files={"/list.txt": TEXT, "/info.json": ANNOTATION.encode()})) as running:
        yield running


LIST, INFO = known("list.txt", TEXT), AnnotationFile("info.json")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_missing_files_are_brought_and_those_there_are_kept(site: Site, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "list.txt").write_bytes(TEXT)
    report = download_annotations(tmp_path, site.url, [LIST, INFO], QUICK)
    assert (report.present, report.downloaded, report.wrong) == (["list.txt"], ["info.json"], {})
    assert names(tmp_path / "annotations") == ["info.json", "list.txt"]
    assert [path for path, _ in site.requests] == ["/info.json"]
    assert download_annotations(tmp_path, site.url, [LIST, INFO], QUICK).downloaded == []


def test_files_that_lie_in_the_root_itself_are_found_there(site: Site, tmp_path: Path) -> None:
    (tmp_path / "set_categories.txt").write_text("set: 1; vault\n")
    (tmp_path / "list.txt").write_bytes(TEXT)
    assert download_annotations(tmp_path, site.url, [LIST], QUICK).present == ["list.txt"]


def test_a_connection_cut_half_way_is_taken_up_at_the_byte_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.drop_after, site.drops = 300_000, 5  # more often than a transfer that brings nothing may fail
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    assert (tmp_path / "annotations" / "list.txt").read_bytes() == TEXT
    assert [asked for _, asked in site.requests] == ["", *(f"bytes={part * 300_000}-" for part in (1, 2, 3))]
    assert names(tmp_path / "annotations") == ["list.txt"]


def test_a_later_run_goes_on_with_the_half_that_a_failed_one_left(site: Site, tmp_path: Path) -> None:
    site.drop_after, site.statuses = 500_000, []
    with pytest.raises(GymQAError, match=naming(f"{site.url}/list.txt", 500_000)):
        download_annotations(tmp_path, site.url, [LIST], RetryPolicy(attempts=1, wait=0.01))
    assert not (tmp_path / "annotations" / "list.txt").exists()
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    assert site.requests[-1] == ("/list.txt", "bytes=500000-")
    assert (tmp_path / "annotations" / "list.txt").read_bytes() == TEXT


@pytest.mark.parametrize("file", [LIST, AnnotationFile("info.json")], ids=["known hash", "unknown hash"])
def test_halves_of_two_versions_are_never_put_together(site: Site, tmp_path: Path, file: AnnotationFile) -> None:
    path = f"/{file.name}"
    right, site.files[path] = site.files[path], b"x" * len(site.files[path])
    site.drop_after = len(right) // 2
    with pytest.raises(GymQAError, match=naming(f"{site.url}{path}", len(right) // 2)):
        download_annotations(tmp_path, site.url, [file], RetryPolicy(attempts=1))
    site.files[path], site.etag = right, '"v2"'
    download_annotations(tmp_path, site.url, [file], QUICK)
    assert (tmp_path / "annotations" / file.name).read_bytes() == right
    assert len(site.requests) == 2  # the server was told which version the first half is of


def test_a_rest_that_does_not_fit_is_fetched_once_more_from_the_start(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / ".list.txt.part").write_bytes(b"?" * 1000)
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    assert (folder / "list.txt").read_bytes() == TEXT
    assert [asked for _, asked in site.requests] == ["bytes=1000-", ""]


def test_a_server_without_ranges_gives_the_whole_file_again(site: Site, tmp_path: Path) -> None:
    site.ranges, site.drop_after = False, 400_000
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    assert (tmp_path / "annotations" / "list.txt").read_bytes() == TEXT


def test_a_file_of_another_size_or_hash_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files["/list.txt"] = TEXT + b"more"
    refused = download_annotations(tmp_path / "size", site.url, [LIST], QUICK).refused["list.txt"]
    assert f"has {len(TEXT) + 4} bytes, not {len(TEXT)}" in refused
    site.files["/list.txt"] = TEXT[::-1]
    assert "SHA-256" in download_annotations(tmp_path / "hash", site.url, [LIST], QUICK).refused["list.txt"]
    assert names(tmp_path / "size" / "annotations") == names(tmp_path / "hash" / "annotations") == []
    assert len(site.requests) == 2


def test_an_annotation_file_of_unknown_hash_must_read_as_one(site: Site, tmp_path: Path) -> None:
    site.files["/info.json"] = b"<html>moved</html>"
    refused = download_annotations(tmp_path, site.url, [INFO], QUICK).refused["info.json"]
    assert "does not read as FineGym's temporal annotation" in refused
    assert names(tmp_path / "annotations") == []


def test_404_is_asked_for_once_and_503_again_with_growing_waits(site: Site, tmp_path: Path) -> None:
    report = download_annotations(tmp_path, site.url, [AnnotationFile("none.txt"), INFO], QUICK)
    assert does_name(report.refused["none.txt"], "none.txt", 404)
    assert report.downloaded == ["info.json"]  # one file that is gone keeps none of the others back
    assert len(site.requests) == 2 and names(tmp_path / "annotations") == ["info.json"]
    site.statuses = [503, 503]
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    site.statuses = [503] * 3
    with pytest.raises(GymQAError, match=naming(f"{site.url}/list.txt", 3, 503)):
        download_annotations(tmp_path / "other", site.url, [LIST], QUICK)
    assert [RetryPolicy(wait=1).delay(attempt) for attempt in (1, 2, 3, 9)] == [1, 2, 4, 60]
    assert RetryPolicy(wait=1).delay(1, requested=20) == 20


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serve(Site()) as gone:
        address = gone.url
    with pytest.raises(GymQAError, match=address):
        download_annotations(tmp_path, address, [LIST], QUICK)


@pytest.mark.slow
def test_a_killed_download_goes_on_with_the_same_command(site: Site, tmp_path: Path) -> None:
    site.drop_after = 200_000
    code = (
        "import sys; from pathlib import Path; from gymqa.download.annotations import *;"
        "from gymqa.download.annotation_files import *;"
        f"download_annotations(Path(sys.argv[1]), sys.argv[2], [AnnotationFile({LIST.name!r}, {LIST.size},"
        f" {LIST.sha256!r})], RetryPolicy(wait=60))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), site.url])
    part = tmp_path / "annotations" / ".list.txt.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == 200_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    with pytest.raises(GymQAError, match=naming("list.txt", "--out")):
        download_annotations(tmp_path, site.url, [LIST], QUICK)
    process.kill()
    process.wait()
    download_annotations(tmp_path, site.url, [LIST], QUICK)
    assert site.requests[-1] == ("/list.txt", "bytes=200000-")
    assert (tmp_path / "annotations" / "list.txt").read_bytes() == TEXT


def test_an_answer_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 1 << 20)

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"x" * (1 << 16))

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output quiet."""

    with listening(Endless) as url:
        report = download_annotations(tmp_path, url, [known("short.txt", b"x"), INFO], QUICK)
    ends = [int(re.findall(r"(\d+) bytes", reason)[0]) for reason in report.refused.values()]
    assert 1 < ends[0] < 1 << 20 < ends[1]
    assert names(tmp_path / "annotations") == []


def test_a_server_that_gives_more_and_less_in_turn_is_given_up(tmp_path: Path) -> None:
    requests = []

    class Fickle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(TEXT)))
            self.end_headers()
            self.wfile.write(TEXT[: 2000 if len(requests) % 2 else 1000])

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output quiet."""

    with listening(Fickle) as url, pytest.raises(GymQAError, match=naming(f"{url}/list.txt", 3)):
        download_annotations(tmp_path, url, [LIST], QUICK)
    assert len(requests) == 3


@pytest.mark.parametrize("wrong", ["ftp://host/x", "http://", "http://[", "http://a b/", "http://host:99999", "host/x"])
def test_what_is_no_address_is_refused_at_once(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(wrong))):
        download_annotations(tmp_path, wrong, [LIST], QUICK)


def test_nothing_is_brought_beside_a_file_of_ones_own(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "annotations"
    (folder / "list.txt").mkdir(parents=True)
    (folder / "gym530_categories.txt").write_text("of GymSim")
    before = names(folder)
    assert main(["finegym", "download", "--out", str(tmp_path), "--base_url", site.url]) == 2
    assert "not FineGym's: gym530_categories.txt" in capsys.readouterr().out
    there = known("list.txt", TEXT)
    same_size = AnnotationFile("list.txt", (folder / "list.txt").stat().st_size, there.sha256)
    report = download_annotations(tmp_path, site.url, [INFO, same_size], QUICK)
    assert report.wrong == {"list.txt": "it cannot be read: Is a directory"} and not report.downloaded
    assert names(folder) == before and not site.requests


def test_the_command_refuses_a_folder_of_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    for file in FILES:
        (folder / file.name).write_text("mine")
    assert main(["finegym", "download", "--out", str(tmp_path), "--base_url", "http://127.0.0.1:9"]) == 2
    printed = capsys.readouterr()
    assert does_name(printed.out, *(file.name for file in FILES), 4, 348)
    assert does_name(printed.err, tmp_path)
    assert (folder / "set_categories.txt").read_text() == "mine"


def test_the_command_names_what_the_server_lacks(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["finegym", "download", "--out", str(tmp_path), "--base_url", site.url]) == 2
    printed = capsys.readouterr()
    assert len(re.findall(r"\b404\b", printed.out)) == len(FILES) and "--base_url" in printed.err


def test_the_table_knows_the_official_files(shared: Path) -> None:
    local = {path.name for path in (shared / "finegym").iterdir()}
    assert local == {file.name for file in FILES if file.sha256}
    for file in FILES:
        if file.sha256:
            assert problem(shared / "finegym" / file.name, file) is None
