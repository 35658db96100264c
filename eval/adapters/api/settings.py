"""Settings of an OpenAI-style chat-completions endpoint: address, retries, limits, prices; imports no HTTP client."""

import json
import math
import os
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices

Video = Literal["frames", "base64", "url"]
KEY_VARIABLE = "OPENAI_API_KEY"
_WITHOUT_EFFECT = (
    "key_variable", "in_flight", "timeout", "tries", "first_wait", "longest_wait", "give_up_after", "input_price",
    "output_price",
)  # fmt: skip
"""Settings that no answer depends on."""


@dataclass(frozen=True)
class ApiSettings:
    """Settings of an endpoint.

    Attributes:
        base_url: address before `/chat/completions`, as https://api.openai.com/v1.
        key_variable: environment variable that holds the key; where it is not set none is sent.
        in_flight: concurrent requests.
        timeout: seconds for one attempt, from the first byte sent to the last received.
        tries: attempts for one question, the first one included.
        first_wait: seconds before the second attempt; doubled before each further one.
        longest_wait: seconds; a question is given up when the server asks to wait longer.
        give_up_after: consecutive questions without any successful attempt after which the run stops, rather than
            leave all others unanswered.
        max_tokens: longest reply, in tokens.
        top_logprobs: alternatives of the first token to request; 0 requests none.
        video: how a clip is sent: "frames", images each after its time; "base64", one video of the frames shown, at
            their rate; "url", the address of the video, from which the server takes frames itself. The latter two are
            `video_url` parts, which vLLM and SGLang take, not OpenAI.
        video_address: of the videos for "url", with {clip_id} in it, as https://host/clips/{clip_id}.mp4.
        short_side: pixels that frames are resized to; 0 sends them as large as the frame cache keeps them.
        jpeg_quality: of the frames, 1 to 100.
        detail: low, high or auto, for servers that take it; "" leaves it out.
        input_price: of a million prompt tokens, in any currency.
        output_price: of a million reply tokens.
        extra: JSON object of further request fields; null removes one of ours, as in {"temperature": null}.
    """

    base_url: str = "https://api.openai.com/v1"
    key_variable: str = KEY_VARIABLE
    in_flight: int = 16
    timeout: float = 120.0
    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    give_up_after: int = 20
    max_tokens: int = 32
    top_logprobs: int = 20
    video: Video = "frames"
    video_address: str = ""
    short_side: int = 0
    jpeg_quality: int = 90
    detail: str = ""
    input_price: float = 0.0
    output_price: float = 0.0
    extra: str = ""

    def check(self) -> None:
        """Validate the settings.

        Raises:
            GymQAError: an invalid address or one with a password, a number out of range, invalid extra fields.
        """
        if not _is_address(self.base_url):
            raise GymQAError(
                "the base URL must be an http or https address without a password; give one, as https://host/v1"
            )
        parts = urlsplit(self.base_url)
        if parts.path.rstrip("/").endswith("/chat/completions"):
            raise GymQAError("the base URL ends in /chat/completions, which is added to it; give what is before that")
        if "?" in self.base_url or "#" in self.base_url:
            raise GymQAError(
                "the base URL has a query; give the address alone, and the key by its environment variable"
            )
        numbers = [value for value in asdict(self).values() if isinstance(value, float)]
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise GymQAError("the endpoint's times and prices must be finite and not negative; change them")
        if not (1 <= self.in_flight <= 1024 and min(self.tries, self.timeout, self.max_tokens, self.give_up_after) > 0):
            raise GymQAError(
                "tries, timeout, max_tokens and give_up_after must be positive, in_flight from 1 to 1024; change them"
            )
        if not (1 <= self.jpeg_quality <= 100 and 0 <= self.top_logprobs <= 20):
            raise GymQAError("jpeg_quality must be from 1 to 100 and top_logprobs from 0 to 20; change them")
        self._check_video()
        self.extra_fields()

    def _check_video(self) -> None:
        """Validate how clips are sent.

        Raises:
            GymQAError: no address of videos where theirs are sent, or one without the clip's place; a size below 0.
        """
        require_choices(self)
        if (self.video == "url") != bool(self.video_address):
            raise GymQAError("--options.api.video url and --options.api.video_address belong together; give both")
        if self.video_address and (
            "{clip_id}" not in self.video_address or not _is_address(self.video_address.replace("{clip_id}", "clip"))
        ):
            raise GymQAError(
                f"{self.video_address} is no address of videos; give one as https://host/clips/{{clip_id}}.mp4"
            )
        if self.short_side < 0:
            raise GymQAError(f"frames cannot have {self.short_side} pixels; give --options.api.short_side 0 or more")

    def extra_fields(self) -> dict[str, Any]:
        """The further fields of a request, by name.

        Raises:
            GymQAError: `extra` is not a JSON object.
        """
        try:
            fields = json.loads(self.extra or "{}")
        except (ValueError, RecursionError) as error:
            raise GymQAError(f"the extra fields are no JSON ({error}); give an object") from error
        if not isinstance(fields, dict):
            raise GymQAError('the extra fields are no JSON object; give one, as {"seed": 1}')
        return fields

    def key(self) -> str | None:
        """The API key; None where the environment variable is not set.

        Raises:
            GymQAError: it holds characters that no key has.
        """
        key = os.environ.get(self.key_variable)
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            raise GymQAError(f"{self.key_variable} holds characters that no key has; set it again, or unset it")
        return key

    def url(self) -> str:
        """Address that requests are posted to."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/chat/completions", "", ""))

    def fingerprint(self) -> dict[str, Any]:
        """The settings that answers may depend on, as JSON values."""
        return {name: value for name, value in asdict(self).items() if name not in _WITHOUT_EFFECT}


def _is_address(url: str) -> bool:
    """Whether a text is an http or https address of a host, without user or password."""
    if any(one.isspace() or not one.isprintable() for one in url):
        return False
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        in_range = parts.port is None or 0 < parts.port < 1 << 16
    except ValueError:  # a port that is no number, a label that is too long, an open bracket
        return False
    plain = ":" in host or all(one.isalnum() or one in "-._" for one in host)
    return parts.scheme in ("http", "https") and bool(host) and plain and in_range and "@" not in parts.netloc
