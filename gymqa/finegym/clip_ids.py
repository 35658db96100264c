"""Clip ids of videos that are not FineGym's, `NAME@VIDEO`, and checks of the relative paths of videos.

Apart from annotations.py, which reads both forms of ids, because data sets, questions and exports make them from paths.
"""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from gymqa.errors import GymQAError

LONGEST_NAME, LONGEST_PATH = 255, 2048  # bytes; file systems allow 255 and 4096, including the folder of videos
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def make_clip_id(name: str, video: str, where: str) -> str:
    """Build the clip id `NAME@VIDEO`, both percent-encoded so that no dot, space or slash remains.

    Raises:
        GymQAError: one of them is empty or cannot be encoded as UTF-8.
    """
    if not name or not video or CONTROL.search(name + video):
        raise GymQAError(
            f"{where}: {name!r} of {video!r} cannot name a clip; use a file name without control characters"
        )
    return "@".join(quote(part, safe="").replace(".", "%2E") for part in (name, video))


def inside_path(text: str, where: str) -> str:
    """Normalize a relative path of an official file and check that it stays in the folder of videos.

    Symbolic links in the folder are followed, since its owner made them.

    Raises:
        GymQAError: the path is empty, absolute, contains "..", a backslash or control characters, or is too long.
    """
    path = PurePosixPath(text)
    if "\\" in text:
        raise GymQAError(f"{where}: the path {text[:200]!r} has backslashes; write / between its folders")
    if not path.parts or path.is_absolute() or ".." in path.parts or CONTROL.search(text):
        raise GymQAError(f"{where}: the path {text[:200]!r} leaves the folder of videos; write a path relative to it")
    if len(text.encode()) > LONGEST_PATH or max(len(part.encode()) for part in path.parts) > LONGEST_NAME:
        raise GymQAError(f"{where}: the path {text[:60]!r}… is too long for a file; correct it")
    return str(path)
