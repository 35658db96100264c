"""Posting JSON to an endpoint that may be busy, slow or broken: bounded tries, back-off with jitter, no key in a word.

A try that ends in 408, 409, 425, 429, 5xx, a time-out, a broken connection or a reply that is none is made again after
min(longest wait, first wait · 2^n) seconds times a random number from 0.5 to 1, and not before `Retry-After`. What 429
asks for holds back all requests, not only its own.
"""

import asyncio
import email.utils
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from eval.adapters.api_settings import ApiSettings
from gymqa.errors import GymQAError

_AGAIN = frozenset({408, 409, 425, 429})
_WRONG = {
    401: "the server does not accept the key (401); set {key} to a right one",
    403: "the server does not allow it (403); check what the key in {key} may do",
    404: "the server has no such model or address (404); check --model and the base URL",
}
_LARGEST = 8 << 20  # bytes of a reply; a chat completion has some thousands
Reply = TypeVar("Reply")


class UnansweredError(Exception):
    """All tries of one question failed; the text is the reason, and quotes nothing of request or reply.

    `status` is the server's, where it refused the request.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


@dataclass
class _TryFailedError(Exception):
    """One try failed in a way that may pass."""

    reason: str
    wait: float = 0.0  # seconds that the server asks for


class ApiClient:
    """Requests of one event loop.

    Args:
        settings: address, tries, time-outs.
        key: sent as a bearer token; None sends none.
    """

    def __init__(self, settings: ApiSettings, key: str | None) -> None:

        headers = {"User-Agent": "gymqa", "Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        # Its debug lines hold the reply's headers, in which a server could send the key back.
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        limits = httpx2.Limits(max_connections=settings.in_flight, max_keepalive_connections=settings.in_flight)
        self._http = httpx2.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)
        self._settings, self._url, self._not_before = settings, settings.url(), 0.0
        self.requests = 0

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def post(self, body: bytes, read: Callable[[Any], Reply]) -> Reply:
        """Post a JSON body until an answer can be read, or the tries are used up.

        Args:
            body: the request.
            read: from the reply's JSON to what is wanted; raises ValueError, KeyError, TypeError, … where it is none.

        Raises:
            UnansweredError: no try succeeded, or the server refuses this request.
            GymQAError: the server refuses every request: a wrong key, model or address.
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
        """Wait before try `number`."""
        drawn = min(self._settings.longest_wait, self._settings.first_wait * 2 ** (number - 1)) * random.uniform(0.5, 1)
        await asyncio.sleep(max(drawn, asked))

    async def _once(self, body: bytes, read: Callable[[Any], Reply]) -> Reply:

        held = self._not_before - time.monotonic()
        if held > 0:
            await asyncio.sleep(held + random.uniform(0, 0.1))
        self.requests += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                status, headers, content = await self._send(body)
        except TimeoutError:
            raise _TryFailedError(f"no whole reply within {self._settings.timeout:g} s") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise _TryFailedError(f"the connection failed ({type(error).__name__})") from None
        self._require_ok(status, headers)
        try:
            return read(json.loads(content))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise _TryFailedError("the reply is no chat completion") from None

    async def _send(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and content of the reply."""
        content = bytearray()
        async with self._http.stream("POST", self._url, content=body) as reply:
            async for part in reply.aiter_bytes():
                content += part
                if len(content) > _LARGEST:
                    raise _TryFailedError(f"the reply is longer than {_LARGEST >> 20} MiB")
            return reply.status_code, reply.headers, bytes(content)

    def _require_ok(self, status: int, headers: Mapping[str, str]) -> None:
        if status == 200:
            return
        if status in _WRONG:
            raise GymQAError(_WRONG[status].format(key=self._settings.key_variable))
        if status in _AGAIN or status >= 500:
            wait = retry_after(headers.get("Retry-After"))
            if status == 429 and wait <= self._settings.longest_wait:
                self._not_before = max(self._not_before, time.monotonic() + wait)
            raise _TryFailedError(f"the server answered {status}", wait)
        raise UnansweredError(f"the server refused the question ({status})", status)


def retry_after(value: str | None) -> float:
    """Seconds that a Retry-After header asks to wait: a number, or a date; 0 where it is neither."""
    if value is None:
        return 0.0
    try:
        return max(0.0, float(value)) if float(value) < float("inf") else 0.0
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
