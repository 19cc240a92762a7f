"""What the Voyage client raises, and which of our errors it is. The only place that reads its messages."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from requests.exceptions import InvalidHeader, InvalidSchema, InvalidURL, MissingSchema

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


def classify(error: "VoyageError", *, secret: str = "") -> BootstrapError:
    """Our error for one of the client's. `secret` is left out of what it says."""
    ours = _classify(error)
    if secret and secret in str(ours):
        ours.args = (str(ours).replace(secret, "***"),)
    return ours


def _classify(error: "VoyageError") -> BootstrapError:
    status = error.http_status
    if status is None:
        return _unanswered(error)
    if status < 400:
        return AnswerError(f"Voyage AI answered {status} with something that is no list of embeddings")
    detail = _detail(error)
    told = f"Voyage AI answered {status}: {detail}"
    if status in (401, 402, 403) or (status == 429 and _QUOTA.search(detail)):
        return AccessError(told)
    if status == 429:
        return RateLimitedError(told, retry_after(error.headers or {}))
    if status == 413 or (status in (400, 422) and _TOO_LARGE.search(detail)):
        return TooLargeError(told)
    if status in (404, 405):
        return ConfigurationError(f"{told} (BOOTSTRAP_VOYAGE_BASE_URL?)")
    if status >= 500 or status in (408, 409, 425):
        return ProviderError(told, retry_after(error.headers or {}))
    return RefusedError(told)


def _detail(error: "VoyageError") -> str:
    """The provider's own words; not the client's message, which may quote headers and whole bodies."""
    body = error.json_body
    words = body.get("detail") if isinstance(body, dict) else None
    return " ".join(str(words or error.http_body or error.user_message).split())[:MAX_DETAIL]


def _unanswered(error: "VoyageError") -> BootstrapError:
    """No status at all: whether the request went out decides whether it may have been charged."""
    if isinstance(error.__cause__, (InvalidURL, InvalidHeader, MissingSchema, InvalidSchema)):
        return ConfigurationError(
            f"no request can be made ({type(error.__cause__).__name__}): look at BOOTSTRAP_VOYAGE_BASE_URL"
        )
    reason = getattr(getattr(error.__cause__, "args", (None,))[0] if error.__cause__ else None, "reason", None)
    detail = " ".join(str(reason or error.__cause__ or error).split())[:MAX_DETAIL]
    if type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLError"):
        return ProviderError(f"Voyage AI cannot be reached: {detail}")
    return NoAnswerError(f"Voyage AI did not answer: {detail}")


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
