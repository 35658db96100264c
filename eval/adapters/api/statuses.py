"""What every HTTP status of an endpoint means for a run: answered, try again, refuse one question, or stop the run."""

import json
from enum import Enum
from typing import Any

_TEMPORARY = frozenset({408, 409, 425, 429})
_OF_ONE_REQUEST = frozenset({400, 422})
_FOR_GOOD = frozenset({501, 505, 506, 508, 510})  # 5xx of servers that never will
_NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_MENDS = {
    401: "set {key} to a valid key",
    402: "pay, or give the key of an account that has credit in {key}",
    403: "check what the key in {key} may do",
    404: "check --model and the base URL",
    405: "check the base URL, which ends before /chat/completions",
    407: "check the proxy",
    410: "choose a model that is still served",
    413: "send less: fewer --options.n_frames, or a lower --options.api.jpeg_quality",
    429: "raise the account's limit, or give the key of another in {key}",
}
_LONGEST_WORDS = 200


class Verdict(Enum):
    """What follows from a reply's status."""

    ANSWERED = "answered"
    AGAIN = "again"
    REFUSED = "refused"
    STOP = "stop"


def verdict(status: int, body: Any = None) -> Verdict:
    """What follows from a status; docs/adapters.md has the table.

    Args:
        status: of the reply, or the one that the error in its body names.
        body: its JSON, where it is JSON; a 429 that says that the account's money is spent does not pass.
    """
    if 200 <= status < 300:
        return Verdict.ANSWERED
    if status in _OF_ONE_REQUEST:
        return Verdict.REFUSED
    if status in _TEMPORARY or (status >= 500 and status not in _FOR_GOOD):
        return Verdict.STOP if status == 429 and _NO_MONEY & set(_names(body)) else Verdict.AGAIN
    return Verdict.STOP


def mend_of(status: int, key_variable: str) -> str:
    """What to do about a status that stops the run."""
    if 300 <= status < 400:
        return "it redirects, which is not followed; give the address it has moved to as base URL"
    return _MENDS.get(status, "check the base URL, the model and the options").format(key=key_variable)


def error_status(body: Any) -> int | None:
    """The status that the error in a reply with status 200 names, 0 for one that names none; None without an error."""
    error = _error(body)
    if error is None:
        return None
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    text = str(code)
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() and text[0] in "345" else 0


def words_of(content: bytes, key: str | None) -> str:
    """The server's own words in an error's body, on one line, without the key; "" where there are none."""
    text = content[:65_536].decode("utf-8", "replace")
    body = parsed(content)
    if body is not None:
        body = body[0] if isinstance(body, list) and body else body  # as Google's endpoint answers
        error = _error(body) or body
        found = [error.get(name) for name in ("message", "detail", "error")] if isinstance(error, dict) else [error]
        said = next((one for one in found if one), "")
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    elif text.lstrip().startswith("<"):
        return ""
    if key:
        text = text.replace(key, "[key]").replace(json.dumps(key)[1:-1], "[key]")
    return " ".join(text.split())[:_LONGEST_WORDS]


def parsed(content: bytes) -> Any:
    """A body's JSON; None where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _error(body: Any) -> Any:
    """The error of a body, also one within its first choice; None without."""
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    return body.get("error") or first.get("error") or None


def _names(body: Any) -> list[str]:
    error = _error(body)
    return [str(error.get(name)) for name in ("code", "type")] if isinstance(error, dict) else []
