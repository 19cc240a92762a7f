"""Fetching archives: cached, atomic, resumable, and held to the checksum of their first use.

pooch, the usual choice, neither resumes an interrupted download nor makes conditional requests with ETags; so this
is done here, on requests. Nothing is tried twice in here: errors say by their class whether another attempt
is worth while, and the caller's retry policy decides.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from bootstrap_assets import web
from bootstrap_assets.errors import ArchiveError, ChecksumError, DownloadError, DownloadInterrupted
from bootstrap_assets.sources.fetch.checksums import LOCK_NAME, ChecksumLock, Fetched, LockEntry, digest, exclusive
from bootstrap_assets.sources.fetch.http_answers import (
    condition,
    integer,
    public_url,
    reason,
    start_of,
    strong,
    web_page_title,
)
from bootstrap_assets.sources.fetch.soundness import Unsound, check_ending, check_whole
from bootstrap_assets.sources.spec import Remote

__all__ = ["LOCK_NAME", "ChecksumLock", "Fetched", "LockEntry", "OnBytes", "fetch", "newer_version"]

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 60.0  # seconds, for a connection and between two pieces of a body

OnBytes = Callable[[int, "int | None"], None]
"""Called after each piece with the bytes so far and the bytes in all (None if that is unknown)."""

_CHUNK, _TRANSIENT = 1 << 16, {408, 425, 429}


def fetch(
    remote: Remote,
    folder: Path,
    *,
    lock: ChecksumLock,
    force: bool = False,
    timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    on_bytes: OnBytes | None = None,
) -> Fetched:
    """Get an archive into a folder, from there if it is there, else from the network.

    A file that is there is only compared with the lock. `force` asks the server whether it has another version,
    and accepts it. `timeout` is (connect, read) in seconds. Of two processes, the second waits for the first.
    Raises DownloadError (the server refused, or sent a web page), DownloadInterrupted (worth another attempt,
    which goes on where this one stopped) or ChecksumError (other content than at first use).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / f".{remote.filename}.lock"):
        download = _Download(remote, folder, lock, timeout, on_bytes)
        return download.refresh() if force else download.from_cache() or download.fresh()


def at_hand(remote: Remote, folder: Path, *, lock: ChecksumLock) -> Fetched | None:
    """An archive that is in a folder, as `fetch` gives it; None where it would be downloaded."""
    if not (folder / remote.filename).exists():
        return None
    with exclusive(folder / f".{remote.filename}.lock"):
        return _Download(remote, folder, lock, (CONNECT_TIMEOUT, READ_TIMEOUT), None).from_cache()


def newer_version(
    remote: Remote, *, lock: ChecksumLock, timeout: tuple[float, float] = (10.0, 30.0)
) -> str | None:
    """The server's name (ETag or date) for another version than the one that is locked; None where it has none.

    One conditional request whose body is not read. None too for an archive that was never downloaded, or whose
    server names no versions. Raises DownloadError or DownloadInterrupted.
    """
    headers = condition(lock.get(remote.filename))
    if not headers:
        return None
    with _Download(remote, lock.path.parent, lock, timeout, None).ask(headers) as response:
        if response.status_code == 304:
            return None
        return response.headers.get("ETag") or response.headers.get("Last-Modified")


