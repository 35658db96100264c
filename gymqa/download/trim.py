"""Trim all clips of a release from its raw videos, in parallel and resumable: jobs, journal, manifest, failures.

    out/<clip id>.mp4   out/manifest.jsonl   out/failures.jsonl   out/.trimming/ (settings, lock, journal per video)

Source: FineGym's page, "How to read the temporal annotation files": the seconds of an action count from the start of
the raw video, those of a sub-action's stages from the start of its action.
"""

import json
import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from gymqa.download.annotation_files import annotation_file
from gymqa.download.cutting import Box, CutClip, Failed, Span, cut, probe
from gymqa.download.videos import find_raw_video
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.finegym.temporal import Action, read_annotations
from gymqa.frames.video import VideoError
from gymqa.io.console import progress_bar
from gymqa.io.files import read_json, take_lock, visible_files, write_json, write_text
from gymqa.io.temporaries import remove_temporaries
from gymqa.runtime.workers import deaths_reported, interruptible, start_worker, worker_count


@dataclass(frozen=True, slots=True)
class Job:
    """One raw video (None if it is missing), the spans of the clips to cut, and their folder."""

    video_id: str
    video: Path | None
    spans: tuple[Span, ...]
    out: Path
    box: Box | None


@dataclass(frozen=True, slots=True)
class TrimReport:
    """The clips in the folder, and those that could not be cut, both sorted by id."""

    made: tuple[CutClip, ...]
    failed: tuple[Failed, ...]


def trim(
    root: Path,
    lists: Sequence[Path] = (),
    out: Path | None = None,
    box: Box | None = None,
    workers: int | None = None,
    actions: bool = False,
) -> TrimReport:
    """Cut the clips of a release in FineGym's format out of its raw videos; existing clips are kept.

    Args:
        root: folder with annotations and `videos/<video id>.mp4`.
        lists: element lists that name the clips; without any, all annotated sub-actions.
        out: folder of the clips, `root/subactions` (`root/actions`) by default.
        box: largest width and height of the clips; None keeps the raw video's.
        workers: number of processes; by default one per core.
        actions: cut whole actions, `<video id>_<action id>.mp4`, instead of sub-actions; cannot be used with lists.

    Returns:
        The contents of `manifest.jsonl` and `failures.jsonl` in the folder.

    Raises:
        GymQAError: there is no annotation, a list is malformed, lists are given for actions, `workers` is below one, or
            the folder holds clips of another size or is in use.
    """
    processes = worker_count(workers)
    annotation = annotation_file(root)
    if actions and lists:
        raise GymQAError("element lists name sub-actions, not actions; leave out --lists or --actions")
    spans = (action_spans if actions else spans_of)(read_annotations(annotation))
    wanted = list(dict.fromkeys(clip.id for path in lists for clip in read_element_list(path))) or list(spans)
    failed = [Failed(clip, f"{annotation.name} does not have it") for clip in wanted if clip not in spans]
    out = out or folder_of(root, actions)
    with only_trimmer(out):
        keep_settings(out, box)
        jobs = _jobs(root, [spans[clip] for clip in wanted if clip in spans], out, box)
        for failures in _run(jobs, processes):
            failed += failures
        by_id = attrgetter("clip_id")
        report = TrimReport(tuple(sorted(all_intact_clips(out), key=by_id)), tuple(sorted(failed, key=by_id)))
        _require_there(wanted, report, out)
        _write_lines(out / "failures.jsonl", report.failed)
        _write_lines(out / "manifest.jsonl", report.made)
    return report


def _require_there(wanted: Sequence[str], report: TrimReport, out: Path) -> None:
    """Check that every clip was cut and is still there, or failed.

    Raises:
        GymQAError: some are not, because something else removed or changed them or the folder.
    """
    known = {one.clip_id for one in report.made} | {one.clip_id for one in report.failed}
    lost = [clip for clip in wanted if clip not in known]
    if lost:
        raise GymQAError(
            f"{len(lost)} of {len(wanted)} clips are not in {out}, such as {lost[0]}: they were removed or changed "
            "while they were cut; run the same command again"
        )


def folder_of(root: Path, actions: bool) -> Path:
    """Folder of a release's actions or sub-actions."""
    return root / ("actions" if actions else "subactions")


def _write_lines(path: Path, entries: Iterable[CutClip | Failed]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, "".join(json.dumps(asdict(entry)) + "\n" for entry in entries))


def spans_of(actions: Iterable[Action]) -> dict[str, Span]:
    """Clip id -> span of each sub-action in its raw video, from its first stage to its last."""
    return {
        clip.clip_id: Span(
            clip.clip_id,
            round(action.start + min(start for start, _ in clip.stages), 6),
            round(action.start + max(end for _, end in clip.stages), 6),
        )
        for action in actions
        for clip in action.sub_actions
        if clip.stages
    }


def action_spans(actions: Iterable[Action]) -> dict[str, Span]:
    """`<video id>_<action id>` -> span of each action in its raw video."""
    named = ((f"{action.video_id}_{action.id}", action) for action in actions)
    return {name: Span(name, action.start, action.end) for name, action in named}


def _jobs(root: Path, spans: Iterable[Span], out: Path, box: Box | None) -> list[Job]:
    """One job per raw video with clips to cut; longest first, which balances the workers."""
    by_video: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_video[span.clip_id.rpartition("_E_")[0]].append(span)
    jobs = []
    for video_id, of_video in by_video.items():
        intact = intact_clips(out, video_id)
        missing = [span for span in of_video if not _is_cut(span, intact)]
        if missing:
            jobs.append(Job(video_id, find_raw_video(root, video_id), tuple(missing), out, box))
    return sorted(jobs, key=lambda job: -len(job.spans))


