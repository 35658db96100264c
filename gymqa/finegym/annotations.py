"""Open a FineGym-format release on disk: clip ids, lists of labelled clips, paths of clips.

Source: FineGym (CVPR'20) and its released `*_element.txt`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gymqa.errors import GymQAError
from gymqa.finegym.settings import SUB_SETTINGS, restrict
from gymqa.finegym.taxonomy import Taxonomy, read_taxonomy
from gymqa.io.files import visible_files, write_text
from gymqa.io.text import read_lines

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)  # YouTube's have 11 characters
CLIP_ID = re.compile(rf"({VIDEO_ID.pattern})_E_(\d{{6}})_(\d{{6}})_A_(\d{{4}})_(\d{{4}})", re.ASCII)
# Clips of other data sets: clip name, then the name of the source video (or person) it shares with other clips; both
# percent-encoded, so that neither can hold a path. gymqa.video_datasets creates them.
OTHER_CLIP_ID = re.compile(r"[A-Za-z0-9_~%-]+@([A-Za-z0-9_~%-]+)", re.ASCII)
CLIP_SUFFIXES = (".mp4", ".mkv", ".webm")
TRAIN_LISTS = (
    "train_element",
    "train_element_v1.1",
    "train_element_v1.0",
)  # of a setting; the first that exists is used
VAL_LIST = "val_element"


@dataclass(frozen=True, slots=True)
class Clip:
    """One sub-action video. `label` is its class label in the setting, None if the clip is unlabelled."""

    id: str
    video_id: str
    label: int | None


class ClipId(NamedTuple):
    """A parsed clip id: seconds of the action in its video, seconds of the sub-action in its action."""

    video_id: str
    event_start: int
    event_end: int
    action_start: int
    action_end: int


@dataclass(frozen=True, slots=True)
class Release:
    """A folder in FineGym's format and the taxonomy of one of its settings.

    `base` is the setting whose element lists hold the clips: the setting itself, or the one that a sub-setting (`vt`,
    `fx-s1`, `gym-new`, …) is a subset of.
    """

    root: Path
    taxonomy: Taxonomy
    base: Taxonomy

    @property
    def annotations(self) -> Path:
        """The folder of the annotation files."""
        return annotations_folder(self.root)

    @property
    def train_list(self) -> Path:
        """Path of `base`'s list of training clips, the newest version if there are several.

        Raises:
            GymQAError: there is none.
        """
        paths = [self.annotations / f"{self.base.setting}_{name}.txt" for name in TRAIN_LISTS]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise GymQAError(f"{self.annotations} has no training list; put {paths[0].name} there")
        return found

    @property
    def val_list(self) -> Path:
        """Path of `base`'s list of validation clips, which need not exist."""
        return self.annotations / f"{self.base.setting}_{VAL_LIST}.txt"

    def read_clips(self, path: Path) -> list[Clip]:
        """Read an element list of `base`; keep the clips whose element is in the setting, with the setting's labels.

        Raises:
            GymQAError: as `read_element_list`, or no clip of the list is in the setting.
        """
        kept = self._own(read_element_list(path, len(self.base)))
        if not kept:
            raise GymQAError(f"{path} has no clip of the setting {self.taxonomy.setting}; choose another setting")
        return kept

    def read_labels(self) -> dict[str, int]:
        """Clip id -> label in the setting, from all existing lists of `base`; the val list overrides the train lists.

        Raises:
            GymQAError: there is no list, or one is malformed.
        """
        paths = [self.annotations / f"{self.base.setting}_{name}.txt" for name in (*reversed(TRAIN_LISTS), VAL_LIST)]
        found = [path for path in paths if path.is_file()]
        if not found:
            raise GymQAError(f"{self.annotations} has no list of clips; put {paths[-1].name} there")
        clips = (clip for path in found for clip in self._own(read_element_list(path, len(self.base))))
        return {clip.id: clip.label for clip in clips if clip.label is not None}

    def _own(self, clips: list[Clip]) -> list[Clip]:
        """Those clips of `base` that are in the setting, relabelled."""
        if self.base is self.taxonomy:
            return clips
        label_of = {element.glabel: element.label for element in self.taxonomy.elements}
        labels = [None if clip.label is None else self.base.elements[clip.label].glabel for clip in clips]
        return [
            Clip(clip.id, clip.video_id, label_of[glabel])
            for clip, glabel in zip(clips, labels, strict=True)
            if glabel in label_of
        ]

    def clip_path(self, clip_id: str) -> Path:
        """Path of the clip's video, which need not exist; an mp4 goes before another suffix of CLIP_SUFFIXES.

        Raises:
            GymQAError: `clip_id` is not a FineGym clip id, for example because it holds a path separator.
        """
        parse_clip_id(clip_id)
        paths = [self.root / "subactions" / f"{clip_id}{suffix}" for suffix in CLIP_SUFFIXES]
        return next((path for path in paths if path.is_file()), paths[0])


