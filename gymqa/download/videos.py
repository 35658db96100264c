"""FineGym's raw videos: which of them a folder has, and bringing the others with yt-dlp.

yt-dlp (extra `download`) is imported when the first video is to be brought; it writes `<id>.mp4.part`, goes on with one
that is there, and renames it when it is whole.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import av

from gymqa.download.cutting import open_video
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import VIDEO_ID
from gymqa.io.console import progress_bar
from gymqa.io.files import read_json, write_json

URL = "https://www.youtube.com/watch?v={id}"
# No sound is needed, so one file with pictures will do; 720 lines are more than the clips keep.
FORMAT = "bestvideo[ext=mp4][height<=?720]/best[ext=mp4][height<=?720]/best[ext=mp4]"
SUFFIXES = (".mp4", ".mkv", ".webm")
GONE = {404, 410}  # the statuses that mean that a video is no more
# Refusals that yt-dlp counts as the site's last word, yet that pass, or that another --format or a newer yt-dlp mends.
PASSING = re.compile(
    r"not a bot|rate.?limit|too many requests|try again|timed out|page needs to be reloaded|requested format",
    re.IGNORECASE,
)

State = Literal["present", "downloaded", "missing", "dead", "failed", "broken"]


IMPOSSIBLE = re.compile(r"[\x00-\x20\x7f]")  # characters that stand in no address


def is_web_address(text: str) -> bool:
    """Whether `text` begins with http:// or https:// and a host, has a possible port if any, and no blanks."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not IMPOSSIBLE.search(text)
        )
    except ValueError:  # brackets about no IPv6 address, a port that is none
        return False


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of one video.

    Attributes:
        id: the video's id.
        state: present (was there), downloaded, missing (not asked for yet), dead (the site does not give it), failed
            (another attempt may bring it), broken (the file there is no video).
        reason: why it is not there, empty where it is.
    """

    id: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where videos come from.

    Attributes:
        url: address of a video, with {id} in it.
        format: yt-dlp's choice of format.
        limit_rate: bytes a second, as yt-dlp writes them (800K, 2M); None for no limit.
        retries: attempts for a transfer that breaks off.
        wait: seconds before the first retry; doubled each time, a minute at most.
    """

    url: str = URL
    format: str = FORMAT
    limit_rate: str | None = None
    retries: int = 5
    wait: float = 1.0

    def __post_init__(self) -> None:
        if "{id}" not in self.url or not is_web_address(self.url.replace("{id}", "id")):
            raise GymQAError(f"{self.url!r} is no address of videos; write one with {{id}} in it, such as {URL}")


