"""Folders that documents come from: on this machine, or in a bucket; what of them can be read, and what cannot."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from bootstrap_assets.documents.states import Arrival
from bootstrap_assets.texts.content import clean_text

LARGEST = 256 << 20
"""Bytes of the largest file that is taken."""

LONGEST = 200
"""Characters of the longest name that is kept as it is; of a longer one the end is replaced by its hash."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not taken in, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """A file in a folder: its path for whoever reads it, its name as a document, its size in bytes if it is known.

    `signature` is another one when it changed; None where the folder cannot tell: then it is read each time.
    """

    path: str
    name: str
    size: int | None
    signature: str | None


class Folder(Protocol):
    """Where a tenant's files lie."""

    address: str
    """What people call it."""

    refusals: list[Refusal]
    """What of the folder could not be listed; complete when `files` has ended."""

    is_whole: bool
    """False where an empty listing may only mean that the folder is not there; right when `files` has ended."""

    @property
    def is_there(self) -> bool:
        """False where nobody made it yet; what cannot tell says True."""
        ...

    def files(self) -> Iterator[File]:
        """The files in it and below, without hidden ones."""
        ...

    def read(self, file: File) -> Arrival | Refusal:
        """One of them."""
        ...


class LocalFolder:
    """A folder on this machine. No link is followed to a folder, and none out of it."""

    is_whole = True

    def __init__(self, path: Path) -> None:
        self._path, self.address = path, str(path)
        self.refusals: list[Refusal] = []

    @property
    def is_there(self) -> bool:
        """Whether it is a folder."""
        return self._path.is_dir()

    def files(self) -> Iterator[File]:
        """The files in it and below, sorted by folder."""
        for place, folders, files in os.walk(self._path, onerror=self._report):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield self._describe(Path(place, name))

    def read(self, file: File) -> Arrival | Refusal:
        """One of them as it is."""
        return read_file(Path(file.path), file.name, root=self._path)

    def _describe(self, path: Path) -> File:
        name = clean_name(path.relative_to(self._path).as_posix())
        try:
            status = path.stat()  # of a link, what it leads to: that is what is read
        except OSError:  # a link to nothing or to itself, or gone since the folder was listed
            return File(str(path), name, None, None)
        return File(str(path), name, status.st_size, _signature(status))

    def _report(self, error: OSError) -> None:
        self.refusals.append(Refusal(one_line(str(error.filename)), f"it cannot be read: {error.strerror}"))


def read_file(path: Path, name: str, *, root: Path | None = None) -> Arrival | Refusal:
    """A file as it is: refused where it is a link out of `root`, none, too large, or changes meanwhile."""
    try:
        if root and not path.resolve().is_relative_to(root.resolve()):
            return Refusal(name, "it is a link out of its folder")
        with open(path, "rb", opener=_open_file) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                return Refusal(name, "it is no regular file")
            if before.st_size > LARGEST:
                return Refusal(name, f"it has more than {LARGEST >> 20} MB")
            return _content(file, name, before, path)
    except OSError as error:
        return Refusal(name, f"it cannot be read: {error.strerror}")
    except RuntimeError:  # what pathlib raises for it
        return Refusal(name, "it is a link to itself")


def _content(file: IO[bytes], name: str, before: os.stat_result, path: Path) -> Arrival | Refusal:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        return Refusal(name, f"it has more than {LARGEST >> 20} MB")
    after = path.stat()
    if (after.st_size, after.st_mtime_ns, after.st_ino) != (len(content), before.st_mtime_ns, before.st_ino):
        return Refusal(name, "it changed while it was read: add it again when it is complete")
    return Arrival(name, content, _signature(before))


def _open_file(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe that nobody writes to would be waited for


def _signature(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def one_line(name: str) -> str:
    """A name or path as one line that can be shown."""
    plain = clean_text(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return _UNPRINTABLE.sub("\ufffd", plain)


def clean_name(name: str) -> str:
    """A name as one line that can be shown and stored, the same for the same file; never a path upwards."""
    plain = one_line(name).replace("\\", "/")
    plain = "/".join(part for part in PurePosixPath(plain).parts if part not in ("/", "..", "."))
    if len(plain) > LONGEST or plain != name:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        suffix = PurePosixPath(plain).suffix[:12]
        return f"{plain[: LONGEST - len(suffix) - 13]}~{digest}{suffix}"
    return plain
