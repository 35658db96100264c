"""HTTP client for model endpoints: retries with exponential back-off and jitter, rate limits, no key in any message.

A request that ends in a temporary status (see `api_statuses`), a time-out, a broken connection or an unreadable reply
is retried after min(longest wait, first wait · 2^n) seconds times a random factor from 0.5 to 1, and not before
`Retry-After`. A 429 delays all requests, not only its own.
"""

import asyncio
import email.utils
import json
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from eval.adapters.api.settings import ApiSettings
from eval.adapters.api.statuses import Verdict, error_status, mend_of, parsed, verdict, words_of
from gymqa.errors import GymQAError

_MOST_BYTES = 8 << 20  # of a reply; a chat completion has a few thousand
Reply = TypeVar("Reply")


class UnansweredError(Exception):
    """All attempts for one question failed; the text is the reason, with the server's words but without the key.

    `status` is the HTTP status where the server refused the request, else 0.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class _TryFailedError(Exception):
    """One attempt failed for a reason that may be temporary."""

    reason: str
    wait: float = 0.0  # seconds the server asks the client to wait


class ApiClient:
    """Client of one endpoint within one event loop.

    Args:
        settings: address, number of attempts, time-outs.
        key: sent as a bearer token; None sends none.
    """

    def __init__(self, settings: ApiSettings, key: str | None) -> None:

        headers = {"User-Agent": "gymqa", "Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        # Debug lines hold the reply's headers, in which a server could return the key.
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        limits = httpx2.Limits(max_connections=settings.in_flight, max_keepalive_connections=settings.in_flight)
        self._http = httpx2.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)
        self._settings, self._url, self._not_before = settings, settings.url(), 0.0
        self._key = key
        self.requests = 0

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def post(self, body: bytes, read: Callable[[Any], Reply]) -> Reply:
        """Post a JSON body until the reply can be read or the attempts are used up.

        Args:
            body: the request's JSON.
            read: parses the reply's JSON; raises ValueError, KeyError, TypeError, … where it cannot.

        Raises:
            UnansweredError: no attempt succeeded, or the server refuses this request.
            GymQAError: the server refuses every request: a wrong key, model or address, an account without credit.
        """
        failed = _TryFailedError("")
        for number in range(self._settings.tries):
            if number:
                await self._back_off(number, failed.wait)
            try:
                return await self._once(body, read)
            except _TryFailedError as error:
                failed = error
            if failed.wait > self._settings.longest_wait:
                raise UnansweredError(f"{failed.reason}, and asks to wait for {failed.wait:.0f} s") from None
        tried = f" ({self._settings.tries} tries)" if self._settings.tries > 1 else ""
        raise UnansweredError(failed.reason + tried)

    async def _back_off(self, number: int, asked: float) -> None:
        """Wait before attempt `number`, at least the `asked` seconds."""
        drawn = min(self._settings.longest_wait, self._settings.first_wait * 2 ** (number - 1)) * random.uniform(0.5, 1)
        await asyncio.sleep(max(drawn, asked))

    async def _once(self, body: bytes, read: Callable[[Any], Reply]) -> Reply:

        delay = self._not_before - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay + random.uniform(0, 0.1))
        self.requests += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                status, headers, content = await self._send(body)
        except TimeoutError:
            raise _TryFailedError(f"no whole reply within {self._settings.timeout:g} s") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _TryFailedError(f"the connection failed ({type(error).__name__})") from None
        except httpx2.InvalidURL:
            raise GymQAError("the base URL is no address; give one, as https://host/v1") from None
        self._require_ok(status, headers, content)
        try:
            return read(json.loads(content))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
            words = words_of(content, self._key)
            raise _TryFailedError(f"the reply is no chat completion{f' ({words})' if words else ''}") from None

    async def _send(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content of the reply."""
        content = bytearray()
        async with self._http.stream("POST", self._url, content=body) as reply:
            async for part in reply.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise _TryFailedError(f"the reply is longer than {_MOST_BYTES >> 20} MiB")
            return reply.status_code, reply.headers, bytes(content)

    def _require_ok(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Raise what follows from a status, or from the error in the body of a reply with status 2xx."""
        body, words = parsed(content), words_of(content, self._key)
        said = f" ({words})" if words else ""
        named = error_status(body) if verdict(status) is Verdict.ANSWERED else status
        if named is None:
            return
        if named == 0:
            raise _TryFailedError(f"the server answered an error{said}")
        what = verdict(named, body)
        if what is Verdict.STOP:
            raise GymQAError(
                f"the server refuses every question ({named}){': ' if words else ''}{words}; "
                f"{mend_of(named, self._settings.key_variable)}, and the same command goes on"
            )
        if what is Verdict.REFUSED:
            raise UnansweredError(f"the server refused the question ({named}){': ' if words else ''}{words}", named)
        wait = asked_wait(headers)
        if named == 429 and wait <= self._settings.longest_wait:
            self._not_before = max(self._not_before, time.monotonic() + wait)
        raise _TryFailedError(f"the server answered {named}{said}", wait)


def asked_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a reply's headers ask to wait: retry-after-ms, else Retry-After."""
    in_ms = headers.get("retry-after-ms")
    return (
        retry_after(in_ms) / 1000
        if in_ms is not None and _number(in_ms) is not None
        else retry_after(headers.get("Retry-After"))
    )


def retry_after(value: str | None) -> float:
    """Seconds to wait by a Retry-After header, a number or a date; 0 where it is neither."""
    if value is None:
        return 0.0
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _number(text: str) -> float | None:
    """A header's finite number, from 0 to a billion; None where it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return min(max(0.0, number), 1e9) if math.isfinite(number) else None
