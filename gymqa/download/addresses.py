"""Addresses that a request can be sent to, told from those where every attempt would be in vain."""

import re
from urllib.parse import urlsplit

IMPOSSIBLE = re.compile(r"[\x00-\x20\x7f]")  # characters that stand in no address


def is_web_address(text: str) -> bool:
    """Whether `text` begins with http:// or https:// and a host, has a possible port if any, and no blanks."""
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and not IMPOSSIBLE.search(text)
        )
    except ValueError:  # brackets about no IPv6 address, a port that is none
        return False