def parse_clip_id(clip_id: str) -> ClipId:
    """Parse a clip id `VIDEO_E_xxxxxx_yyyyyy_A_zzzz_wwww`.

    Raises:
        GymQAError: it has another form; no path out of a folder is accepted.
    """
    match = CLIP_ID.fullmatch(clip_id)
    if match is None:
        raise GymQAError(
            f"{clip_id!r} is no clip id; FineGym writes VIDEO_E_xxxxxx_yyyyyy_A_zzzz_wwww (letters, digits, - and _)"
        )
    video_id, *seconds = match.groups()
    return ClipId(video_id, *(int(second) for second in seconds))


def video_of(clip_id: str) -> str:
    """The video of a clip id, of FineGym's form or another data set's (`CLIP@VIDEO`).

    Raises:
        GymQAError: it has neither form; no path out of a folder is accepted.
    """
    other = OTHER_CLIP_ID.fullmatch(clip_id)
    return other[1] if other else parse_clip_id(clip_id).video_id


def read_element_list(path: Path, n_classes: int | None = None) -> list[Clip]:
    """Read lines `<clip id> <label>`, `<clip id>.mp4 <label>` (.mkv, .webm), or bare ids (label None), in their order.

    Raises:
        GymQAError: the file is missing or empty, or a line (named as file:line) is malformed, repeats a clip, or has a
            label outside [0, n_classes).
    """
    clips: dict[str, Clip] = {}
    for where, line in read_lines(path):
        try:
            clip = _read_element(line, n_classes)
        except GymQAError as error:
            raise GymQAError(f"{where}: {error}") from error
        if clip.id in clips:
            raise GymQAError(f"{where}: clip {clip.id} is listed a second time; remove one of its lines")
        clips[clip.id] = clip
    if not clips:
        raise GymQAError(f"{path} lists no clip; write one `<clip id> <label>` a line")
    return list(clips.values())


def write_element_list(path: Path, clips: Iterable[Clip]) -> None:
    """Write one clip per line, `<clip id> <label>`, or the id alone if the label is None; atomically."""
    write_text(path, "".join(clip.id + ("" if clip.label is None else f" {clip.label}") + "\n" for clip in clips))


def annotations_folder(root: Path) -> Path:
    """`root/annotations`, or `root` itself if the annotation files are directly in it (as downloaded)."""
    nested = root / "annotations"
    return nested if nested.is_dir() or not (root / "set_categories.txt").is_file() else root


def open_release(root: Path, setting: str | None = None) -> Release:
    """Open a folder in FineGym's format; `setting` (gym99, …) may be omitted if the folder has only one.

    The full list of elements, gym530, is used only when named. Besides the settings that the folder has a category
    list for, the names of SUB_SETTINGS (fx, ub-s1, gym-new, …) select some elements of one of them.

    Raises:
        GymQAError: the folder has no annotations or no such setting, or several settings and none is named.
    """
    folder = annotations_folder(root)
    found = sorted(path.name.removesuffix("_categories.txt") for path in visible_files(folder, "*_categories.txt"))
    inner = setting.lower() if setting is not None and setting not in found else None
    if inner in SUB_SETTINGS:
        base = SUB_SETTINGS[inner].base
        whole = read_taxonomy(folder, base if base in found else _only_setting(root, found))
        return Release(root, restrict(whole, inner), whole)
    if setting is not None and found and setting not in found:
        own = ", ".join(name for name in found if name != "set")
        raise GymQAError(f"{root} has no setting {setting!r}; choose {own}, or one of `gymqa list settings`")
    taxonomy = read_taxonomy(folder, setting if setting in found else _only_setting(root, found))
    return Release(root, taxonomy, taxonomy)


def _only_setting(root: Path, found: list[str]) -> str:
    """The only setting among the folder's category lists."""
    choices = [name for name in found if name not in ("set", "gym530")]
    if not choices:
        raise GymQAError(
            f"{root} is no FineGym release: {annotations_folder(root)} holds no *_categories.txt; check the path"
        )
    if len(choices) > 1:
        raise GymQAError(f"{root} holds the settings {', '.join(choices)}; name the one to use")
    return choices[0]


def _read_element(line: str, n_classes: int | None) -> Clip:
    fields = line.split()
    clip_id = next((fields[0].removesuffix(one) for one in CLIP_SUFFIXES if fields[0].endswith(one)), fields[0])
    video_id = video_of(clip_id)
    if len(fields) == 1:
        return Clip(clip_id, video_id, None)
    label = fields[1]
    if len(fields) > 2 or not (label.isascii() and label.isdigit() and len(label) < 10):
        raise GymQAError(f"{line!r} is not `<clip id> <label>`; write the label as one whole number")
    if n_classes is not None and int(label) >= n_classes:
        raise GymQAError(f"label {label} is out of range; this setting's labels count from 0 to {n_classes - 1}")
    return Clip(clip_id, video_id, int(label))