def find_raw_video(root: Path, video_id: str) -> Path | None:
    """The raw video `root/videos/<id>` with a suffix of a video, None where there is none."""
    paths = (root / "videos" / f"{video_id}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def look_up(root: Path, video_id: str) -> Coverage:
    """Say whether a raw video is there and opens."""
    path = find_raw_video(root, video_id)
    if path is None:
        return Coverage(video_id, "missing", "not in the folder")
    if not _opens(path):
        return Coverage(video_id, "broken", f"{path.name} does not open as a video; remove it and run this again")
    return Coverage(video_id, "present")


def fetch_videos(
    root: Path,
    ids: Sequence[str],
    source: Source | None = Source(),
    report: Path | None = None,
    retry_dead: bool = False,
) -> list[Coverage]:
    """Bring the raw videos that `root/videos` lacks, and write what became of each after every one of them.

    Args:
        root: folder of the release.
        ids: the videos wanted.
        source: where they come from; None brings none and only looks.
        report: JSON file of the coverage, `root/video_coverage.json` by default; ids of earlier calls stay in it.
        retry_dead: ask again for videos that an earlier report calls dead.

    Raises:
        GymQAError: an id that could not name a file, or yt-dlp is needed and not installed.
    """
    for video_id in ids:
        if VIDEO_ID.fullmatch(video_id) is None:
            raise GymQAError(f"{video_id!r} is no video id; use at most 64 letters, digits, - and _")
    report = root / "video_coverage.json" if report is None else report
    known = _read_report(report)
    found: list[Coverage] = []
    with progress_bar("raw videos", len(ids)) as bar:
        for video_id in ids:
            entry = look_up(root, video_id)
            before = known.get(video_id)
            if entry.state == "missing" and before is not None and before.state == "dead" and not retry_dead:
                entry = before
            elif entry.state == "missing" and source is not None:
                entry = _fetch(root, video_id, source)
            found.append(entry)
            if entry != before:
                known[video_id] = entry
                _write_report(report, known.values())
            bar.advance(note=video_id)
    _write_report(report, known.values())
    return found


def _fetch(root: Path, video_id: str, source: Source) -> Coverage:
    """Bring one video, or say why not."""
    yt_dlp = _import_yt_dlp()
    try:
        with yt_dlp.YoutubeDL(_options(root / "videos" / video_id, source, yt_dlp)) as downloader:
            downloader.download([source.url.replace("{id}", video_id)])
    except yt_dlp.utils.DownloadError as error:
        return _verdict(video_id, error)
    except SyntaxError as error:
        raise GymQAError(f"--format does not take {source.format!r}; see yt-dlp's chapter on formats") from error
    entry = look_up(root, video_id)
    return Coverage(video_id, "downloaded") if entry.state == "present" else entry


def _import_yt_dlp() -> Any:
    try:
        import yt_dlp
    except ImportError as error:
        raise GymQAError(
            "yt-dlp, which brings raw videos, is not installed; install it with `pip install 'gymqa[download]'`"
        ) from error
    return yt_dlp


def _options(target: Path, source: Source, yt_dlp: Any) -> dict[str, Any]:
    """yt-dlp's options for one video; `target` has no suffix yet."""
    rate = None if source.limit_rate is None else yt_dlp.utils.parse_bytes(source.limit_rate)
    if source.limit_rate is not None and not rate:
        raise GymQAError(f"--limit_rate does not take {source.limit_rate!r}; write bytes a second, such as 800K or 2M")
    return {
        "format": source.format,
        "outtmpl": {"default": f"{target}".replace("%", "%%") + ".%(ext)s"},
        "ratelimit": rate,
        "retries": source.retries,
        "fragment_retries": source.retries,
        "retry_sleep_functions": {"http": lambda n: min(60.0, source.wait * 2.0**n)},
        "socket_timeout": 30,
        "noplaylist": True,
        "fixup": "never",  # would want ffmpeg's program
        "updatetime": False,
        "cachedir": False,
        "logger": _Silence(),
        "noprogress": True,
        "quiet": True,
    }


class _Silence:
    """Takes yt-dlp's messages; what matters of them comes back as an exception."""

    def debug(self, message: str) -> None:
        """Drop a message."""

    info = warning = error = debug


def _verdict(video_id: str, error: Any) -> Coverage:
    """Tell a video that is gone from one that another attempt may bring, by what yt-dlp raised."""
    reason = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    reason = re.sub(r"^ERROR: (\[[\w:]+\] )?", "", reason).removeprefix(f"{video_id}: ")
    reason = " ".join(reason.split(" (caused by")[0].split("; please report this issue")[0].split())
    causes = list(_causes(error))
    statuses = [status for cause in causes if isinstance(status := getattr(cause, "status", None), int)]
    expected = any(getattr(cause, "expected", False) for cause in causes)
    dead = bool(GONE & set(statuses)) or (not statuses and expected and not PASSING.search(reason))
    return Coverage(video_id, "dead" if dead else "failed", reason)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    """The exception and those it was raised for; yt-dlp keeps them in `exc_info` and `cause`."""
    while error is not None:
        yield error
        wrapped = getattr(error, "exc_info", None) or (None, None)
        error = getattr(error, "cause", None) or wrapped[1] or error.__cause__


def _opens(path: Path) -> bool:
    """Whether a file has a video stream with a first frame."""

    try:
        with open_video(path) as container:
            return next(container.decode(video=0), None) is not None
    except (av.error.FFmpegError, IndexError):
        return False


def _read_report(path: Path) -> dict[str, Coverage]:
    """The entries of an earlier report by id.

    Raises:
        GymQAError: the file is not one of ours.
    """
    if not path.exists():
        return {}
    try:
        entries = [Coverage(**entry) for entry in read_json(path)["videos"]]
        if not all(isinstance(word, str) for entry in entries for word in (entry.id, entry.state, entry.reason)):
            raise TypeError("an entry holds something else than text")
        return {entry.id: entry for entry in entries}
    except (KeyError, TypeError) as error:
        raise GymQAError(f"{path} is no coverage report of raw videos; move it away or name another file") from error


def _write_report(path: Path, entries: Iterable[Coverage]) -> None:
    """Write how many videos there are of each state, and every one of them."""
    videos = sorted(entries, key=lambda entry: entry.id)
    counts = Counter(entry.state for entry in videos)
    write_json(path, {"counts": dict(sorted(counts.items())), "videos": [asdict(entry) for entry in videos]})
