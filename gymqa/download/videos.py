"""Download FineGym's raw videos with yt-dlp; report which are present, missing, removed from the site, or broken.

yt-dlp (extra `download`) is imported for the first download; it writes `<id>.mp4.part`, resumes an existing one, and
renames it when it is complete.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import VIDEO_ID
from gymqa.frames.reading import VideoError, open_video
from gymqa.io.console import progress_bar
from gymqa.io.files import read_json, write_json

URL = "https://www.youtube.com/watch?v={id}"
# No audio is needed, so a single video stream is enough; the clips are smaller than 720 lines.
FORMAT = "bestvideo[ext=mp4][height<=?720]/best[ext=mp4][height<=?720]/best[ext=mp4]"
SUFFIXES = (".mp4", ".mkv", ".webm")
DEAD_STATUSES = {404, 410}  # HTTP statuses of a video that no longer exists
# Errors that yt-dlp treats as final although they are temporary, or fixed by another --format or a newer yt-dlp.
TRANSIENT = re.compile(
    r"not a bot|rate.?limit|too many requests|try again|timed out|page needs to be reloaded|requested format",
    re.IGNORECASE,
)

State = Literal["present", "downloaded", "missing", "dead", "failed", "broken"]


IMPOSSIBLE = re.compile(r"[\x00-\x20\x7f]")  # characters that a URL cannot hold


def is_web_address(text: str) -> bool:
    """Whether `text` is an http or https URL with a host, a valid port if any, and no white space."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not IMPOSSIBLE.search(text)
        )
    except ValueError:  # a malformed IPv6 address or port
        return False


@dataclass(frozen=True, slots=True)
class Coverage:
    """State of one video in the coverage report.

    Attributes:
        id: the video's id.
        state: present (already in the folder), downloaded, missing (not requested yet), dead (no longer available),
            failed (a retry may succeed), broken (the file is not a readable video).
        reason: why it is absent; empty if it is present.
    """

    id: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where and how videos are downloaded.

    Attributes:
        url: URL of a video, with {id} in it.
        format: yt-dlp's format selection.
        limit_rate: bytes per second in yt-dlp's notation (800K, 2M); None for no limit.
        retries: retries of an interrupted transfer.
        wait: seconds before the first retry; doubled each time, at most a minute.
    """

    url: str = URL
    format: str = FORMAT
    limit_rate: str | None = None
    retries: int = 5
    wait: float = 1.0

    def __post_init__(self) -> None:
        if "{id}" not in self.url or not is_web_address(self.url.replace("{id}", "id")):
            raise GymQAError(f"{self.url!r} is not a URL of videos; write one with {{id}} in it, such as {URL}")


def find_raw_video(root: Path, video_id: str) -> Path | None:
    """Path of the raw video `root/videos/<id>` with a video suffix; None if there is none."""
    paths = (root / "videos" / f"{video_id}{suffix}" for suffix in SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def look_up(root: Path, video_id: str) -> Coverage:
    """State of a raw video on disk: present, missing or broken."""
    path = find_raw_video(root, video_id)
    if path is None:
        return Coverage(video_id, "missing", "not in the folder")
    if not _is_readable(path):
        return Coverage(video_id, "broken", f"{path.name} cannot be opened as a video; remove it and run this again")
    return Coverage(video_id, "present")


def fetch_videos(
    root: Path,
    ids: Sequence[str],
    source: Source | None = Source(),
    report: Path | None = None,
    retry_dead: bool = False,
) -> list[Coverage]:
    """Download the raw videos that `root/videos` lacks; update the coverage report after each.

    Args:
        root: folder of the release.
        ids: ids of the videos.
        source: where they are downloaded from; None downloads nothing and only checks.
        report: JSON file of the coverage, `root/video_coverage.json` by default; ids of earlier calls stay in it.
        retry_dead: retry videos that an earlier report marks as dead.

    Raises:
        GymQAError: an id is malformed, or yt-dlp is needed and not installed.
    """
    for video_id in ids:
        if VIDEO_ID.fullmatch(video_id) is None:
            raise GymQAError(f"{video_id!r} is not a video id; use at most 64 letters, digits, - and _")
    report = root / "video_coverage.json" if report is None else report
    known = _read_report(report)
    found: list[Coverage] = []
    with progress_bar("raw videos", len(ids)) as bar:
        for video_id in ids:
            entry = look_up(root, video_id)
            earlier = known.get(video_id)
            if entry.state == "missing" and earlier is not None and earlier.state == "dead" and not retry_dead:
                entry = earlier
            elif entry.state == "missing" and source is not None:
                entry = _fetch(root, video_id, source)
            found.append(entry)
            if entry != earlier:
                known[video_id] = entry
                _write_report(report, known.values())
            bar.advance(note=video_id)
    _write_report(report, known.values())
    return found


def _fetch(root: Path, video_id: str, source: Source) -> Coverage:
    """Download one video; return its state."""
    yt_dlp = _import_yt_dlp()
    try:
        with yt_dlp.YoutubeDL(_options(root / "videos" / video_id, source, yt_dlp)) as downloader:
            downloader.download([source.url.replace("{id}", video_id)])
    except yt_dlp.utils.DownloadError as error:
        return _classified(video_id, error)
    except SyntaxError as error:
        raise GymQAError(
            f"--format does not take {source.format!r}; see yt-dlp's documentation of format selection"
        ) from error
    entry = look_up(root, video_id)
    return Coverage(video_id, "downloaded") if entry.state == "present" else entry


def _import_yt_dlp() -> Any:
    try:
        import yt_dlp
    except ImportError as error:
        raise GymQAError(
            "yt-dlp, which downloads raw videos, is not installed; install it with `pip install 'gymqa[download]'`"
        ) from error
    return yt_dlp


def _options(target: Path, source: Source, yt_dlp: Any) -> dict[str, Any]:
    """yt-dlp's options for one video; `target` has no suffix yet."""
    rate = None if source.limit_rate is None else yt_dlp.utils.parse_bytes(source.limit_rate)
    if source.limit_rate is not None and not rate:
        raise GymQAError(
            f"--limit_rate does not take {source.limit_rate!r}; write bytes per second, such as 800K or 2M"
        )
    return {
        "format": source.format,
        "outtmpl": {"default": f"{target}".replace("%", "%%") + ".%(ext)s"},
        "ratelimit": rate,
        "retries": source.retries,
        "fragment_retries": source.retries,
        "retry_sleep_functions": {"http": lambda n: min(60.0, source.wait * 2.0**n)},
        "socket_timeout": 30,
        "noplaylist": True,
        "fixup": "never",  # needs the ffmpeg executable
        "updatetime": False,
        "cachedir": False,
        "logger": _SilentLogger(),
        "noprogress": True,
        "quiet": True,
    }


