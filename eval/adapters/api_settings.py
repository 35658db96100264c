"""How an endpoint that speaks OpenAI's chat completions is asked; imports no HTTP client."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gymqa.errors import GymQAError

KEY_VARIABLE = "OPENAI_API_KEY"
_NOT_ASKED = (
    "key_variable", "in_flight", "timeout", "tries", "first_wait", "longest_wait", "give_up_after", "input_price",
    "output_price",
)  # fmt: skip


@dataclass(frozen=True)
class ApiSettings:
    """An endpoint, and how it is asked.

    Attributes:
        base_url: address before `/chat/completions`, as https://api.openai.com/v1.
        key_variable: environment variable that holds the key; where it is not set none is sent.
        in_flight: requests at a time.
        timeout: seconds for one try, from the first byte sent to the last received.
        tries: of one question, the first one included.
        first_wait: seconds before the second try; before each further one twice as long.
        longest_wait: seconds; a server that asks to wait longer is not asked again.
        give_up_after: questions in a row whose every try failed, before the run stops rather than leave all the others
            unanswered.
        max_tokens: of a reply.
        top_logprobs: alternatives of the first token to ask for; 0 asks for none.
        jpeg_quality: of the frames, 1 to 100.
        detail: low, high or auto, for servers that heed it; "" leaves it out.
        input_price: of a million tokens of a prompt, in any currency.
        output_price: of a million tokens of a reply.
        extra: JSON object of further fields of a request; null leaves out one of ours, as in {"temperature": null}.
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
    jpeg_quality: int = 90
    detail: str = ""
    input_price: float = 0.0
    output_price: float = 0.0
    extra: str = ""

    def check(self) -> None:
        """Refuse what cannot be asked with.

        Raises:
            GymQAError: an address that is none or holds a password, a number out of range, extra fields that are none.
        """
        try:
            parts = urlsplit(self.base_url)
            whole = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        except ValueError:
            whole = False
        if not whole:
            raise GymQAError(
                "the base URL is no http or https address without a password; give one, as https://host/v1"
            )
        if parts.query or parts.fragment:
            raise GymQAError("the base URL ends with a query; give the address alone, and the key by its variable")
        if not (1 <= self.in_flight <= 1024 and min(self.tries, self.timeout, self.max_tokens, self.give_up_after) > 0):
            raise GymQAError("in_flight (1 to 1024), tries, timeout, max_tokens and give_up_after must be positive")
        if not (1 <= self.jpeg_quality <= 100 and 0 <= self.top_logprobs <= 20):
            raise GymQAError("jpeg_quality goes from 1 to 100, top_logprobs from 0 to 20")
        self.extra_fields()

    def extra_fields(self) -> dict[str, Any]:
        """The further fields of a request.

        Raises:
            GymQAError: `extra` is no JSON object.
        """
        try:
            fields = json.loads(self.extra or "{}")
        except (ValueError, RecursionError) as error:
            raise GymQAError(f"the extra fields are no JSON ({error}); give an object") from error
        if not isinstance(fields, dict):
            raise GymQAError('the extra fields are no JSON object; give one, as {"seed": 1}')
        return fields

    def key(self) -> str | None:
        """The key; None where the variable is not set.

        Raises:
            GymQAError: it holds characters that no key has.
        """
        key = os.environ.get(self.key_variable)
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            raise GymQAError(f"{self.key_variable} holds characters that no key has; set it again, or unset it")
        return key

    def url(self) -> str:
        """Where questions are sent."""
        parts = urlsplit(self.base_url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/chat/completions", "", ""))

    def fingerprint(self) -> dict[str, Any]:
        """What answers may depend on."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_ASKED}
