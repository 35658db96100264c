"""Raw videos to clips of sub-actions, or of whole actions, in parallel: what is wanted, what is there, what came of it.

    out/<clip id>.mp4   out/manifest.jsonl   out/failures.jsonl   out/.trimming/ (see gymqa.download.trim)

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
from gymqa.io.files import read_json, take_lock, write_json, write_text
from gymqa.runtime.workers import deaths_reported, interruptible, start_worker, worker_count


@dataclass(frozen=True, slots=True)
class Job:
    """One raw video (None where it is missing), the clips wanted of it, and where they go."""

    video_id: str
    video: Path | None
    spans: tuple[Span, ...]
    out: Path
    box: Box | None


@dataclass(frozen=True, slots=True)
class TrimReport:
    """The clips in the folder, in the order of their ids, and those that could not be made."""

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
    """Cut the clips of a FineGym-shaped folder out of its raw videos; clips that are there are kept.

    Args:
        root: folder with annotations and `videos/<video id>.mp4`.
        lists: element lists that name the clips; without any, all annotated sub-actions.
        out: folder of the clips, `root/subactions` (`root/actions`) by default.
        box: the clips' largest width and height; None keeps the raw video's.
        workers: processes; one for each core by default.
        actions: cut whole actions, `<video id>_<action id>.mp4`, instead of sub-actions; no list names them.

    Returns:
        What `manifest.jsonl` and `failures.jsonl` in the folder say.

    Raises:
        GymQAError: no annotation, a wrong list, lists of actions, fewer than one worker, or a folder with clips of
            another size, or that is in use.
    """
    processes = worker_count(workers)
    annotation = annotation_file(root)
    if actions and lists:
        raise GymQAError("element lists name sub-actions; leave --lists out, or --actions")
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
        report = TrimReport(tuple(sorted(all_whole_clips(out), key=by_id)), tuple(sorted(failed, key=by_id)))
        _write_lines(out / "failures.jsonl", report.failed)
        _write_lines(out / "manifest.jsonl", report.made)
    return report


def folder_of(root: Path, actions: bool) -> Path:
    """Where the actions or sub-actions of a release lie."""
    return root / ("actions" if actions else "subactions")


def _write_lines(path: Path, entries: Iterable[CutClip | Failed]) -> None:
    """Write one JSON object a line, whole or not at all."""
    write_text(path, "".join(json.dumps(asdict(entry)) + "\n" for entry in entries))


def spans_of(actions: Iterable[Action]) -> dict[str, Span]:
    """Where each sub-action lies in its raw video, from its first stage to its last, by clip id."""
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
    """Where each action lies in its raw video, by `<video id>_<action id>`."""
    named = ((f"{action.video_id}_{action.id}", action) for action in actions)
    return {name: Span(name, action.start, action.end) for name, action in named}


def _jobs(root: Path, spans: Iterable[Span], out: Path, box: Box | None) -> list[Job]:
    """One job for each raw video that has clips to make; longest first, so that the last worker ends early."""
    by_video: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_video[span.clip_id.rpartition("_E_")[0]].append(span)
    jobs = []
    for video_id, of_video in by_video.items():
        there = whole_clips(out, video_id)
        missing = [span for span in of_video if not _is_made(span, there)]
        if missing:
            jobs.append(Job(video_id, find_raw_video(root, video_id), tuple(missing), out, box))
    return sorted(jobs, key=lambda job: -len(job.spans))


def _is_made(span: Span, there: Mapping[str, CutClip]) -> bool:
    """Whether the clip is there and was cut at these seconds."""
    made = there.get(span.clip_id)
    return made is not None and (made.start, made.end) == (span.start, span.end)


def trim_video(job: Job) -> list[Failed]:
    """Make the clips of one raw video, noting each as soon as it is whole; returns those that cannot be made.

    A clip that lies there without a note (the user's own, or one whose note a kill prevented) is kept if it decodes.
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
                    note(journal, probe(path, span))
            except VideoError:
                left.append(span)
        if job.video is None:
            return [Failed(span.clip_id, f"raw video {job.video_id} is missing") for span in left]
        for result in cut(job.video, left, lambda clip_id: job.out / f"{clip_id}.mp4", job.box):
            if isinstance(result, Failed):
                failed.append(result)
            else:
                note(journal, result)
    return failed


def _run(jobs: list[Job], workers: int) -> Iterator[list[Failed]]:
    """Do the jobs in several processes and yield what each could not make; Ctrl-C stops them within a frame."""
    with progress_bar("cutting clips", sum(len(job.spans) for job in jobs)) as bar:
        if not jobs:
            return
        # spawn: a fork of a process that has used FFmpeg's or OpenMP's threads may hang
        pool = ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), start_worker)
        try:
            futures = {pool.submit(interruptible, trim_video, job): job for job in jobs}
            with deaths_reported("cutting", "the same command goes on, with --workers 1 it shows which video it is"):
                for future in as_completed(futures):
                    yield future.result()
                    bar.advance(len(futures[future].spans), futures[future].video_id)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


