"""What comes in: files, folders and archives that somebody adds, and the inbox, a folder for each tenant."""

import hashlib
import math
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import states, tenants
from bootstrap_assets.documents.removal import remove
from bootstrap_assets.errors import ArchiveError
from bootstrap_assets.sources.fetch.archive import Archive, open_archive
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

LARGEST = 256 << 20
"""Bytes of the largest file that is taken."""

LONGEST = 200
"""Characters of the longest name that is kept as it is; of a longer one the end is replaced by its hash."""

GUARD = 0.20
"""The largest share of a tenant's inbox that may vanish between two looks without being asked for."""

FEW = 5
"""Documents that may vanish at once, however few there are."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file's name for its tenant, its bytes, and its signature: size and time, where it lies in a folder."""

    name: str
    content: bytes
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was not taken in, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class Intake:
    """What became of what came in, by name."""

    added: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    held_back: int = 0


def add(database: Database, tenant: str, paths: Sequence[Path]) -> Intake:
    """Take in files, folders with all that is in them, and zip archives of files. One file's fault is its own."""
    with database.connection() as connection:
        tenants.require(connection, tenant)
    intake, names = Intake(), dict[str, bytes]()
    for path in paths:
        if not path.exists():
            intake.refused.append(Refusal(_line(str(path)), "there is no such file"))
        for entry in _arrivals(path):
            _take(database, tenant, _unambiguous(entry, names), "added", intake)
    return intake


def _unambiguous(entry: Arrival | Refusal, names: dict[str, bytes]) -> Arrival | Refusal:
    """What came in, refused where another file of its name came with it: one would take the other's place."""
    if isinstance(entry, Refusal):
        return entry
    digest = hashlib.sha256(entry.content).digest()
    if names.setdefault(entry.name, digest) != digest:
        return Refusal(entry.name, "another file of this name is added by the same command")
    return entry


def scan(
    database: Database, folder: Path, tenant: str, *, seconds: float = math.inf, allow_deletes: bool = False
) -> Intake:
    """Take in what is new or changed in a tenant's folder, and forget what vanished from it.

    Where more than a fifth vanished at once, or a folder in it cannot be read, nothing is forgotten (`held_back`
    says how many): a folder that is not mounted looks like an empty one. After some `seconds` no more is taken in:
    the next look goes on.
    """
    with database.connection() as connection:
        tenants.require(connection, tenant)
        before = dict(connection.execute(statement("inbox_signatures"), {"tenant": tenant}).fetchall())
    intake, present, until = Intake(), set[str](), time.monotonic() + seconds
    unreadable: list[OSError] = []
    for path, name in _files_in(folder, unreadable.append):
        present.add(name)
        if before.get(name) != _signature(path.lstat()) and time.monotonic() < until:
            _take(database, tenant, _read(path, name, root=folder), "inbox", intake)
    intake.refused += [_unreadable(error) for error in unreadable]
    vanished = sorted(before.keys() - present)
    if unreadable or (len(vanished) > max(FEW, GUARD * len(before)) and not allow_deletes):
        intake.held_back = len(vanished)
        return intake
    for name in vanished:
        remove(database, states.id_of(tenant, name))
        intake.removed.append(name)
    return intake


def _take(database: Database, tenant: str, entry: Arrival | Refusal, origin: str, intake: Intake) -> None:
    if isinstance(entry, Refusal):
        intake.refused.append(entry)
        return
    with database.connection() as connection:
        is_new = states.put(
            connection,
            tenant,
            entry.name,
            entry.content,
            version=hashlib.sha256(entry.content).digest(),
            origin=origin,
            signature=entry.signature,
        )
    (intake.added if is_new else intake.unchanged).append(entry.name)


def _arrivals(path: Path) -> Iterator[Arrival | Refusal]:
    if path.is_dir():
        unreadable: list[OSError] = []
        for file, name in _files_in(path, unreadable.append):
            yield _read(file, name, root=path)
        yield from map(_unreadable, unreadable)
    elif path.suffix.lower() == ".zip":
        yield from _members(path)
    elif path.exists():
        yield _read(path, clean_name(path.name))


def _members(path: Path) -> Iterator[Arrival | Refusal]:
    """The files of a zip archive: an unsafe or damaged one is refused whole, an unreadable member alone."""
    try:
        with open_archive(path) as archive:
            for name in archive.names():
                yield _member(archive, name)
    except ArchiveError as error:
        yield Refusal(_line(path.name), str(error))


def _member(archive: Archive, name: str) -> Arrival | Refusal:
    try:
        content = archive.read(name)
    except ArchiveError as error:
        return Refusal(_line(name), str(error))
    if len(content) > LARGEST:
        return Refusal(_line(name), f"it has more than {LARGEST >> 20} MB")
    return Arrival(clean_name(name), content)


def _unreadable(error: OSError) -> Refusal:
    return Refusal(_line(str(error.filename)), f"it cannot be read: {error.strerror}")


def _files_in(folder: Path, report: Callable[[OSError], object]) -> Iterator[tuple[Path, str]]:
    """Files below a folder with their names, without hidden ones. No link is followed to a folder.

    `report` gets the error of each folder that cannot be read.
    """
    for place, folders, files in os.walk(folder, onerror=report):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                path = Path(place, name)
                yield path, clean_name(path.relative_to(folder).as_posix())


def _read(path: Path, name: str, *, root: Path | None = None) -> Arrival | Refusal:
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


def _line(name: str) -> str:
    """A name or path as one line that can be shown."""
    plain = clean_text(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return _UNPRINTABLE.sub("\ufffd", plain)


def clean_name(name: str) -> str:
    """A name as one line that can be shown and stored, the same for the same file; never a path upwards."""
    plain = _line(name).replace("\\", "/")
    plain = "/".join(part for part in PurePosixPath(plain).parts if part not in ("/", "..", "."))
    if len(plain) > LONGEST or plain != name:
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        suffix = PurePosixPath(plain).suffix[:12]
        return f"{plain[: LONGEST - len(suffix) - 13]}~{digest}{suffix}"
    return plain
