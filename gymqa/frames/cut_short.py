"""Find whether a video file ends before its container says, which FFmpeg does not report (AVI, Matroska, mp4)."""

import os
from pathlib import Path
from typing import BinaryIO

SEGMENT, EBML = b"\x18\x53\x80\x67", b"\x1a\x45\xdf\xa3"
MEDIA = (b"mdat", b"moof")


def is_cut_short(path: Path) -> bool:
    """Whether bytes are missing at the end of a file: of its RIFF chunk, Matroska segment, or media in an mp4.

    Files of other formats declare no size, and neither do recordings that were never finished; they may end anywhere.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF":
            return int.from_bytes(start[4:8], "little") > size  # which some writers state with the first 8 bytes
        if start[:4] == EBML:
            return _segment_end(file) > size
        return start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free") and _media_end(file, size) > size


def _segment_end(file: BinaryIO) -> int:
    """The byte after a Matroska segment; 0 if it is of unknown size (RFC 8794, 4 and 6)."""
    file.seek(4)
    file.seek(_vint(file), os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return 0
    size = _vint(file)
    return size and file.tell() + size


def _vint(file: BinaryIO) -> int:
    """An integer of variable length; 0 if all of its bits are set, which means that a size is unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") - (1 << 7 * width)
    return 0 if value == (1 << 7 * width) - 1 else value


def _media_end(file: BinaryIO, size: int) -> int:
    """The byte after the last box of media in an mp4 (ISO 14496-12, 4.2)."""
    at, end = 0, 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8:  # to the end of the file
            break
        at += length
        end = at if head[4:8] in MEDIA else end
    return end
