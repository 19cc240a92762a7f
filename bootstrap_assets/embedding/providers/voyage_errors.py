"""What the Voyage client raises, and which of our errors it is. The only place that reads its messages."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bootstrap_assets import web
from bootstrap_assets.embedding.providers.voyage_models import replacement
from bootstrap_assets.errors import (
    AccessError,
    AnswerError,
    BootstrapError,
    ConfigurationError,
    NoAnswerError,
    ProviderError,
    RateLimitedError,
    RefusedError,
    TooLargeError,
)

if TYPE_CHECKING:
    from voyageai.error import VoyageError

_TOO_LARGE = re.compile(
    r"batch size limit|max allowed tokens|too many tokens|context length|too long|too large", re.IGNORECASE
)
_QUOTA = re.compile(
    r"insufficient|(quota|credits?|balance)\b.*(exceeded|exhausted)|(exceeded|exhausted)\b.*(quota|credits?)",
    re.IGNORECASE,
)
"""Not every 429 that speaks of billing: one without a payment method only has lower limits."""

MAX_DETAIL = 300
"""Characters of the provider's own words that are kept."""

MAX_WAIT = 3600.0
"""Seconds of a Retry-After that are believed."""


KEYS = {"pa-": "api.voyageai.com", "al-": "ai.mongodb.com"}
"""How keys begin, and the host that takes those."""


def host_of(key: str) -> str:
    """The host that takes a key, where no other address is set."""
    return KEYS["al-"] if key.startswith("al-") else KEYS["pa-"]


def classify(error: "VoyageError", *, url: str = "", secret: str = "", model: str = "") -> BootstrapError:
    """Our error for one of the client's. `secret` is left out of what it says."""
    return _classify(error, url, model, secret)


def denial(error: AccessError, url: str, key: str) -> AccessError:
    """A refused key, with hints at why it may not be the one that was meant."""
    host = urlsplit(url).hostname or ""
    notes = []
    if web.netrc_host(url):
        notes.append(f"the .netrc entry for {host} is not sent, only VOYAGE_API_KEY is")
    for beginning, own in KEYS.items():
        if key.startswith(beginning) and host in KEYS.values() and host != own:
            notes.append(f"keys that begin with {beginning} are for {own}, not for {host}")
    return AccessError(f"{error} ({'; '.join(notes)})") if notes else error


def _classify(error: "VoyageError", url: str, model: str, secret: str) -> BootstrapError:
    status = error.http_status
    if status is None:
        return NoAnswerError(f"Voyage AI did not answer: {_detail(error, secret)}")
    if status < 400:
        return AnswerError(f"Voyage AI answered {status} with something that is not a list of embeddings")
    detail = _detail(error, secret)
    message = f"Voyage AI answered {status}: {detail}"
    if status in (401, 402, 403) or (status == 429 and _QUOTA.search(detail)):
        return AccessError(message)
    if status == 429:
        return RateLimitedError(message, retry_after(error.headers or {}))
    if status == 413 or (status in (400, 422) and _TOO_LARGE.search(detail)):
        return TooLargeError(message)
    if status in (404, 405):
        return ConfigurationError(f"{message} (BOOTSTRAP_VOYAGE_BASE_URL?)")
    if status == 407:
        return ConfigurationError(f"Voyage AI cannot be asked: {web.proxy_refusal(status, url).message}")
    if status == 410:
        return ConfigurationError(f"{message} {_retirement(model)}")
    if status >= 500 or status in (408, 409, 425):
        return ProviderError(message, retry_after(error.headers or {}))
    return RefusedError(message)


def _retirement(model: str) -> str:
    """How to go on after a model is retired: its vectors stay, but no text or query gets any more."""
    other = replacement(model)
    return (
        f"({model or 'the model'} is retired: set BOOTSTRAP_VOYAGE_MODEL={other} and run again, which embeds the "
        "corpus anew with that one; a search with `--mode text` needs no model)"
    )


def _detail(error: "VoyageError", secret: str) -> str:
    """The provider's own words; not the client's message, which may quote headers and whole bodies.

    The secret is taken out before they are cut, so that no part of it is left at the end.
    """
    body = error.json_body
    words = body.get("detail") if isinstance(body, dict) else None
    answer = str(words or error.http_body or error.user_message)
    return " ".join((answer.replace(secret, "***") if secret else answer).split())[:MAX_DETAIL]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After asks for, as a number or a date (RFC 9110, 10.2.3); None without one."""
    value = next((headers[name] for name in headers if name.lower() == "retry-after"), "")
    try:
        return min(MAX_WAIT, max(0.0, float(value)))
    except ValueError:
        pass
    try:
        return min(MAX_WAIT, max(0.0, parsedate_to_datetime(value).timestamp() - time.time()))
    except (ValueError, TypeError):
        return None
