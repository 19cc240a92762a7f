"""The connections to Voyage AI: what is sent over them, and whether a request that failed had left."""

from collections.abc import Iterator
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from bootstrap_assets import web
from bootstrap_assets.errors import BootstrapError, ConfigurationError, NoAnswerError, ProviderError

_RAISED = (requests.RequestException, HTTPError, OSError, ValueError, TypeError, AttributeError)
"""What requests raises, and what it lets through: urllib3's errors, those of missing bundles, odd addresses."""


class VoyageSession(web.Session):
    """One thread's connections. Raises our errors in place of those of requests.

    A request whose body was never asked for has not left this machine, whatever went wrong and at whatever depth:
    name, proxy, connection, TLS. It cannot have been charged. One whose body was may have been.
    """

    title = "Voyage AI"
    address = "BOOTSTRAP_VOYAGE_BASE_URL"
    _left = False

    def __init__(self) -> None:
        super().__init__()
        self.auth = _as_it_is  # nor credentials in the address: the header is for the key

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Raises ConfigurationError or ProviderError for what never left, NoAnswerError for what may have."""
        self._left = False
        try:
            return super().request(method, url, **kwargs)
        except _RAISED as error:
            # `from None`: what requests raises may quote headers, the key among them.
            raise self._error(error, url, kwargs.get("timeout")) from None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As in requests, with a body that notes when it begins to be sent."""
        if isinstance(request.body, bytes):
            request.body = _Body(request.body, self)  # type: ignore[assignment]
        return super().send(request, **kwargs)

    def take(self) -> None:
        """The request leaves."""
        self._left = True

    def _error(self, error: Exception, url: str, timeout: float | None) -> BootstrapError:
        failure = web.failure(error, url, timeout)
        if self._left and not isinstance(error, requests.TooManyRedirects):
            return NoAnswerError(f"{self.title} did not answer: {failure.message}")
        if failure.lasting:
            address = f" ({self.address}?)" if failure.of_address else ""
            return ConfigurationError(f"{self.title} cannot be asked: {failure.message}{address}")
        return ProviderError(f"{self.title} cannot be reached: {failure.message}")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Body:
    """A request's body. urllib3 asks for its first piece when the connection stands and the headers are sent."""

    def __init__(self, content: bytes, session: VoyageSession) -> None:
        self._content = content
        self._session = session

    def __iter__(self) -> Iterator[bytes]:
        self._session.take()
        yield self._content
