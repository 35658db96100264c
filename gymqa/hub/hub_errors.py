"""Why a request to the Hub failed: disk, access, name, revision, limits, connection; nothing of a request is quoted."""

import errno
from collections.abc import Iterator
from typing import Any

from huggingface_hub import errors, is_offline_mode
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)

_INCOMPLETE = getattr(errors, "IncompleteSnapshotError", ())  # huggingface-hub has it from version 2 on
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_LOCAL = _FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO}


def reason_of(error: BaseException, kind: str) -> str:
    """The reason and what to do about it.

    Args:
        error: what huggingface_hub raised; the errors that caused it are read, too.
        kind: kind of repository.
    """
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _LOCAL:
            return _of_the_disk(one)
        if isinstance(one, HfHubHTTPError):
            return _of_the_hub(one, kind)
    if "no space left" in str(error).lower():  # hf_xet has no error class for it
        return _of_the_disk(OSError(errno.ENOSPC, "no space left"))
    if any(isinstance(one, OfflineModeIsEnabled) for one in _chain(error)) or (
        is_offline_mode() and isinstance(error, OSError)
    ):
        return "it is not a local folder, and HF_HUB_OFFLINE is set; unset it to ask the Hub"
    if isinstance(error, HTTPError | OSError):
        name = type(list(_chain(error))[-1]).__name__
        part = "; a part of it is in the cache" if isinstance(error, _INCOMPLETE) else ""
        return f"the Hub cannot be reached ({name}){part}; check the connection and HF_ENDPOINT"
    return f"it cannot be read ({type(error).__name__}); check its card and files"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that caused it, the last one first."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_the_disk(error: OSError) -> str:
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    if error.errno in _FULL:
        return f"the disk of the Hub's cache is full{where}; free some space, or set HF_HOME to a folder elsewhere"
    said = (error.strerror or "it cannot be written").lower()
    return f"the Hub's cache cannot be written{where}: {said}; set HF_HOME to a folder that you may write to"


def _of_the_hub(error: Any, kind: str) -> str:
    """The reason of an answer of the Hub."""
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return (
            f"access to this {kind} is granted on its page ({status}); accept its terms there, with the account of "
            "your HF_TOKEN or `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"there is this {kind}, but no such revision of it; name one of its branches, tags or commits"
    if isinstance(error, DisabledRepoError):
        return f"the Hub has disabled access to this {kind} ({status}); choose another"
    if isinstance(error, EntryNotFoundError):
        return f"this {kind} lacks a file that is needed ({status}); check the name and its files"
    mends = {
        401: "it does not exist, or your token does not allow access; check the name, HF_TOKEN or `hf auth login`",
        403: "your token does not allow it (403); use one with access, to upload with write access",
        404: f"there is no such {kind}, neither as a local folder nor on the Hub; check the name",
        429: "the Hub gets too many requests from here (429); wait some minutes, or set HF_TOKEN for a higher limit",
    }
    if status >= 500:
        return f"the Hub is overloaded or down ({status}); try again later"
    return mends.get(status, f"the Hub answered {status}; check the name and HF_ENDPOINT")
