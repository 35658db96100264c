"""What fails on the way to the Hub is told apart: each has its own mend."""

import errno
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import errors

from gymqa.errors import GymQAError
from gymqa.hub.client import ask_hub
from tests.helpers.loopback_hub import HubSite, serve_hub
from tests.helpers.naming import does_name
from tests.helpers.warm import run_apart

http = import_module(errors.HTTPError.__module__.partition(".")[0])  # huggingface-hub 1 has httpx, 2 has httpx2
SECRET = "hf_secret"


def _answer(status: int, kind: Any = errors.HfHubHTTPError) -> Exception:
    request = http.Request("GET", "http://hub/api", headers={"Authorization": f"Bearer {SECRET}"})
    made: Exception = kind(f"as told {SECRET}", response=http.Response(status, request=request))
    return made


def _uncached(cause: Exception) -> Callable[[], None]:
    """As snapshot_download: nothing in the cache, and why the Hub was of no help as the cause."""

    def ask() -> None:
        raise errors.LocalEntryNotFoundError(f"Got {SECRET}") from cause

    return ask


def _said(error: Exception | Callable[[], None]) -> str:
    def ask() -> None:
        if isinstance(error, Exception):
            raise error
        error()

    with pytest.raises(GymQAError) as caught:
        ask_hub("me/x", ask, "model")
    assert SECRET not in str(caught.value) and str(caught.value).startswith("me/x: ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/c/blob"), ("full", "HF_HOME", "/c/blob")),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ("full", "HF_HOME")),
        (RuntimeError("Data processing error: No space left on device"), ("full", "HF_HOME")),
        (OSError(errno.EROFS, "Read-only file system", "/c"), ("read-only", "HF_HOME", "/c")),
        (PermissionError(errno.EACCES, "Permission denied", "/c"), ("permission denied", "HF_HOME")),
        (_answer(403, errors.GatedRepoError), ("terms", "HF_TOKEN", 403)),
        (_uncached(_answer(403, errors.GatedRepoError)), ("terms",)),
        (_answer(404, errors.RevisionNotFoundError), ("revision", "commits")),
        (_answer(404, errors.RepositoryNotFoundError), ("model", "name")),
        (_answer(403, errors.DisabledRepoError), ("disabled", 403)),
        (_answer(403), ("token", 403)),
        (_answer(429), (429, "wait", "HF_TOKEN")),
        (_uncached(_answer(429)), (429, "wait")),
        (_answer(503), (503, "later")),
        (_uncached(_answer(503)), (503, "later")),
        (_uncached(errors.OfflineModeIsEnabled("off")), ("HF_HUB_OFFLINE",)),
        (_uncached(http.ConnectError("refused")), ("ConnectError", "HF_ENDPOINT")),
        (http.ProxyError("refused"), ("ProxyError", "connection")),
    ],
)
def test_each_has_its_own_mend(error: Exception | Callable[[], None], named: tuple[object, ...]) -> None:
    said = _said(error)
    assert does_name(said, *named)
    assert ("reached" in said) == ("connection" in said)


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_lost_connection(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = {"config.json": b"{}", "model.safetensors": b"1"}
    with serve_hub(HubSite(files=files)) as hub:
        code = "from gymqa.hub.client import download_model; download_model('me/one', revision='main')"
        done = run_apart(tmp_path, "-c", code, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "file/home"))
    last = done.stderr.splitlines()[-1]
    assert does_name(last, "GymQAError: me/one@main", "HF_HOME") and "reached" not in last
