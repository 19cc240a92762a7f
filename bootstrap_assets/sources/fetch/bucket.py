"""Archives in a bucket, or at any other address of a folder that fsspec reaches.

An object is read once and kept by its checksum, which alone says what it is. An object whose store names the same
version as when it was read is not read again; where a store names no versions, it is.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from bootstrap_assets.errors import ArchiveError, DownloadInterrupted
from bootstrap_assets.sources.fetch.checksums import ChecksumLock, LockEntry, digest, exclusive
from bootstrap_assets.sources.fetch.http_answers import public_url
from bootstrap_assets.sources.fetch.soundness import Unsound, check_whole
from bootstrap_assets.sources.fetch.stores import MissingObject, explained, is_web, open_store, version_of
from bootstrap_assets.sources.spec import Source, is_archive_name


@dataclass(frozen=True, slots=True)
class _Object:
    """What a store says of an object: its path there, file name, size in bytes, and version, if it has one."""

    path: str
    name: str
    size: int | None
    version: str | None


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


def at_hand(address: str, source: Source, cache: Path) -> list[Path] | None:
    """The archives as `fetch` gives them, where none has to be read for that; else None. Lists what is there."""
    store, paths = _Store(address, cache), list[Path]()
    for one in store.objects(source):
        if (path := store.at_hand(one)) is None:
            return None
        paths.append(path)
    return paths or None


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
        self._files, self._folder = open_store(address)

    def objects(self, source: Source) -> Iterator[_Object]:
        """The source's archives, sorted by name. What cannot be listed is asked for by its official names."""
        with explained(self.address):
            paths = self._listing()
        for path in paths or [f"{self._folder}/{remote.filename}" for remote in source.remotes]:
            try:
                with explained(self.address):
                    yield self._look(path)
            except MissingObject:
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
        return sorted(path for path in here if is_archive_name(self._name(path)))

    def _name(self, path: str) -> str:
        """The file name; on a web server it is quoted, and may have a slash in it all the same."""
        end = path.rpartition("/")[2]
        return unquote(end).rpartition("/")[2] if is_web(self._files) else end

    @property
    def _can_list(self) -> bool:
        return not is_web(self._files)

    def _look(self, path: str) -> _Object:
        info: dict[str, Any] = self._files.info(path)
        return _Object(path, self._name(path), info.get("size"), version_of(info))

    def archive(self, one: _Object, *, force: bool) -> Path:
        """The object as a file here. Of two processes, the second waits for the first."""
        self._cache.mkdir(parents=True, exist_ok=True)
        key = self._key(one)
        with exclusive(self._cache / f".{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"):
            return (None if force else self._cached(one, key)) or self._receive(one, key)

    def at_hand(self, one: _Object) -> Path | None:
        """The object as the file that is here; None where it was not read in this version."""
        return self._cached(one, self._key(one))

    def _key(self, one: _Object) -> str:
        return f"{self.address}/{one.name}"

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
            with explained(key):
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
