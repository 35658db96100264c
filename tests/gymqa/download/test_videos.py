"""Raw videos come from a server through yt-dlp, resumed and reported; ids that are dead are told from bad luck."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gymqa.cli.main import main
from gymqa.download.videos import Coverage, Source, fetch_videos, find_raw_video
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from tests.helpers.loopback_server import Site, serve
from tests.helpers.naming import does_name, naming

pytest.importorskip("yt_dlp", reason="needs the extra `download`")


@pytest.fixture
def site(gymsim_root: Path) -> Iterator[Site]:
    video = (gymsim_root / "videos" / "gymsimT0000.mp4").read_bytes()
    with serve(Site(files={f"/raw/{video_id}.mp4": video for video_id in ("-alive_0000", "alive_00001")})) as running:
        yield running


def source(site: Site, retries: int = 3, limit_rate: str | None = None) -> Source:
    return Source(f"{site.url}/raw/{{id}}.mp4", limit_rate=limit_rate, retries=retries, wait=0.01)


def body(site: Site) -> bytes:
    return site.files["/raw/alive_00001.mp4"]


@pytest.mark.slow
def test_videos_that_are_missing_come_whole_and_those_there_are_not_asked_for(site: Site, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "alive_00001.mp4").write_bytes(body(site))
    found = fetch_videos(tmp_path, ["-alive_0000", "alive_00001"], source(site))
    assert found == [Coverage("-alive_0000", "downloaded"), Coverage("alive_00001", "present")]
    assert (tmp_path / "videos" / "-alive_0000.mp4").read_bytes() == body(site)
    assert {path for path, _ in site.requests} == {"/raw/-alive_0000.mp4"}
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["-alive_0000.mp4", "alive_00001.mp4"]


def test_a_folder_with_a_percent_sign_is_no_template(site: Site, tmp_path: Path) -> None:
    fetch_videos(tmp_path / "50%(id)s", ["alive_00001"], source(site))
    assert find_raw_video(tmp_path / "50%(id)s", "alive_00001") is not None


@pytest.mark.slow
def test_dead_ids_are_reported_and_not_asked_for_again_unless_told(site: Site, tmp_path: Path) -> None:
    found = fetch_videos(tmp_path, ["gone_000000", "alive_00001"], source(site))
    assert [entry.state for entry in found] == ["dead", "downloaded"] and "404" in found[0].reason
    report = read_json(tmp_path / "video_coverage.json")
    assert report["counts"] == {"dead": 1, "downloaded": 1}
    assert [entry["id"] for entry in report["videos"]] == ["alive_00001", "gone_000000"]
    site.requests.clear()
    assert fetch_videos(tmp_path, ["gone_000000"], source(site))[0].state == "dead" and not site.requests
    site.files["/raw/gone_000000.mp4"] = body(site)
    assert fetch_videos(tmp_path, ["gone_000000"], source(site), retry_dead=True)[0].state == "downloaded"
    assert read_json(tmp_path / "video_coverage.json")["counts"] == {"downloaded": 2}


@pytest.mark.slow
def test_a_server_that_is_busy_is_no_dead_video(site: Site, tmp_path: Path) -> None:
    site.statuses = [503] * 100
    (entry,) = fetch_videos(tmp_path, ["alive_00001"], source(site, retries=1))
    assert entry.state == "failed" and "503" in entry.reason
    site.statuses = []
    assert fetch_videos(tmp_path, ["alive_00001"], source(site))[0].state == "downloaded"


def test_a_connection_cut_half_way_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.drop_after, site.drops = len(body(site)) // 2, 2  # one for yt-dlp's first look at the file
    assert fetch_videos(tmp_path, ["alive_00001"], source(site))[0].state == "downloaded"
    assert (tmp_path / "videos" / "alive_00001.mp4").read_bytes() == body(site)
    resumed = [int(asked.removeprefix("bytes=").split("-")[0]) for _, asked in site.requests if asked]
    assert any(0 < start <= len(body(site)) // 2 for start in resumed), site.requests


@pytest.mark.slow
def test_a_killed_download_goes_on_with_the_same_command(site: Site, tmp_path: Path) -> None:
    command = ["finegym", "videos", str(tmp_path), "--url", f"{site.url}/raw/{{id}}.mp4", "--ids", "alive_00001"]
    process = subprocess.Popen([sys.executable, "-m", "gymqa.cli.main", *command, "--limit_rate", "40K"])
    part = tmp_path / "videos" / "alive_00001.mp4.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 10_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    have = part.stat().st_size
    assert have < len(body(site)) and find_raw_video(tmp_path, "alive_00001") is None
    assert main(command) == 0
    assert any(asked.startswith(f"bytes={have}-") for _, asked in site.requests)
    assert (tmp_path / "videos" / "alive_00001.mp4").read_bytes() == body(site)


def test_the_rate_limit_holds(site: Site, tmp_path: Path) -> None:
    rate = len(body(site))
    began = time.monotonic()
    fetch_videos(tmp_path, ["alive_00001"], source(site, limit_rate=str(rate)))
    assert time.monotonic() - began > 0.7


def test_a_file_that_is_no_video_is_called_broken_and_kept(site: Site, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "alive_00001.mkv").write_bytes(b"not a video")
    (entry,) = fetch_videos(tmp_path, ["alive_00001"], source(site))
    assert entry.state == "broken" and does_name(entry.reason, "alive_00001.mkv")
    assert (tmp_path / "videos" / "alive_00001.mkv").exists() and not site.requests


def test_the_command_takes_the_ids_of_the_annotation_and_only_looks_when_told(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "coverage.json"
    assert main(["finegym", "videos", str(gymsim_root), "--check", "--report", str(report)]) == 0
    assert "4 missing, 1 present" in capsys.readouterr().out
    assert read_json(report)["counts"] == {"missing": 4, "present": 1}


@pytest.mark.parametrize("wrong", ["../up", "a/b", "", "a b"])
def test_an_id_that_could_lead_elsewhere_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(wrong))):
        fetch_videos(tmp_path, [wrong])


@pytest.mark.parametrize(
    "wrong", ["https://example.org/videos", "file:///{id}", "http://[{id}", "https://a b/{id}", "http://h:99999/{id}"]
)
def test_an_address_without_an_id_or_of_no_server_is_refused(wrong: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(wrong), "{id}")):
        Source(wrong)


def test_a_rate_or_a_format_that_is_none_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("--limit_rate", "'fast'")):
        fetch_videos(tmp_path, ["alive_00001"], source(site, limit_rate="fast"))
    with pytest.raises(GymQAError, match=naming("--format", "'[[['")):
        fetch_videos(tmp_path, ["alive_00001"], Source(f"{site.url}/raw/{{id}}.mp4", format="[[["))


def test_a_format_that_a_video_lacks_makes_it_no_dead_one(site: Site, tmp_path: Path) -> None:
    picky = Source(f"{site.url}/raw/{{id}}.mp4", format="best[height<=1]")
    (entry,) = fetch_videos(tmp_path, ["alive_00001"], picky)
    assert entry.state == "failed" and "Requested format is not available" in entry.reason
    assert fetch_videos(tmp_path, ["alive_00001"], source(site))[0].state == "downloaded"


@pytest.mark.parametrize(
    "videos", [7, [7], [{"id": "a"}], [{"id": 7, "state": "dead"}], [{"id": "a", "state": ["dead"]}], {"id": "dead"}]
)
def test_a_report_of_another_kind_is_refused(tmp_path: Path, videos: object) -> None:
    write_json(tmp_path / "report.json", {"videos": videos})
    with pytest.raises(GymQAError, match=naming("report.json")):
        fetch_videos(tmp_path, ["alive_00001"], None, tmp_path / "report.json")


@pytest.mark.slow
def test_without_yt_dlp_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['yt_dlp'] = None; from gymqa.cli.main import main;"
        "sys.exit(main(['finegym', 'videos', sys.argv[1], '--ids', 'alive_00001']))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert does_name(done.stderr.splitlines()[-1], "gymqa[download]")
