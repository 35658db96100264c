"""Order the images of a folder of frames by the numbers in their names, and refuse a numbering with gaps."""

import re
from itertools import pairwise
from pathlib import Path

from gymqa.frames.reading import VideoError

IMAGES = (".jpg", ".jpeg", ".png")
NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.ASCII | re.DOTALL)  # the last number of a name is the frame's


def frame_images(folder: Path) -> list[Path]:
    """The images of a folder in the order of their numbers; hidden files are left out.

    Raises:
        VideoError: there is none, their names differ in more than a number, or a number is missing or occurs twice.
    """
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith(".")]
    if not found:
        raise VideoError(f"{folder} holds no frames ({', '.join(IMAGES)}); copy them again")
    if len(found) == 1:
        return found
    numbered = sorted((_number(path), path) for path in found)
    _require_one_kind(folder, [path for _, path in numbered])
    pairs = [(after - before, first, second) for (before, first), (after, second) in pairwise(numbered)]
    step = max(1, min(apart for apart, _, _ in pairs)) if len(pairs) > 1 else 1  # every n-th frame is a numbering, too
    for apart, first, second in pairs:
        if apart == 0:
            raise VideoError(f"{first} and {second.name} have the same number; remove one of them")
        if apart != step:
            raise VideoError(
                f"the frames of {folder} are not numbered without gaps: {second.name} follows {first.name}; copy them "
                "again, or number them anew"
            )
    return [path for _, path in numbered]


def _number(path: Path) -> int:
    """The last number in an image's name.

    Raises:
        VideoError: there is none.
    """
    match = NUMBER.fullmatch(path.stem)
    if match is None:
        raise VideoError(f"{path} has no number in its name; number the frames, as in 00001{path.suffix}")
    return int(match[2])


def _require_one_kind(folder: Path, images: list[Path]) -> None:
    """Check that names differ in their last number only.

    Raises:
        VideoError: they do not.
    """
    kinds: dict[str, Path] = {}
    for path in images:
        match = NUMBER.fullmatch(path.stem)
        kinds.setdefault("" if match is None else f"{match[1]}…{match[3]}", path)
    if len(kinds) > 1:
        first, second, *_ = kinds.values()
        raise VideoError(
            f"{folder} holds images of several kinds, such as {first.name} and {second.name}; keep one kind in a folder"
        )