def _is_cut(span: Span, intact: Mapping[str, CutClip]) -> bool:
    """Whether an intact clip exists that was cut at these seconds."""
    made = intact.get(span.clip_id)
    return made is not None and (made.start, made.end) == (span.start, span.end)


def trim_video(job: Job) -> list[Failed]:
    """Cut the clips of one raw video, recording each in the journal; return those that could not be cut.

    An existing clip without a journal entry (the user's own, or of a killed run) is kept if it decodes.
    """
    noted = read_journal(job.out, job.video_id)
    failed, left = [], []
    with open_journal(job.out, job.video_id) as journal:
        for span in job.spans:
            path = job.out / f"{span.clip_id}.mp4"
            try:
                if span.clip_id in noted or not path.is_file():
                    left.append(span)
                else:
                    append_entry(journal, probe(path, span))
            except VideoError:
                left.append(span)
        if job.video is None:
            return [Failed(span.clip_id, f"raw video {job.video_id} is missing") for span in left]
        for result in cut(job.video, left, lambda clip_id: job.out / f"{clip_id}.mp4", job.box):
            if isinstance(result, Failed):
                failed.append(result)
            else:
                append_entry(journal, result)
    return failed


def _run(jobs: list[Job], workers: int) -> Iterator[list[Failed]]:
    """Run the jobs in several processes and yield the failures of each; Ctrl-C stops them within a frame."""
    with progress_bar("cutting clips", sum(len(job.spans) for job in jobs)) as bar:
        if not jobs:
            return
        # spawn: a fork of a process that has used FFmpeg's or OpenMP's threads may hang
        pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), start_worker)
        try:
            futures = {pool.submit(interruptible, trim_video, job): job for job in jobs}
            with deaths_reported("cutting", "run the same command again, with --workers 1 to see which video it is"):
                for future in as_completed(futures):
                    yield future.result()
                    bar.advance(len(futures[future].spans), futures[future].video_id)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


FORMAT = 2  # increased when the same settings produce different clips


def _journal_folder(out: Path) -> Path:
    return out / ".trimming"


def open_journal(out: Path, video_id: str) -> BinaryIO:
    """Open the journal of a raw video for appending.

    Raises:
        GymQAError: its folder is gone, or not writable.
    """
    path = _journal_folder(out) / f"{video_id}.jsonl"
    try:
        return path.open("ab", buffering=0)
    except OSError as error:
        raise GymQAError(f"cannot write {path}: {error.strerror or error}; run the same command again") from error


def append_entry(journal: BinaryIO, made: CutClip) -> None:
    """Append a clip's entry in one write."""
    journal.write((json.dumps(asdict(made)) + "\n").encode())


def read_journal(out: Path, video_id: str) -> dict[str, CutClip]:
    """The journal of a raw video: clip id -> its latest entry; an incomplete last line is removed.

    Raises:
        GymQAError: the file is not a journal of gymqa.
    """
    path = _journal_folder(out) / f"{video_id}.jsonl"
    if not path.exists():
        return {}
    *lines, rest = path.read_text(encoding="utf-8").split("\n")
    if rest:
        write_text(path, "".join(line + "\n" for line in lines))
    try:
        entries = [CutClip(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise GymQAError(f"{path} is damaged; remove it, and its clips are verified again") from error
    return {entry.clip_id: entry for entry in entries}


def intact_clips(out: Path, video_id: str) -> dict[str, CutClip]:
    """The clips of a raw video whose files have the size recorded in the journal, by id."""
    return {clip_id: made for clip_id, made in read_journal(out, video_id).items() if _size(out, clip_id) == made.size}


def all_intact_clips(out: Path) -> Iterator[CutClip]:
    """All clips of the folder whose files have the size recorded in their journal."""
    for journal in visible_files(_journal_folder(out), "*.jsonl"):
        yield from intact_clips(out, journal.stem).values()


def _size(out: Path, clip_id: str) -> int:
    """Size of a clip's file in bytes, -1 if it is absent."""
    path = out / f"{clip_id}.mp4"
    return path.stat().st_size if path.is_file() else -1


def keep_settings(out: Path, box: Box | None) -> None:
    """Record the settings of the folder's clips.

    Raises:
        GymQAError: existing clips were cut with other settings, or before format 2.
    """
    path, settings = _journal_folder(out) / "settings.json", {"format": FORMAT, "size": box and f"{box[0]}x{box[1]}"}
    if not path.exists():
        write_json(path, settings)
        return
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise GymQAError(
            f"{out} holds clips that were cut without regard to rotation and time stamps; cut them anew into another "
            "--out, or remove that folder"
        )
    if found != settings:
        size = found.get("size")
        raise GymQAError(f"{out} holds clips of size {size or 'of the raw videos'}; choose that size or another --out")


@contextmanager
def only_trimmer(out: Path) -> Iterator[None]:
    """Lock the folder and remove partially written clips of a killed run; the lock ends with the process.

    Raises:
        GymQAError: another process holds the lock, or the folder cannot be created.
    """
    try:
        _journal_folder(out).mkdir(parents=True, exist_ok=True)
        lock = (_journal_folder(out) / "lock").open("w")
    except OSError as error:
        raise GymQAError(f"cannot write in {out}: {error.strerror or error}; choose another --out") from error
    with lock:
        take_lock(lock, f"clips in {out}")
        remove_temporaries(out)
        yield
