"""`gymqa finegym`: FineGym's annotation files, raw videos and sub-action videos."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from gymqa.download.annotation_files import BASE_URL, annotation_file
from gymqa.download.videos import FORMAT, URL
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.finegym.temporal import read_annotations

REASONS = 10  # printed; the file has all of them


def download(*, out: Path, base_url: str = BASE_URL) -> None:
    """Get FineGym's annotation files; files that are there are checked and kept.

    Stopped, the same command goes on with the half-loaded file.

    Args:
        out: folder of the release; the files go into its folder `annotations`.
        base_url: the server's folder of the files, for a mirror.
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
        raise GymQAError(f"{base_url} lacks files, listed above; try again later or give another --base_url")


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
    """Get the raw videos that a folder lacks with yt-dlp, and report which there are, dead ids with the reason.

    Stopped, the same command goes on with the half-loaded video. Needs the extra `download`.

    Args:
        root: folder of the release; the videos go into its folder `videos`.
        ids: videos wanted, one that begins with "-" as --ids=-ID; those of the annotation when neither ids nor lists
            are given.
        lists: element lists whose videos are wanted.
        url: address of a video, with {id} in it.
        format: yt-dlp's choice of format.
        limit_rate: bytes a second at most, such as 800K or 2M.
        report: JSON file of the coverage; video_coverage.json in the root when not given.
        retry_dead: ask again for videos that the report calls dead.
        check: download nothing, only look which videos there are.
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
    """The video ids of some element lists."""
    return [clip.video_id for path in lists for clip in read_element_list(path)]


def _counted(words: Iterable[str]) -> str:
    """Say how often each word comes, the most frequent first."""
    return ", ".join(f"{count} {word}" for word, count in Counter(words).most_common()) or "nothing asked for"


def trim(
    root: Path,
    *,
    lists: list[Path] | None = None,
    size: str | None = None,
    out: Path | None = None,
    workers: int | None = None,
    actions: bool = False,
) -> None:
    """Cut the sub-action clips out of the raw videos, to the frame, each raw video decoded once.

    Stopped, the same command goes on with the clips still missing; clips that failed are tried again.

    Args:
        root: folder of the release, FineGym's or GymSim's.
        lists: element lists that name the clips; every annotated sub-action when not given.
        size: largest width x height of the clips, such as 456x256, the shape kept; as filmed when not given.
        out: folder of the clips and their manifest.jsonl; the root's folder `subactions` (`actions`) when not given.
        workers: processes; one for each core when not given.
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
