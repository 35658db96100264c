"""`gymqa finegym`: download FineGym's annotation files and raw videos; cut the clips out of them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gymqa.download.annotation_files import BASE_URL, annotation_file
from gymqa.download.videos import FORMAT, URL
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.finegym.temporal import read_annotations

REASONS = 10  # number of reasons to print; the file has all


def download(*, out: Path, base_url: str = BASE_URL) -> None:
    """Download FineGym's annotation files; existing files are verified and kept.

    An interrupted download resumes with the same command.

    Args:
        out: folder of the release; the files go into its folder `annotations`.
        base_url: URL of the folder of the files, for a mirror.
    """
    from gymqa.download.annotations import download_annotations

    report = download_annotations(out, base_url)
    print(f"{out}: {len(report.present)} files were there, {len(report.downloaded)} downloaded")
    for name, reason in report.wrong.items():
        print(f"not FineGym's: {name}: {reason}")
    for name, reason in report.refused.items():
        print(f"not downloaded: {name}: {reason}")
    if report.wrong:
        raise GymQAError(f"{out} holds files that are not FineGym's, listed above; move them away and run this again")
    if report.refused:
        raise GymQAError(f"{base_url} does not have the files listed above; try again later or give another --base_url")


def videos(
    root: Path,
    *,
    ids: list[str] | None = None,
    lists: list[Path] | None = None,
    url: str = URL,
    format: str = FORMAT,
    limit_rate: str | None = None,
    report: Path | None = None,
    retry_dead: bool = False,
    check: bool = False,
) -> None:
    """Download the raw videos that a folder lacks with yt-dlp, and report the state of each.

    An interrupted download resumes with the same command. Needs the extra `download`.

    Args:
        root: folder of the release; the videos go into its folder `videos`.
        ids: ids of the videos (one that begins with "--" as --ids=--ID); by default those of the annotation, if no
            lists are given either.
        lists: element lists whose videos are downloaded.
        url: URL of a video, with {id} in it.
        format: yt-dlp's format selection.
        limit_rate: maximum bytes per second, such as 800K or 2M.
        report: JSON file of the coverage; by default video_coverage.json in the root.
        retry_dead: retry videos that the report marks as dead.
        check: download nothing, only check which videos exist.
    """
    from gymqa.download.videos import Source, fetch_videos

    wanted = list(dict.fromkeys([*(ids or []), *_videos_of(lists or [])]))
    wanted = wanted or list(dict.fromkeys(action.video_id for action in read_annotations(annotation_file(root))))
    source = None if check else Source(url, format, limit_rate)
    found = fetch_videos(root, wanted, source, report, retry_dead)
    for entry in found:
        if entry.reason:
            print(f"{entry.state}: {entry.id}: {entry.reason}")
    print(f"{root}: {_counted(entry.state for entry in found)}")


def _videos_of(lists: list[Path]) -> list[str]:
    """Video ids of the clips in some element lists."""
    return [clip.video_id for path in lists for clip in read_element_list(path)]


def _counted(words: Iterable[str]) -> str:
    """Format the count of each word, the most frequent first."""
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common()) or "no videos requested"


def trim(
    root: Path,
    *,
    lists: list[Path] | None = None,
    size: str | None = None,
    out: Path | None = None,
    workers: int | None = None,
    actions: bool = False,
) -> None:
    """Cut the sub-action clips out of the raw videos, frame-accurately, decoding each raw video once.

    An interrupted run resumes with the same command; clips that failed are retried.

    Args:
        root: folder of a release (FineGym or GymSim).
        lists: element lists that name the clips; by default every annotated sub-action.
        size: largest width x height of the clips, such as 456x256 (the aspect ratio is kept); by default that of the
            raw video.
        out: folder of the clips and their manifest.jsonl; by default the root's folder `subactions` (`actions`).
        workers: number of processes; by default one per core.
        actions: cut whole actions (routines, vaults) instead.
    """
    from gymqa.download.cutting import parse_box
    from gymqa.download.trim import folder_of
    from gymqa.download.trim import trim as trim_clips

    folder = out or folder_of(root, actions)
    report = trim_clips(root, lists or [], folder, parse_box(size) if size else None, workers, actions)
    print(f"{folder}: {len(report.made)} clips, {len(report.failed)} not made")
    reasons = Counter(entry.reason for entry in report.failed).most_common()
    for reason, count in reasons[:REASONS]:
        print(f"not made: {count} clips: {reason}")
    if len(reasons) > REASONS:
        print(f"not made for {len(reasons) - REASONS} other reasons: see {folder / 'failures.jsonl'}")


COMMAND = {"download": download, "videos": videos, "trim": trim}