class _SilentLogger:
    """Logger that discards yt-dlp's messages; failures are raised as exceptions."""

    def debug(self, message: str) -> None:
        """Discard a message."""

    info = warning = error = debug


def _classified(video_id: str, error: Any) -> Coverage:
    """Classify yt-dlp's error: dead (no longer available) or failed (a retry may succeed)."""
    reason = re.sub(r"\x1b\[[\d;]*m", "", str(error))
    reason = re.sub(r"^ERROR: (\[[\w:]+\] )?", "", reason).removeprefix(f"{video_id}: ")
    reason = " ".join(reason.split(" (caused by")[0].split("; please report this issue")[0].split())
    causes = list(_causes(error))
    statuses = [status for cause in causes if isinstance(status := getattr(cause, "status", None), int)]
    expected = any(getattr(cause, "expected", False) for cause in causes)
    dead = bool(DEAD_STATUSES & set(statuses)) or (not statuses and expected and not TRANSIENT.search(reason))
    return Coverage(video_id, "dead" if dead else "failed", reason)


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    """The exception and its causes; yt-dlp keeps them in `exc_info` and `cause`."""
    while error is not None:
        yield error
        wrapped = getattr(error, "exc_info", None) or (None, None)
        error = getattr(error, "cause", None) or wrapped[1] or error.__cause__


def _is_readable(path: Path) -> bool:
    """Whether a file has a video stream whose first frame decodes."""
    try:
        with open_video(path) as video:
            return next(video.frames(), None) is not None
    except VideoError:
        return False


def _read_report(path: Path) -> dict[str, Coverage]:
    """The entries of an earlier report by id.

    Raises:
        GymQAError: the file is not a coverage report.
    """
    if not path.exists():
        return {}
    try:
        entries = [Coverage(**entry) for entry in read_json(path)["videos"]]
        if not all(isinstance(word, str) for entry in entries for word in (entry.id, entry.state, entry.reason)):
            raise TypeError("an entry's values are not strings")
        return {entry.id: entry for entry in entries}
    except (KeyError, TypeError) as error:
        raise GymQAError(f"{path} is not a coverage report of raw videos; move it away or name another file") from error


def _write_report(path: Path, entries: Iterable[Coverage]) -> None:
    """Write the number of videos in each state, and the state of every video."""
    videos = sorted(entries, key=lambda entry: entry.id)
    counts = Counter(entry.state for entry in videos)
    write_json(path, {"counts": dict(sorted(counts.items())), "videos": [asdict(entry) for entry in videos]})
