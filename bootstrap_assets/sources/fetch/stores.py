"""Stores of objects, and whatever else fsspec reaches: opened by an address, with their errors made ours."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import fsspec

from bootstrap_assets.errors import (
    ArchiveError,
    BootstrapError,
    ConfigurationError,
    DownloadInterrupted,
    explain,
    is_transient,
)
from bootstrap_assets.extras import needs_extra
from bootstrap_assets.sources.fetch.http_answers import public_url

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), ("s3", "s3fs")),
    **dict.fromkeys(("gs", "gcs"), ("gs", "gcsfs")),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), ("az", "adlfs")),
}
"""The extra and the module of a protocol, where it needs one."""

_S3 = ("s3", "s3a")

WAIT = 10
"""Seconds that a store of S3's may be silent. It is asked four times: less than the minute of a sensor's look.

By its clients' own defaults, 25 attempts of 15 seconds each, a store that never answers holds a look for minutes.
"""

_VERSIONS = ("VersionId", "version_id", "generation", "ETag", "etag")
"""What stores call a version of an object: S3, Azure, Google, HTTP. Size and date alone are no version."""

_PASSING = frozenset(
    "TimeoutError ConnectionError HTTPClientError ClientConnectionError ClientPayloadError IncompleteRead "
    "ServiceRequestError ServiceResponseError TransportError".split()
)
"""Classes of errors that may pass, by name: those of botocore, aiohttp, azure-core and google-auth."""


def version_of(info: Mapping[str, Any]) -> str | None:
    """What a store calls this version of an object; None where it names none that promises the same bytes."""
    names = [str(info[key]) for key in _VERSIONS if info.get(key) not in (None, "", "null")]
    return " ".join(name for name in names if not name.startswith("W/")) or None


def is_web(files: Any) -> bool:
    """Whether a file system is a web server, which may have no listing of what it has."""
    return "http" in files.protocol


def open_store(address: str) -> tuple[Any, str]:
    """The file system of an address, and the folder in it."""
    protocol = address.partition("://")[0].lower()
    if protocol in _EXTRAS:
        extra, module = _EXTRAS[protocol]
        with needs_extra(extra, f"an address {protocol}://"):
            import_module(module)
    with explained(public_url(address)):
        files, folder = fsspec.url_to_fs(
            address.rstrip("/"), skip_instance_cache=True, use_listings_cache=False, **_options(protocol)
        )
    if protocol in _S3:
        files.retries = 2
    return files, folder


def _options(protocol: str) -> dict[str, Any]:
    """What a client is told beyond its own defaults."""
    if protocol in ("http", "https"):  # the proxies of the environment are honoured by every client but this one
        return {"client_kwargs": {"trust_env": True}}
    if protocol in _S3:
        return {"config_kwargs": {"read_timeout": WAIT, "retries": {"total_max_attempts": 2}}}
    return {}


_SECRET = re.compile(r"(?<=://)[^/\s]*@|\?[\w-]+=\S*")
"""What of an address in a client's message may be secret: user and password, a query."""


class MissingObject(ArchiveError):
    """Nothing is at an address."""


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Around calls of a store's client: what it raises becomes one of our errors."""
    try:
        yield
    except BootstrapError:
        raise
    except Exception as error:
        raise _ours(address, error) from error


def _ours(address: str, error: Exception) -> BootstrapError:
    status = next((value for one in _chain(error) if isinstance(value := getattr(one, "status", None), int)), 0)
    reason = f"HTTP {status}" if status else _SECRET.sub("", explain(error))
    if isinstance(error, PermissionError) or status in (401, 403):
        return ConfigurationError(f"{address}: the store refuses this key: {reason}")
    if any(_may_pass(one) for one in _chain(error)) or status in (408, 429) or status >= 500:
        return DownloadInterrupted(f"{address}: the store does not answer as it should: {reason}")
    if isinstance(error, FileNotFoundError):
        return MissingObject(f"{address}: nothing is there: {reason}")
    return ConfigurationError(f"{address}: the store cannot be read: {reason}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _may_pass(error: BaseException) -> bool:
    return is_transient(error) or any(kind.__name__ in _PASSING for kind in type(error).__mro__)