class _Download:
    """One archive: its file, its unfinished part, and the server's name for the version the part belongs to."""

    def __init__(
        self,
        remote: Remote,
        folder: Path,
        lock: ChecksumLock,
        timeout: tuple[float, float],
        on_bytes: OnBytes | None,
    ) -> None:
        self.remote = remote
        self.url = public_url(remote.url)
        self.path = folder / remote.filename
        self.part = folder / f"{remote.filename}.part"
        self.state = folder / f"{remote.filename}.part.state"
        self.lock = lock
        self.entry = lock.get(remote.filename)
        self.timeout = timeout
        self.on_bytes = on_bytes

    def from_cache(self) -> Fetched | None:
        """The file that is there, if it is what it was; one that was put there by hand is recorded."""
        if not self.path.exists():
            return None
        sha256, size = digest(self.path)
        if self.entry is None:
            self._refuse_unsound_by_hand()
            self.entry = LockEntry(sha256, size, self.url)
            self.lock.record(self.path.name, self.entry)
        self._compare(self.path, sha256, "the file was damaged or replaced; delete it to download it again")
        try:
            check_ending(self.path, self.path.name)
        except Unsound:  # recorded by a version that did not look: it was never what the publisher has
            self.entry = None
            return None
        return self._result(sha256, size, self.entry.etag, was_cached=True)

    def fresh(self) -> Fetched:
        """Download the file, which must be what it was at first use, if there was one."""
        entry = self._receive({})
        assert entry is not None
        advice = (
            "the server has another version, or it came damaged; try again, or force a refresh "
            "(`bootstrap run --force-refresh`) to accept it"
        )
        try:
            self._compare(self.part, entry.sha256, advice)
        except ChecksumError:
            self._drop_part()
            raise
        return self._accept(entry)

    def refresh(self) -> Fetched:
        """Download the file if the server has another version than the one that is here and sound."""
        sha256, size = digest(self.path) if self.path.exists() else ("", 0)
        sound = self.entry is not None and self.entry.sha256 == sha256
        entry = self._receive(condition(self.entry) if sound else {})
        if entry is None:
            return self._result(sha256, size, self.entry.etag if self.entry else None, was_cached=True)
        return self._accept(entry)

    def _accept(self, entry: LockEntry) -> Fetched:
        """Put the finished part in place of the file, and record it."""
        changed = self.entry is not None and self.entry.sha256 != entry.sha256
        self.part.replace(self.path)
        self.state.unlink(missing_ok=True)
        self.lock.record(self.path.name, entry)
        return self._result(entry.sha256, entry.size, entry.etag, was_cached=False, changed=changed)

    def _result(
        self, sha256: str, size: int, etag: str | None, *, was_cached: bool, changed: bool = False
    ) -> Fetched:
        return Fetched(self.path, sha256, size, self.url, etag, was_cached, changed)

    def _compare(self, path: Path, sha256: str, advice: str) -> None:
        if self.entry is not None and self.entry.sha256 != sha256:
            raise ChecksumError(
                f"{path}: its SHA-256 is {sha256}, but {self.lock.path.name} recorded {self.entry.sha256} "
                f"when {self.path.name} was first used: {advice}"
            )

    def _receive(self, unless: Mapping[str, str]) -> LockEntry | None:
        """Complete the part, or None if the server says that this version is the newest (304)."""
        headers = self._resumption() or dict(unless)
        with self.ask(headers) as response:
            if response.status_code == 304:
                return None
            start = start_of(response, headers)
            if start is not None:
                return self._write(response, start)
        # What the server offers does not fit the part that is here.
        self._drop_part()
        return self._receive(unless)

    def _resumption(self) -> dict[str, str]:
        """Headers that ask for the rest of the part, if there is one whose version has a name."""
        try:
            state = json.loads(self.state.read_text(encoding="utf-8"))
            size, validator = self.part.stat().st_size, state["validator"]
        except (OSError, ValueError, KeyError, TypeError):
            size, validator, state = 0, None, {}
        if not size or not isinstance(validator, str) or state.get("url") != self.url:
            self._drop_part()
            return {}
        return {"Range": f"bytes={size}-", "If-Range": validator}

    def ask(self, headers: Mapping[str, str]) -> requests.Response:
        """Ask for the file; an answer that was not asked for is an error."""
        all_headers = {"Accept-Encoding": "identity", **headers}
        try:
            with web.Session() as session:
                response = session.get(self.remote.url, headers=all_headers, stream=True, timeout=self.timeout)
        except (requests.RequestException, OSError, ValueError, TypeError) as error:
            failure = web.failure(error, self.remote.url)
            if failure.lasting:
                raise DownloadError(f"{self.url}: {failure.message}") from None
            if failure.of_proxy:
                raise DownloadInterrupted(f"{self.url}: {failure.message}; what has come is kept") from None
            raise self._interruption(error) from None
        statuses = {200} | ({206, 416} if "Range" in headers else {304} if headers else set())
        if response.status_code in statuses:
            return response
        response.close()
        raise self._refusal(response)

    def _refusal(self, response: requests.Response) -> DownloadError | DownloadInterrupted:
        status = response.status_code
        message = f"{self.url}: the server answered {status} {response.reason or ''}".rstrip()
        if status in _TRANSIENT or status >= 500:
            wait = response.headers.get("Retry-After")
            return DownloadInterrupted(f"{message}, and asks to wait ({wait})" if wait else message)
        return DownloadError(f"{message}; download {self.path.name} by hand into {self.path.parent}, or try later")

    def _interruption(self, error: BaseException) -> DownloadInterrupted:
        """What happened, without the text of the error, which may hold the address with its credentials."""
        return DownloadInterrupted(f"{self.url}: {reason(error, self.timeout)}; what has come is kept")

    def _write(self, response: requests.Response, start: int) -> LockEntry:
        """Append the body to the part from `start` on, and look at what came."""
        etag, date = response.headers.get("ETag"), response.headers.get("Last-Modified")
        is_encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        length = None if is_encoded else integer(response.headers.get("Content-Length"))
        total = None if length is None else start + length
        validator = None if is_encoded else strong(etag) or date
        self.state.write_text(json.dumps({"url": self.url, "validator": validator}), encoding="utf-8")
        size = self._append(response, start, total)
        if total is not None and size != total:
            raise DownloadInterrupted(f"{self.url}: the server sent {size:,} of {total:,} bytes; they are kept")
        self._refuse_web_page()
        self._refuse_unsound()
        sha256, size = digest(self.part)
        return LockEntry(sha256, size, self.url, etag, date)

    def _append(self, response: requests.Response, start: int, total: int | None) -> int:
        """Write the pieces as they come, so that all that came is kept; returns the size of the part."""
        size = start
        with self.part.open("ab" if start else "wb") as file:
            try:
                for piece in self._pieces(response):
                    size += file.write(piece)
                    if self.on_bytes:
                        self.on_bytes(size, total)
            finally:
                file.flush()
                os.fsync(file.fileno())
        return size

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it arrives; requests' own iterator would lose the last, incomplete piece of a broken one."""
        try:
            while piece := response.raw.read1(_CHUNK, decode_content=True):
                yield piece
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._interruption(error) from None

    def _refuse_web_page(self) -> None:
        with self.part.open("rb") as file:
            title = web_page_title(file.read(_CHUNK))
        if title is not None:
            self._drop_part()
            raise DownloadError(f"{self.url}: sent a web page ({title}) where {self.path.name} was expected")

    def _refuse_unsound(self) -> None:
        """A part that is not whole is never recorded, however cleanly the server ended it."""
        try:
            check_whole(self.part, self.path.name)
        except Unsound as error:
            if not error.cut_off:
                self._drop_part()  # otherwise it is resumed, if its version has a name
            if error.foreign:
                raise DownloadError(f"{self.url}: sent something else than {self.path.name}: {error}") from None
            raise DownloadInterrupted(
                f"{self.url}: what came is not whole, though the server ended it as if it were: {error}; nothing "
                "of it is recorded"
            ) from None

    def _refuse_unsound_by_hand(self) -> None:
        try:
            check_whole(self.path, self.path.name)
        except Unsound as error:
            raise ArchiveError(
                f"{self.path}: the file is not whole: {error}; put a whole one there, or delete it to download it"
            ) from None

    def _drop_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)
