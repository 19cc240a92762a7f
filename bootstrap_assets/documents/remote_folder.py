"""A tenant's folder in a bucket, or at any other address that fsspec reaches."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from bootstrap_assets.documents.folders import LARGEST, File, Refusal, clean_name
from bootstrap_assets.documents.states import Arrival
from bootstrap_assets.errors import DownloadInterrupted, PermanentError
from bootstrap_assets.sources.fetch.http_answers import public_url
from bootstrap_assets.sources.fetch.stores import explained, is_web, open_store, version_of

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")
"""What file systems call the time of an object's last change: S3, Azure, Google, folders, fsspec's memory."""


PATIENCE = 3
"""Objects that a store may fail to give in one look: one that it never gives costs no other."""


class RemoteInbox:
    """The folder of all inboxes, opened once: `of` gives a tenant's.

    Raises what `stores.open_store` does.
    """

    def __init__(self, address: str) -> None:
        self._address = public_url(address).rstrip("/")
        self._files, self._root = open_store(address)

    def of(self, tenant: str) -> "RemoteFolder":
        """A tenant's folder."""
        return RemoteFolder(self._files, f"{self._root.rstrip('/')}/{tenant}", f"{self._address}/{tenant}")


class RemoteFolder:
    """A tenant's folder in a store. It is listed as a whole before a file is read: an error forgets nothing.

    A folder without files is none in a store: nothing is forgotten then (`is_whole`), but when it is asked for.
    """

    is_there = True

    def __init__(self, files: Any, path: str, address: str) -> None:
        self._files, self._path, self.address = files, path, address
        self.refusals: list[Refusal] = []
        self.is_whole = False
        self._interruptions = 0

    def files(self) -> Iterator[File]:
        """The objects below it. Raises ConfigurationError, ArchiveError or DownloadInterrupted (may pass)."""
        with explained(self.address):
            entries = self._listing()
        self.is_whole = bool(entries)
        for entry in entries:
            yield self._describe(entry)

    def read(self, file: File) -> Arrival | Refusal:
        """One object: refused where it is too large or cannot be read.

        DownloadInterrupted where that may pass and PATIENCE objects were refused for it already.
        """
        if file.size and file.size > LARGEST:
            return _too_large(file)
        try:
            with explained(f"{self.address}/{file.name}"):
                content = self._files.cat_file(file.path)
        except PermanentError as error:
            return Refusal(file.name, f"it cannot be read: {error}")
        except DownloadInterrupted as error:
            self._interruptions += 1
            if self._interruptions > PATIENCE:
                raise
            return Refusal(file.name, f"it cannot be read now: {error}")
        if len(content) > LARGEST:
            return _too_large(file)
        if file.size not in (None, len(content)):
            return Refusal(file.name, "it changed while it was read: the next look takes it")
        return Arrival(file.name, content, file.signature or "")

    def _listing(self) -> list[Mapping[str, Any]]:
        try:
            return sorted(self._below(self._path), key=lambda entry: str(entry["name"]))
        except FileNotFoundError:
            if is_web(self._files):
                raise
            self._require_bucket()
            return []

    def _below(self, folder: str) -> Iterator[Mapping[str, Any]]:
        """What is in a folder and below; any error ends it, where fsspec's own walk would leave a part out."""
        for entry in self._files.ls(folder, detail=True):
            path = str(entry["name"]).rstrip("/")
            if not path.startswith(f"{folder}/") or path.rpartition("/")[2].startswith("."):
                continue  # the mark of the folder itself, a link to elsewhere, or hidden
            if entry["type"] == "directory":
                yield from self._below(path)
            elif not str(entry["name"]).endswith("/"):
                yield entry

    def _require_bucket(self) -> None:
        """FileNotFoundError where the bucket is not there; a key that may not ask that is good enough."""
        try:
            self._files.info(self._path.strip("/").partition("/")[0])
        except PermissionError:
            return

    def _describe(self, entry: Mapping[str, Any]) -> File:
        path = str(entry["name"])
        name = path.removeprefix(f"{self._path}/")
        name = unquote(name) if is_web(self._files) else name
        time = next((str(entry[key]) for key in _TIMES if entry.get(key)), None)
        version, size = version_of(entry), entry.get("size")
        signature = f"{size or 0}-{version or time}" if version or time else None
        return File(path, clean_name(name), size, signature)


def _too_large(file: File) -> Refusal:
    return Refusal(file.name, f"it has more than {LARGEST >> 20} MB")