FORMAT = 1  # raised when the same settings would give other clips


def _notes(out: Path) -> Path:
    return out / ".trimming"


def open_journal(out: Path, video_id: str) -> BinaryIO:
    """Open the journal of a raw video to add to it."""
    return (_notes(out) / f"{video_id}.jsonl").open("ab", buffering=0)


def note(journal: BinaryIO, made: CutClip) -> None:
    """Add a clip's line, in one piece."""
    journal.write((json.dumps(asdict(made)) + "\n").encode())


def read_journal(out: Path, video_id: str) -> dict[str, CutClip]:
    """The noted clips of a raw video by id, the latest note of each; a line cut short by a kill is removed.

    Raises:
        GymQAError: the file is not one of ours.
    """
    path = _notes(out) / f"{video_id}.jsonl"
    if not path.exists():
        return {}
    *lines, rest = path.read_text(encoding="utf-8").split("\n")
    if rest:
        write_text(path, "".join(line + "\n" for line in lines))
    try:
        entries = [CutClip(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise GymQAError(f"{path} is damaged; remove it, and its clips are looked at again") from error
    return {entry.clip_id: entry for entry in entries}


def whole_clips(out: Path, video_id: str) -> dict[str, CutClip]:
    """The noted clips of a raw video that lie there with as many bytes as noted, by id."""
    return {clip_id: made for clip_id, made in read_journal(out, video_id).items() if _size(out, clip_id) == made.size}


def all_whole_clips(out: Path) -> Iterator[CutClip]:
    """Every noted clip of the folder that lies there with as many bytes as noted."""
    for journal in _notes(out).glob("*.jsonl"):
        yield from whole_clips(out, journal.stem).values()


def _size(out: Path, clip_id: str) -> int:
    """Bytes of a clip's file, -1 when it is absent."""
    path = out / f"{clip_id}.mp4"
    return path.stat().st_size if path.is_file() else -1


def keep_settings(out: Path, box: Box | None) -> None:
    """Write what the folder's clips are made with.

    Raises:
        GymQAError: they were made with something else.
    """
    path, settings = _notes(out) / "settings.json", {"format": FORMAT, "size": box and f"{box[0]}x{box[1]}"}
    if not path.exists():
        write_json(path, settings)
    elif (found := read_json(path)) != settings:
        size = found.get("size") if isinstance(found, dict) else None
        raise GymQAError(f"{out} holds clips of size {size or 'as filmed'}; ask for that size or choose another --out")


@contextmanager
def only_trimmer(out: Path) -> Iterator[None]:
    """Hold the folder, and remove what a killed run left half-written; the system lets go when the process ends.

    Raises:
        GymQAError: another process holds it, or it cannot be made.
    """
    try:
        _notes(out).mkdir(parents=True, exist_ok=True)
        lock = (_notes(out) / "lock").open("w")
    except OSError as error:
        raise GymQAError(f"cannot write in {out}: {error.strerror or error}; choose another --out") from error
    with lock:
        take_lock(lock, f"clips in {out}")
        for left in out.glob(".*_E_*.mp4"):
            left.unlink(missing_ok=True)
        yield
