"""Archives in a bucket, or at any other address of a folder that fsspec reaches.

An object is read once and kept by its checksum, which alone says what it is. An object whose store names the same
version as when it was read is not read again; where a store names no versions, it is.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

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
from bootstrap_assets.sources.fetch.checksums import ChecksumLock, LockEntry, digest, exclusive
from bootstrap_assets.sources.fetch.http_answers import public_url
from bootstrap_assets.sources.fetch.soundness import Unsound, check_whole
from bootstrap_assets.sources.spec import Source, is_archive_name

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), ("s3", "s3fs")),
    **dict.fromkeys(("gs", "gcs"), ("gs", "gcsfs")),
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), ("az", "adlfs")),
}
"""The extra and the module of a protocol, where it needs one."""

_VERSIONS = ("VersionId", "version_id", "generation", "ETag", "etag")
"""What stores call a version of an object: S3, Azure, Google, HTTP. Size and date alone are no version."""

_PASSING = frozenset(
    "TimeoutError ConnectionError HTTPClientError ClientConnectionError ClientPayloadError IncompleteRead "
    "ServiceRequestError ServiceResponseError TransportError".split()
)
"""Classes of errors that may pass, by name: those of botocore, aiohttp, azure-core and google-auth."""


@dataclass(frozen=True, slots=True)
class _Object:
    """What a store says of an object: its path there, its size in bytes, and its version, if it has one."""

    path: str
    size: int | None
    version: str | None

    @property
    def name(self) -> str:
        """The file name."""
        return unquote(self.path.rpartition("/")[2])


def fetch(address: str, source: Source, cache: Path, *, force: bool = False) -> list[Path]:
    """The archives of a source at the address of a folder, as files below `cache`.

    `force` reads again what is there already. Raises ArchiveError (nothing there, or not whole),
    ConfigurationError (refused, unknown kind of address), MissingExtraError or DownloadInterrupted (may pass).
    """
    store = _Store(address, cache)
    archives = [store.archive(one, force=force) for one in store.objects(source)]
    if not archives:
        names = ", ".join(remote.filename for remote in source.remotes)
        raise ArchiveError(f"{source.name}: no archive in {store.address}; put {names} there")
    return archives


def names(address: str, source: Source) -> list[str]:
    """The file names of a source's archives at the address of a folder; none of them is read."""
    store = _Store(address, Path())
    return [one.name for one in store.objects(source)]


class _Store:
    """A folder somewhere, and where its objects are kept here: <cache>/<SHA-256>/<file name>."""

    def __init__(self, address: str, cache: Path) -> None:
        self.address = public_url(address)
        self._cache = cache
        self._lock = ChecksumLock(cache)
        self._files, self._folder = _open(address)

    def objects(self, source: Source) -> Iterator[_Object]:
        """The source's archives, sorted by name. What cannot be listed is asked for by its official names."""
        with _explained(self.address):
            paths = self._listing()
        for path in paths or [f"{self._folder}/{remote.filename}" for remote in source.remotes]:
            try:
                with _explained(self.address):
                    yield self._look(path)
            except _MissingObject:
                if paths:
                    raise

    def _listing(self) -> list[str]:
        try:
            entries = self._files.ls(self._folder, detail=True)
        except FileNotFoundError:
            if self._can_list:
                raise
            return []
        paths = [entry["name"] for entry in entries if entry["type"] == "file"]
        here = [path for path in paths if path.rpartition("/")[0].lstrip("/") == self._folder.lstrip("/")]
        return sorted(path for path in here if is_archive_name(unquote(path.rpartition("/")[2])))

    @property
    def _can_list(self) -> bool:
        return "http" not in self._files.protocol

    def _look(self, path: str) -> _Object:
        info: dict[str, Any] = self._files.info(path)
        names = [str(info[key]) for key in _VERSIONS if info.get(key) not in (None, "", "null")]
        strong = [name for name in names if not name.startswith("W/")]
        return _Object(path, info.get("size"), " ".join(strong) or None)

    def archive(self, one: _Object, *, force: bool) -> Path:
        """The object as a file here. Of two processes, the second waits for the first."""
        self._cache.mkdir(parents=True, exist_ok=True)
        key = f"{self.address}/{one.name}"
        with exclusive(self._cache / f".{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"):
            return (None if force else self._cached(one, key)) or self._receive(one, key)

    def _cached(self, one: _Object, key: str) -> Path | None:
        entry = self._lock.get(key)
        if entry is None or one.version is None or (entry.etag, entry.size) != (one.version, one.size):
            return None
        path = self._place(entry.sha256, one)
        return path if path.is_file() and digest(path)[0] == entry.sha256 else None

    def _place(self, sha256: str, one: _Object) -> Path:
        return self._cache / sha256 / one.name

    def _receive(self, one: _Object, key: str) -> Path:
        part = self._cache / f".{uuid4().hex}.part"
        try:
            with _explained(key):
                self._files.get_file(one.path, str(part))
                after = self._look(one.path)
            sha256, size = digest(part)
            _check(part, one, after, size, key)
            path = self._place(sha256, one)
            path.parent.mkdir(exist_ok=True)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._lock.record(key, LockEntry(sha256, size, key, one.version))
        return path


def _check(part: Path, one: _Object, after: _Object, size: int, key: str) -> None:
    if after != one:
        raise DownloadInterrupted(f"{key}: the object changed while it was read; nothing of it is kept")
    if one.size is not None and size != one.size:
        raise DownloadInterrupted(f"{key}: {size:,} of {one.size:,} bytes came; nothing of it is kept")
    try:
        check_whole(part, one.name)
    except Unsound as error:
        raise ArchiveError(f"{key}: the object is not whole: {error}; put a whole one there") from None


def _open(address: str) -> tuple[Any, str]:
    """The file system of an address, and the folder in it."""
    protocol = address.partition("://")[0].lower()
    if protocol in _EXTRAS:
        extra, module = _EXTRAS[protocol]
        with needs_extra(extra, f"an address {protocol}://"):
            import_module(module)
    # The proxies of the environment are honoured by every client but this one.
    options: dict[str, Any] = {"client_kwargs": {"trust_env": True}} if protocol in ("http", "https") else {}
    with _explained(public_url(address)):
        files, folder = fsspec.url_to_fs(
            address.rstrip("/"), skip_instance_cache=True, use_listings_cache=False, **options
        )
    return files, folder


class _MissingObject(ArchiveError):
    """Nothing is at an address."""


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Around calls of a store's client: what it raises becomes one of our errors."""
    try:
        yield
    except BootstrapError:
        raise
    except Exception as error:
        raise _ours(address, error) from error


def _ours(address: str, error: Exception) -> BootstrapError:
    status = next((value for one in _chain(error) if isinstance(value := getattr(one, "status", None), int)), 0)
    reason = f"HTTP {status}" if status else explain(error)
    if isinstance(error, PermissionError) or status in (401, 403):
        return ConfigurationError(f"{address}: the store refuses this key: {reason}")
    if any(_may_pass(one) for one in _chain(error)) or status in (408, 429) or status >= 500:
        return DownloadInterrupted(f"{address}: the store does not answer as it should: {reason}")
    if isinstance(error, FileNotFoundError):
        return _MissingObject(f"{address}: nothing is there: {reason}")
    return ConfigurationError(f"{address}: the store cannot be read: {reason}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _may_pass(error: BaseException) -> bool:
    return is_transient(error) or any(kind.__name__ in _PASSING for kind in type(error).__mro__)
